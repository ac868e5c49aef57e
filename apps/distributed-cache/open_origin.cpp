#include <distributed-cache/open_origin.hpp>
#include <distributed-cache/sqlite_origin.hpp>

#include <fmt/format.h>

#include <utility>

namespace cohort {
namespace {

constexpr std::string_view sqlite_scheme = "sqlite:";

bool is_sqlite(std::string_view address) {
    return address.starts_with(sqlite_scheme) && address.size() > sqlite_scheme.size();
}

result<std::unique_ptr<origin_connection>> open_sqlite(const origin_options& options,
                                                       origin_use wanted) {
    auto opened = sqlite_origin::open({.path = options.address.substr(sqlite_scheme.size()),
                                       .busy_timeout = options.busy_timeout,
                                       .content_bytes_max = options.content_bytes_max,
                                       .audit = options.audit,
                                       .writer = options.writer,
                                       .counters = options.counters},
                                      wanted);
    if (!opened) {
        return std::move(opened).error();
    }
    return std::unique_ptr<origin_connection>{std::make_unique<sqlite_origin>(std::move(*opened))};
}

}  // namespace

result<std::string> shown_origin(std::string_view address) {
    if (is_sqlite(address)) {
        return std::string{address};
    }
    return error{errc::invalid,
                 fmt::format("\"{}\" is no origin: write sqlite:PATH, for example sqlite:cache.db",
                             address)};
}

result<std::unique_ptr<origin_connection>> open_origin(const origin_options& options,
                                                       origin_use wanted) {
    if (auto shown = shown_origin(options.address); !shown) {
        return std::move(shown).error();
    }
    return open_sqlite(options, wanted);
}

}  // namespace cohort
