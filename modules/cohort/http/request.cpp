#include <cohort/http/request.hpp>

#include <charconv>

namespace cohort {
namespace {

// What a recycled request may keep of its memory.
constexpr std::size_t kept_text_bytes = 1024;
constexpr std::size_t kept_fields = 32;

void shrink(std::string& text) noexcept {
    if (text.capacity() > kept_text_bytes) {
        text = std::string{};
    } else {
        text.clear();
    }
}

bool read_hex(std::string_view text, std::uint64_t& out) noexcept {
    for (auto character : text) {
        // The header has lower-case digits only, and from_chars would take both.
        if (!((character >= '0' && character <= '9') || (character >= 'a' && character <= 'f'))) {
            return false;
        }
    }
    return std::from_chars(text.data(), text.data() + text.size(), out, 16).ec == std::errc{};
}

}  // namespace

trace_parent parse_traceparent(std::string_view value) noexcept {
    // version-trace-span-flags: 2, 32, 16 and 2 digits; later versions may append fields.
    if (value.size() < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-') {
        return {};
    }
    auto version = std::uint64_t{};
    auto flags = std::uint64_t{};
    auto out = trace_parent{};
    if (!read_hex(value.substr(0, 2), version) || version == 0xff ||
        !read_hex(value.substr(3, 16), out.trace_high) ||
        !read_hex(value.substr(19, 16), out.trace_low) ||
        !read_hex(value.substr(36, 16), out.span) || !read_hex(value.substr(53, 2), flags) ||
        out.span == 0) {
        return {};
    }
    if (value.size() > 55 && (version == 0 || value[55] != '-')) {
        return {};
    }
    out.flags = static_cast<std::uint8_t>(flags);
    return out ? out : trace_parent{};
}

void detail::request_data::reset() noexcept {
    shrink(head);
    shrink(decoded);
    shrink(body);
    if (headers.capacity() > kept_fields) {
        headers = {};
    }
    if (segments.capacity() > kept_fields) {
        segments = {};
    }
    headers.clear();
    segments.clear();
    parameters = nullptr;
    method_name = target = path = query = {};
    deadline = {};
    trace = {};
    method = cohort::method::get;
    minor_version = 1;
    keep_alive = true;
}

std::string_view request::header(std::string_view name) const {
    for (const auto& field : data_->headers) {
        if (same_header(field.name.in(data_->head), name)) {
            return field.value.in(data_->head);
        }
    }
    return {};
}

bool request::has_header(std::string_view name) const {
    for (const auto& field : data_->headers) {
        if (same_header(field.name.in(data_->head), name)) {
            return true;
        }
    }
    return false;
}

}  // namespace cohort
