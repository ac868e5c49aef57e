#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <cohort/http/request.hpp>

namespace cohort {

/// What one request may be. Whatever breaks a limit is answered with the status named and the
/// connection closes.
struct request_limits {
    std::size_t line_bytes_max = 8 * 1024;     ///< the request line: 414
    std::size_t header_bytes_max = 16 * 1024;  ///< all headers together: 431
    std::size_t header_count_max = 100;        ///< 431
    std::size_t body_bytes_max = 1024 * 1024;  ///< after the chunks are joined: 413
    std::size_t segment_count_max = 64;        ///< segments of a path: 414
    std::size_t chunk_line_bytes_max = 1024;   ///< a chunk's own line, or the trailer: 400
};

/// Why a connection's bytes are no requests any more.
struct broken_request {
    int status = 0;           ///< what to answer
    std::string_view reason;  ///< one line, a literal
};

/// Turns a connection's bytes into requests. A plain state machine: bytes in, requests out, no
/// clock and no socket. The outcome depends on the bytes alone, never on how they were split.
///
///     auto room = reader.prepare();
///     reader.commit(co_await stream.read_some(room));
///     while (reader.next(incoming) == request_reader::state::request) { ... }
///
/// A client that repeats its header lines, as all do that keep a connection, has them parsed once.
///
/// After the first broken request nothing that follows is looked at. Refused, because peers read
/// them in different ways (request smuggling): a length beside a transfer coding, lists of lengths,
/// codings other than `chunked`, bare line feeds, folded headers, control characters.
class request_reader {
public:
    enum class state : std::uint8_t { request, need_more, broken };

    explicit request_reader(request_limits limits = {});
    request_reader(request_reader&&) noexcept;
    request_reader& operator=(request_reader&&) noexcept;
    ~request_reader();

    /// Room for the next bytes. Empty only while whole requests wait in the buffer: take them
    /// first.
    [[nodiscard]] std::span<char> prepare();

    /// Says that `size` bytes of the room from `prepare` were filled.
    void commit(std::size_t size);

    /// Takes the next whole request out of the buffer; without one `out` is left empty or alone.
    /// `broken` stays.
    [[nodiscard]] state next(request& out);

    /// Why `next` says `broken`.
    [[nodiscard]] const broken_request& failure() const noexcept;

    /// Whether a part of a request has arrived and the rest has not. When the connection ends here,
    /// the request is lost; a header time-out counts from its first byte.
    [[nodiscard]] bool inside_request() const noexcept;

    /// Whether that part is the whole head.
    [[nodiscard]] bool inside_body() const noexcept;

    /// Whether the client waits for `100 Continue` before it sends the body. True once for a
    /// request: who asks must see to the answer.
    [[nodiscard]] bool take_expectation() noexcept;

private:
    struct machine;
    std::unique_ptr<machine> machine_;
};

}  // namespace cohort
