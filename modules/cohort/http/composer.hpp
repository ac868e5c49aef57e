#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <cohort/http/response.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// The `Date` header of a second, made once for all answers of that second.
class date_line {
public:
    /// The whole line, `Date: Sun, 06 Nov 1994 08:49:37 GMT` and its end. The view holds until the
    /// next call.
    [[nodiscard]] std::string_view at(wall_time now);

private:
    std::array<char, 40> text_{};
    std::size_t size_ = 0;
    std::int64_t second_ = 0;
};

/// What the connection does after an answer, as its `Connection` header says.
enum class connection_after : std::uint8_t {
    stays,             ///< HTTP/1.1: nothing to say
    stays_explicitly,  ///< HTTP/1.0, which closes unless told
    closes,
};

/// The bytes that a connection has still to send: heads and small bodies one behind the other in
/// one string, large shared bodies beside it, uncopied. A plain state machine; the caller writes.
class composer {
public:
    /// From this size on a shared body is not copied.
    static constexpr std::size_t shared_bytes_min = 16 * 1024;

    /// Appends an answer. `date` is a whole line or empty; `with_body` is false for HEAD.
    void append(const response& answer, bool with_body, connection_after after,
                std::string_view date);

    /// Appends bytes as they are.
    void append(std::string_view raw) { text_.append(raw); }

    /// What has not been sent yet.
    [[nodiscard]] std::size_t size() const noexcept { return text_.size() - sent_ + shared_size_; }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

    /// The next bytes to write, in at most `out.size()` pieces; how many pieces.
    ///
    /// Ownership: they hold until `append` or `consume`.
    [[nodiscard]] std::size_t pieces(std::span<std::string_view> out) const;

    /// Says that the first `size` bytes were sent.
    void consume(std::size_t size);

private:
    struct shared_body {
        std::size_t offset;  // of the text that goes before it
        bytes content;
    };

    [[nodiscard]] std::span<shared_body> shared() noexcept {
        return std::span{shared_}.subspan(first_shared_);
    }

    byte_buffer text_;
    std::size_t sent_ = 0;
    std::size_t shared_size_ = 0;
    // Those from `first_shared_` on are not sent yet. No deque: moving one allocates.
    std::vector<shared_body> shared_;
    std::size_t first_shared_ = 0;
};

}  // namespace cohort
