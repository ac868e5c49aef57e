#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <cohort/http/detail/recycled.hpp>
#include <cohort/http/header_name.hpp>
#include <cohort/runtime/byte_buffer.hpp>
#include <cohort/world/bytes.hpp>
#include <cohort/world/result.hpp>

namespace cohort {

namespace detail {

struct stream_body;

/// What a response is made of. `lines` are whole header lines, ready to be copied behind the
/// status.
struct response_data {
    int status = 200;
    bool close = false;
    byte_buffer lines;
    std::string text;  // the body is `text` and then `shared`; one of them is empty
    bytes shared;
    std::shared_ptr<stream_body> stream;  // set: the body is made while it is sent

    void reset() noexcept;
    [[nodiscard]] std::string_view body() const noexcept {
        return shared.empty() ? text : shared.view();
    }
};

/// Throws `std::invalid_argument` when a value holds a control character.
void check_value(std::string_view name, std::string_view value);

/// Copies `text` to `to` and returns where it ends.
inline char* put(char* to, std::string_view text) noexcept {
    if (!text.empty()) {
        std::memcpy(to, text.data(), text.size());
    }
    return to + text.size();
}

}  // namespace detail

/// An answer. A move-only handle of 8 bytes, composed on the wire by hand; length, date and
/// connection are the server's business.
///
///     co_return ok(value).header("ETag", etag(version));
class response {
public:
    explicit response(int status = 200) { data_->status = status; }

    /// Adds a header. A name that is no token, a header that is the server's business and a literal
    /// with a control character do not compile.
    ///
    /// Errors: throws `std::invalid_argument` when the value holds a control character (a line
    ///         break would let it write headers of its own). The server answers 500 and none of it
    ///         reaches the wire.
    response& header(header_name name, header_value value) & {
        if (!value.checked()) {
            detail::check_value(name.text(), value.text());
        }
        using detail::put;
        auto* to = data_->lines.extend(name.text().size() + value.text().size() + 4);
        put(put(put(put(to, name.text()), ": "), value.text()), "\r\n");
        return *this;
    }
    response&& header(header_name name, header_value value) && {
        return std::move(header(name, value));
    }
    /// Adds a header that was checked before.
    response& header(const header_line& line) & {
        data_->lines.append(line.text());
        return *this;
    }
    response&& header(const header_line& line) && { return std::move(header(line)); }

    /// Replaces the body. A shared body goes to the socket without a copy when it is large, and is
    /// not even shared when it is so short that a copy costs less.
    response& body(std::string content) &;
    response& body(bytes&& content) &;
    response& body(const bytes& content) &;
    response&& body(std::string content) && { return std::move(body(std::move(content))); }
    response&& body(bytes&& content) && { return std::move(body(std::move(content))); }
    response&& body(const bytes& content) && { return std::move(body(content)); }

    /// Closes the connection behind this answer.
    response& close() & {
        data_->close = true;
        return *this;
    }
    response&& close() && { return std::move(close()); }

    [[nodiscard]] int status() const { return data_->status; }
    [[nodiscard]] std::string_view body() const { return data_->body(); }
    [[nodiscard]] bool closes() const { return data_->close; }
    /// The value of a header that was added, or nothing; for tests and for filters.
    [[nodiscard]] std::string_view header(std::string_view name) const;

    /// For the server.
    [[nodiscard]] detail::response_data& data() { return *data_; }
    [[nodiscard]] const detail::response_data& data() const { return *data_; }

private:
    detail::recycled<detail::response_data> data_;
};

/// 200 with a body of that type.
[[nodiscard]] response ok(bytes content, header_value content_type = "application/octet-stream");
[[nodiscard]] response ok(std::string content,
                          header_value content_type = "text/plain; charset=utf-8");

/// 201, 204, 304: there is nothing to say in a body.
[[nodiscard]] response created();
[[nodiscard]] response no_content();
[[nodiscard]] response not_modified(header_value etag);

/// A failure with its reason in one line of text. Control characters of the reason become blanks.
[[nodiscard]] response problem(int status, std::string_view reason);

/// The status that says what went wrong, the error's text as reason, `Retry-After` where the
/// request may be sent again, and `Executed: maybe` where a failure of the server (5xx)
/// leaves open whether the request was executed.
[[nodiscard]] response problem(const error& failure);

/// The status for a code.
[[nodiscard]] int status_of(errc code) noexcept;

/// The phrase of a status line; `Unknown` for a status that has none.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace cohort
