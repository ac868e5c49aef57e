#include <cohort/world/result.hpp>

#include <array>

namespace cohort {

std::string_view name(errc code) noexcept {
    static constexpr std::array<std::string_view, 19> names{
        "ok",          "timeout",     "overloaded", "terminated", "no_reply",
        "cancelled",   "not_loaded",  "not_found",  "invalid",    "too_large",
        "truncated",   "unavailable", "storage",    "network",    "end_of_stream",
        "stale_epoch", "unsupported", "moving",     "suspended"};
    static_assert(names.size() == static_cast<std::size_t>(errc_last) + 1);
    auto index = static_cast<std::size_t>(code);
    return index < names.size() ? names[index] : "unknown";
}

struct error::detail {
    std::string text;
    std::string where;
    std::shared_ptr<const error> cause;
};

error::error(errc code, std::string text, std::string where)
    : code_{code}, executed_{default_executed(code)},
      detail_{std::make_shared<detail>(detail{std::move(text), std::move(where), nullptr})} {}

error::error(errc code, std::string text, std::string where, error cause)
    : code_{code}, executed_{default_executed(code)},
      detail_{std::make_shared<detail>(detail{std::move(text), std::move(where),
                                              std::make_shared<const error>(std::move(cause))})} {}

std::string_view error::text() const noexcept {
    return detail_ ? detail_->text : std::string_view{};
}

std::string_view error::where() const noexcept {
    return detail_ ? detail_->where : std::string_view{};
}

const error* error::cause() const noexcept { return detail_ ? detail_->cause.get() : nullptr; }

std::string error::message() const {
    auto line = std::string{name(code_)};
    if (detail_) {
        line += ": " + detail_->text;
        if (!detail_->where.empty()) {
            line += " (" + detail_->where + ")";
        }
        if (detail_->cause) {
            line += ", because " + detail_->cause->message();
        }
    }
    return line;
}

}  // namespace cohort
