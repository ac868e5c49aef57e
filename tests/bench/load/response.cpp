#include "response.hpp"

#include <cctype>
#include <charconv>

namespace cohort::bench {

namespace {

bool to_number(std::string_view text, long long& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

bool equal_ignoring_case(std::string_view left, std::string_view right) {
    if (left.size() != right.size()) {
        return false;
    }
    for (std::size_t i = 0; i < left.size(); ++i) {
        if (std::tolower(static_cast<unsigned char>(left[i])) !=
            std::tolower(static_cast<unsigned char>(right[i]))) {
            return false;
        }
    }
    return true;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

/// What the header fields say about the body. False when it cannot be delimited.
bool read_fields(std::string_view fields, response& out, long long& length) {
    while (!fields.empty()) {
        const auto end = fields.find("\r\n");
        const auto line = fields.substr(0, end);
        fields.remove_prefix(end + 2);
        const auto colon = line.find(':');
        if (colon == line.npos) {
            return false;
        }
        const auto name = line.substr(0, colon);
        const auto value = trimmed(line.substr(colon + 1));
        if (equal_ignoring_case(name, "content-length")) {
            if (length >= 0 || !to_number(value, length) || length < 0) {
                return false;
            }
        } else if (equal_ignoring_case(name, "transfer-encoding")) {
            return false;
        } else if (equal_ignoring_case(name, "connection")) {
            out.close = equal_ignoring_case(value, "close");
        }
    }
    return true;
}

}  // namespace

parse_state parse_http(std::string_view input, response& out) {
    const auto head_end = input.find("\r\n\r\n");
    if (head_end == input.npos) {
        return input.size() > head_bytes_max ? parse_state::broken : parse_state::incomplete;
    }
    const auto head = input.substr(0, head_end + 2);
    const auto line = head.substr(0, head.find("\r\n"));
    long long status = 0;
    if (!line.starts_with("HTTP/1.1 ") || line.size() < 12 ||
        !to_number(line.substr(9, 3), status) || status < 200 || status > 599 ||
        (line.size() > 12 && line[12] != ' ')) {
        return parse_state::broken;
    }
    out = {};
    out.status = static_cast<int>(status);
    long long length = -1;
    if (!read_fields(head.substr(line.size() + 2), out, length)) {
        return parse_state::broken;
    }
    if (status == 204 || status == 304) {
        length = 0;
    }
    if (length < 0 || length > static_cast<long long>(body_bytes_max)) {
        return parse_state::broken;
    }
    out.body = input.substr(head_end + 4, static_cast<std::size_t>(length));
    if (out.body.size() < static_cast<std::size_t>(length)) {
        return parse_state::incomplete;
    }
    out.bytes = head_end + 4 + out.body.size();
    return parse_state::complete;
}

parse_state parse_resp(std::string_view input, response& out) {
    const auto line_end = input.find("\r\n");
    if (line_end == input.npos) {
        return input.size() > head_bytes_max ? parse_state::broken : parse_state::incomplete;
    }
    const auto line = input.substr(0, line_end);
    out = {};
    out.bytes = line_end + 2;
    if (line.starts_with('-')) {
        out.status = 500;
        return parse_state::complete;
    }
    if (line.starts_with('+')) {
        out.status = 200;
        out.body = line.substr(1);
        return parse_state::complete;
    }
    long long length = 0;
    if (!line.starts_with('$') || !to_number(line.substr(1), length) || length < -1 ||
        length > static_cast<long long>(body_bytes_max)) {
        return parse_state::broken;
    }
    if (length == -1) {
        out.status = 404;
        return parse_state::complete;
    }
    const auto bytes = static_cast<std::size_t>(length);
    if (input.size() < out.bytes + bytes + 2) {
        return parse_state::incomplete;
    }
    out.status = 200;
    out.body = input.substr(out.bytes, bytes);
    out.bytes += bytes + 2;
    return input.substr(out.bytes - 2, 2) == "\r\n" ? parse_state::complete : parse_state::broken;
}

}  // namespace cohort::bench
