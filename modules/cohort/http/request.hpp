#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/http/detail/recycled.hpp>
#include <cohort/http/header_name.hpp>
#include <cohort/http/method.hpp>
#include <cohort/runtime/message.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// The caller's place in a distributed trace, from the `traceparent` header (W3C Trace Context).
/// All zero when the caller sent none or a broken one.
struct trace_parent {
    std::uint64_t trace_high = 0;
    std::uint64_t trace_low = 0;
    std::uint64_t span = 0;
    std::uint8_t flags = 0;

    explicit operator bool() const noexcept { return (trace_high | trace_low) != 0; }
    friend bool operator==(const trace_parent&, const trace_parent&) = default;
};

/// Reads a `traceparent` value; all zero when it is malformed.
[[nodiscard]] trace_parent parse_traceparent(std::string_view value) noexcept;

namespace detail {

struct text_slice {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    [[nodiscard]] std::string_view in(const std::string& text) const noexcept {
        return {text.data() + offset, size};
    }
};

struct header_slice {
    text_slice name;
    text_slice value;
};

/// What a request is made of. The head is kept as it came and everything else points into it.
struct request_data {
    std::string head;
    std::string decoded;  // the path's segments, decoded; empty when there was nothing to decode
    std::string body;
    std::vector<header_slice> headers;
    std::vector<text_slice> segments;
    const std::vector<std::string>* parameters = nullptr;  // for each segment its name, or empty
    text_slice method_name;
    text_slice target;
    text_slice path;
    text_slice query;
    time_point deadline{};
    trace_parent trace;
    cohort::method method = cohort::method::get;
    std::uint8_t minor_version = 1;
    bool keep_alive = true;

    void reset() noexcept;
    [[nodiscard]] std::string_view segment(std::size_t index) const noexcept {
        return segments[index].in(decoded.empty() ? head : decoded);
    }
};

}  // namespace detail

/// One request, whole: its body has been read. A move-only handle of 8 bytes.
///
/// Ownership: every view that it returns lives as long as the request.
class request {
public:
    [[nodiscard]] cohort::method method() const { return data_->method; }
    [[nodiscard]] std::string_view method_name() const {
        return data_->method_name.in(data_->head);
    }

    /// As it was sent, escapes and query included.
    [[nodiscard]] std::string_view target() const { return data_->target.in(data_->head); }
    /// The path as it was sent, without the query; `*` for a request that is about the server
    /// itself.
    [[nodiscard]] std::string_view path() const { return data_->path.in(data_->head); }
    /// What stands behind the first question mark, as it was sent.
    [[nodiscard]] std::string_view query() const { return data_->query.in(data_->head); }

    /// The path's segments, decoded once: `/a/b%2Fc` has the two segments `a` and `b/c`.
    [[nodiscard]] std::size_t segments() const { return data_->segments.size(); }
    [[nodiscard]] std::string_view segment(std::size_t index) const {
        COHORT_ASSERT(index < data_->segments.size(),
                      "a path segment behind the last one was read");
        return data_->segment(index);
    }

    /// The decoded segment that stands where the route's pattern says `{parameter}`.
    [[nodiscard]] std::string_view path(std::string_view parameter) const {
        COHORT_ASSERT(data_->parameters != nullptr,
                      "path parameters exist only in a request that was routed");
        for (std::size_t index = 0; const auto& name : *data_->parameters) {
            if (name == parameter && !name.empty()) {
                return segment(index);
            }
            ++index;
        }
        COHORT_ASSERT(false, "the route's pattern has no parameter of this name");
        return {};
    }

    /// The first header of that name (any case), without blanks around it; empty when there is
    /// none.
    [[nodiscard]] std::string_view header(std::string_view name) const;
    [[nodiscard]] bool has_header(std::string_view name) const;

    /// Calls `visit(value)` for each header of that name, in order.
    template <class Visit>
    void each_header(std::string_view name, Visit&& visit) const {
        for (const auto& field : data_->headers) {
            if (same_header(field.name.in(data_->head), name)) {
                visit(field.value.in(data_->head));
            }
        }
    }

    [[nodiscard]] std::string_view body() const { return data_->body; }
    /// The body, moved out.
    [[nodiscard]] std::string take_body() { return std::move(data_->body); }

    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    [[nodiscard]] int minor_version() const { return data_->minor_version; }
    /// Whether the client wants to send more requests on this connection.
    [[nodiscard]] bool keep_alive() const { return data_->keep_alive; }

    /// Until when the server waits for the answer, and the caller's trace; give it to asks, which
    /// carry both on. The clock's start in a request that no server dispatched.
    [[nodiscard]] cohort::deadline deadline() const {
        return {data_->deadline, data_->trace.trace_low};
    }
    /// All zero when the caller sent none.
    [[nodiscard]] const trace_parent& trace() const { return data_->trace; }

    /// For the reader and the server.
    [[nodiscard]] detail::request_data& data() { return *data_; }
    [[nodiscard]] const detail::request_data& data() const { return *data_; }

private:
    detail::recycled<detail::request_data> data_;
};

}  // namespace cohort
