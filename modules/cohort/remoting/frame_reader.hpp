#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <cohort/remoting/frame.hpp>

namespace cohort {

/// Cuts a stream of untrusted bytes into frames. A plain state machine: bytes in, frames out.
class frame_reader {
public:
    static constexpr std::uint32_t hard_bytes_max = 16U << 20;

    /// `frame_bytes_max` is checked before any memory is taken for a frame.
    explicit frame_reader(std::uint32_t frame_bytes_max) noexcept
        : frame_bytes_max_{frame_bytes_max} {}

    /// Room for the next bytes; frames that were returned are invalid from here on. Not when a
    /// frame was `broken`.
    [[nodiscard]] std::span<std::byte> prepare();
    void commit(std::size_t size) noexcept;
    /// Bytes that had come behind the handshake.
    void seed(std::string_view bytes);

    enum class state : std::uint8_t { need_more, ready, broken };
    [[nodiscard]] state next(frame& out) noexcept;
    [[nodiscard]] std::string_view failure() const noexcept { return failure_; }
    /// Bytes of memory that it holds.
    [[nodiscard]] std::size_t memory() const noexcept { return capacity_; }

private:
    static constexpr std::size_t small_bytes = 16 * 1024;
    static constexpr std::size_t large_bytes = 256 * 1024;
    static constexpr std::size_t prefix = sizeof(std::uint32_t);

    void reallocate(std::size_t capacity);

    std::uint32_t frame_bytes_max_;
    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t wanted_ = prefix;  // bytes from `begin_` on that make the next frame complete
    bool filled_ = false;          // the last read took all the room it was given
    const char* failure_ = "";
};

/// Puts the chunks of large messages together.
class reassembly {
public:
    /// Limits of one message, and of all that are incomplete at the same time.
    explicit reassembly(std::uint32_t message_bytes_max) noexcept
        : message_bytes_max_{message_bytes_max} {}

    /// Takes a chunk. Returns null, or what is wrong.
    [[nodiscard]] const char* add(const frame& chunk);
    /// The message that the last `add` completed, as the body of a frame, or nothing. It is the
    /// caller's then.
    [[nodiscard]] byte_buffer take_complete() noexcept;
    [[nodiscard]] std::size_t bytes_held() const noexcept { return held_; }

private:
    static constexpr std::size_t streams_max = 64;
    struct incomplete {
        std::uint32_t stream;
        std::uint32_t total;
        byte_buffer bytes;
    };

    std::uint32_t message_bytes_max_;
    std::vector<incomplete> streams_;
    byte_buffer complete_;
    std::size_t held_ = 0;
    std::size_t promised_ = 0;  // the sum of the totals
};

}  // namespace cohort
