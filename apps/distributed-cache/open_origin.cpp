#include <distributed-cache/open_origin.hpp>
#include <distributed-cache/postgres_origin.hpp>
#include <distributed-cache/sqlite_origin.hpp>

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

result<std::unique_ptr<origin_connection>> open_postgres(world& around,
                                                         const origin_options& options,
                                                         origin_use wanted) {
    auto opened = postgres_origin::open(around,
                                        {.address = options.address,
                                         .connect_time = options.connect_time,
                                         .content_bytes_max = options.content_bytes_max,
                                         .audit = options.audit,
                                         .writer = options.writer,
                                         .counters = options.counters,
                                         .trouble = options.trouble},
                                        wanted);
    if (!opened) {
        return std::move(opened).error();
    }
    return std::unique_ptr<origin_connection>{
        std::make_unique<postgres_origin>(std::move(*opened))};
}

}  // namespace

bool is_postgres(std::string_view address) {
    return address.starts_with("postgresql://") || address.starts_with("postgres://");
}

result<std::string> shown_origin(std::string_view address) {
    if (is_sqlite(address)) {
        return std::string{address};
    }
    if (is_postgres(address)) {
        return shown_postgres(std::string{address});
    }
    return error{errc::invalid,
                 "this is no origin: write sqlite:PATH or postgresql://USER@HOST:PORT/DATABASE"};
}

result<std::unique_ptr<origin_connection>> open_origin(world& around, const origin_options& options,
                                                       origin_use wanted) {
    if (auto shown = shown_origin(options.address); !shown) {
        return std::move(shown).error();
    }
    return is_postgres(options.address) ? open_postgres(around, options, wanted)
                                        : open_sqlite(options, wanted);
}

}  // namespace cohort
