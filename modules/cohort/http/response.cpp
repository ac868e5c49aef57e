#include <cohort/http/response.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include <cohort/http/request.hpp>

namespace cohort {
namespace {

constexpr std::size_t kept_text_bytes = 4096;
constexpr std::size_t reason_bytes_max = 512;

// A copy up to here costs less than counting one user more and one less.
constexpr std::size_t copied_bytes_max = 512;

bool printable_slowly(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), detail::breaks_a_value);
}

// Answers pass here several times a microsecond: eight characters at a time, and only where one of
// them is suspicious, which a tab is too, one by one.
bool printable(std::string_view text) noexcept {
    constexpr auto each = std::uint64_t{0x0101010101010101};
    auto suspicious = std::uint64_t{0};
    auto look = [&](std::uint64_t word) {
        auto below_blank = (word - each * 0x20) & ~word;
        auto no_delete = word ^ (each * 0x7f);
        suspicious |= below_blank | ((no_delete - each) & ~no_delete);
    };
    auto blocks = [&]<class Word>(Word) {
        auto look_at = [&](const char* at) {
            auto word = Word{};
            std::memcpy(&word, at, sizeof(word));
            look(word | ~std::uint64_t{static_cast<Word>(-1)});
        };
        const auto* last = text.data() + text.size() - sizeof(Word);
        for (const auto* at = text.data(); at < last; at += sizeof(Word)) {
            look_at(at);
        }
        look_at(last);
    };
    if (text.size() >= 8) {
        blocks(std::uint64_t{});
    } else if (text.size() >= 2) {
        blocks(std::uint16_t{});
    } else {
        return printable_slowly(text);
    }
    return (suspicious & (each * 0x80)) == 0 || printable_slowly(text);
}

}  // namespace

void detail::check_value(std::string_view name, std::string_view value) {
    if (!printable(value)) {
        throw std::invalid_argument("the value of response header " + std::string{name} +
                                    " holds a control character");
    }
}

number_value number_value::decimal(std::uint64_t number) noexcept {
    auto out = number_value{};
    auto* begin = out.text_.data();
    out.size_ = static_cast<std::uint8_t>(std::to_chars(begin, begin + 20, number).ptr - begin);
    return out;
}

number_value number_value::quoted(std::uint64_t number) noexcept {
    auto out = number_value{};
    auto* begin = out.text_.data();
    *begin = '"';
    auto* last = std::to_chars(begin + 1, begin + 17, number, 16).ptr;
    *last++ = '"';
    out.size_ = static_cast<std::uint8_t>(last - begin);
    return out;
}

header_name header_name::checked(std::string_view text) {
    if (!detail::is_token(text)) {
        throw std::invalid_argument("the name of a response header is no token");
    }
    if (detail::written_by_the_server(text)) {
        throw std::invalid_argument("the server itself writes the header " + std::string{text});
    }
    auto name = header_name{};
    name.text_ = text;
    return name;
}

header_line::header_line(header_name name, std::string_view value) {
    detail::check_value(name.text(), value);
    text_.append(name.text()).append(": ").append(value).append("\r\n");
}

void detail::response_data::reset() noexcept {
    status = 200;
    close = false;
    lines.clear(kept_text_bytes);
    if (text.capacity() > kept_text_bytes) {
        text = std::string{};
    }
    text.clear();
    shared = bytes{};
    stream.reset();
}

response& response::body(std::string content) & {
    data_->shared = bytes{};
    data_->text = std::move(content);
    return *this;
}

response& response::body(bytes&& content) & {
    data_->text.clear();
    data_->shared = std::move(content);
    return *this;
}

response& response::body(const bytes& content) & {
    if (content.size() > copied_bytes_max) {
        return body(bytes{content});
    }
    data_->shared = bytes{};
    data_->text.clear();
    data_->text.append(content.view());
    return *this;
}

std::string_view response::header(std::string_view name) const {
    auto rest = data_->lines.view();
    while (!rest.empty()) {
        auto line = rest.substr(0, rest.find("\r\n"));
        auto colon = line.find(':');
        if (same_header(line.substr(0, colon), name)) {
            return line.substr(colon + 2);
        }
        rest.remove_prefix(line.size() + 2);
    }
    return {};
}

response ok(bytes content, header_value content_type) {
    return response{200}.header("Content-Type", content_type).body(std::move(content));
}

response ok(std::string content, header_value content_type) {
    return response{200}.header("Content-Type", content_type).body(std::move(content));
}

response created() { return response{201}; }

response no_content() { return response{204}; }

response not_modified(header_value etag) { return response{304}.header("ETag", etag); }

response problem(int status, std::string_view reason) {
    auto out = response{status};
    auto& text = out.data().text;
    text.assign(reason.substr(0, reason_bytes_max));
    std::replace_if(text.begin(), text.end(), detail::is_control, ' ');
    text.push_back('\n');
    out.header("Content-Type", "text/plain; charset=utf-8");
    return out;
}

response problem(const error& failure) {
    auto status = status_of(failure.code());
    auto out = problem(status, failure.text().empty() ? name(failure.code()) : failure.text());
    if (status == 503) {
        out.header("Retry-After", "1");
    }
    if (status >= 500 && failure.executed() == executed::maybe) {
        out.header("Executed", "maybe");
    }
    return out;
}

int status_of(errc code) noexcept {
    switch (code) {
        case errc::ok:
            return 200;
        case errc::invalid:
        case errc::truncated:
            return 400;
        case errc::not_found:
            return 404;
        case errc::too_large:
            return 413;
        case errc::no_reply:
            return 500;
        case errc::unsupported:
            return 501;
        case errc::storage:
        case errc::network:
        case errc::end_of_stream:
            return 502;
        case errc::overloaded:
        case errc::unavailable:
        case errc::terminated:
        case errc::cancelled:
        case errc::not_loaded:
        case errc::stale_epoch:
        case errc::moving:
        case errc::suspended:
            return 503;
        case errc::timeout:
            return 504;
    }
    return 500;
}

// NOLINTNEXTLINE(readability-function-size): a table, one line for each status
std::string_view reason_phrase(int status) noexcept {
    switch (status) {
        case 100:
            return "Continue";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 428:
            return "Precondition Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        case 507:
            return "Insufficient Storage";
        default:
            return "Unknown";
    }
}

}  // namespace cohort
