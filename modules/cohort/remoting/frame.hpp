#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <cohort/runtime/byte_buffer.hpp>
#include <cohort/runtime/handle.hpp>
#include <cohort/world/result.hpp>

namespace cohort {

/// What travels behind the handshake: a 32-bit length, a kind, the kind's fixed fields, and a
/// payload that fills the rest. Little endian.
enum class frame_kind : std::uint8_t {
    tell = 1,    ///< a message
    request,     ///< a message that is answered by `reply` or `failure`, until its time is over
    send,        ///< a message that is answered when the mailbox has taken it
    reply,       ///< the answer, a `result<T>`
    failure,     ///< no answer will come; the payload says why
    watch,       ///< wants one `terminated` of `target`
    unwatch,     ///< does not any more
    terminated,  ///< `subject` has ended; the payload says why
    credit,      ///< so many bytes of chunks were taken
    chunk,       ///< a piece of a large message
    ping,        ///< asks for a `pong` with the same number
    pong,
    goodbye,    ///< the node leaves in order; nothing follows
    introduce,  ///< where a third node listens, a ref to whose actor was sent
};
inline constexpr auto frame_kind_last = frame_kind::introduce;

/// A request without a time limit.
inline constexpr std::uint64_t no_time_limit = ~std::uint64_t{0};

/// One frame, as a view: which fields count depends on its kind, see `frame_fields`.
struct frame {
    frame_kind kind = frame_kind::ping;
    handle target;                               // of the receiver
    handle subject;                              // of the sender
    std::uint32_t type = 0;                      // message_id
    std::uint64_t correlation = 0;               // ties an answer to its request
    std::uint64_t remaining_us = no_time_limit;  // never an instant: there is no common clock
    std::uint64_t trace = 0;
    errc code = errc::ok;
    executed ran = executed::maybe;
    std::uint8_t reason = 0;
    std::uint32_t stream = 0;
    std::uint32_t total = 0;
    std::string_view payload;
};

/// The fixed fields of a kind, in their order: one list for writing and for reading.
template <class Frame, class Visit>
bool frame_fields(Frame& it, Visit&& visit) {
    switch (it.kind) {
        case frame_kind::tell:
            return visit(it.target.value) && visit(it.type);
        case frame_kind::request:
            return visit(it.target.value) && visit(it.type) && visit(it.correlation) &&
                   visit(it.remaining_us) && visit(it.trace);
        case frame_kind::send:
            return visit(it.target.value) && visit(it.type) && visit(it.correlation);
        case frame_kind::reply:
            return visit(it.correlation);
        case frame_kind::failure:
            return visit(it.correlation) && visit(it.code) && visit(it.ran);
        case frame_kind::watch:
        case frame_kind::unwatch:
            return visit(it.target.value) && visit(it.subject.value);
        case frame_kind::terminated:
            return visit(it.target.value) && visit(it.subject.value) && visit(it.reason);
        case frame_kind::credit:
            return visit(it.total);
        case frame_kind::chunk:
            return visit(it.stream) && visit(it.total);
        case frame_kind::ping:
        case frame_kind::pong:
            return visit(it.correlation);
        case frame_kind::goodbye:
            return true;
        case frame_kind::introduce:  // the uid, the port; the payload is the host
            return visit(it.correlation) && visit(it.trace) && visit(it.total);
    }
    return false;
}

inline constexpr std::size_t frame_head_max = 48;

/// Starts a frame at the end of `out`; whatever is appended next is its payload. Gives the mark for
/// `end_frame`.
[[nodiscard]] inline std::size_t begin_frame(const frame& head, byte_buffer& out) {
    auto bytes = std::array<char, frame_head_max>{};
    auto size = sizeof(std::uint32_t);  // the length is patched afterwards
    bytes[size++] = static_cast<char>(head.kind);
    frame_fields(head, [&](const auto& field) {
        std::memcpy(bytes.data() + size, &field, sizeof field);
        size += sizeof field;
        return true;
    });
    auto mark = out.size();
    out.append({bytes.data(), size});
    return mark;
}

/// Ends a frame: its length is known now.
inline void end_frame(std::size_t mark, byte_buffer& out) noexcept {
    auto size = static_cast<std::uint32_t>(out.size() - mark - sizeof(std::uint32_t));
    std::memcpy(out.data() + mark, &size, sizeof size);
}

/// Appends a frame with its payload.
inline void write_frame(const frame& whole, byte_buffer& out) {
    auto mark = begin_frame(whole, out);
    out.append(whole.payload);
    end_frame(mark, out);
}

/// Reads what follows a frame's length. Untrusted input is expected. Returns null, or what is
/// wrong.
[[nodiscard]] const char* parse_frame(std::string_view body, frame& out) noexcept;

}  // namespace cohort
