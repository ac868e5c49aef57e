#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace cohort {

/// One line of the input without its newline. A line over the limit has no text.
struct input_line {
    std::uint64_t number{};
    std::string_view text;
    bool too_long = false;
};

/// Splits bytes into lines, keeping at most one line and one read in memory.
///
/// Ownership: a line's text stays valid until the next `room()`. Behind it `padding` more bytes may
/// be
///            read (their values mean nothing), as a vectorized parser wants.
class line_splitter {
public:
    static constexpr std::size_t padding = 64;

    explicit line_splitter(std::size_t line_bytes_max);

    /// Where the next bytes go; never empty.
    [[nodiscard]] std::span<char> room();
    /// Says how many of them came.
    void filled(std::size_t bytes);
    /// Says that no more come, so that a last line without a newline is one.
    void finish() noexcept { finished_ = true; }

    /// The next complete line, if there is one.
    [[nodiscard]] std::optional<input_line> next();

private:
    [[nodiscard]] input_line take(std::size_t bytes, std::size_t skip);

    std::size_t line_bytes_max_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;    // of the line that is being collected
    std::size_t scanned_ = 0;  // up to here there is no newline
    std::size_t end_ = 0;
    std::uint64_t number_ = 0;
    bool skipping_ = false;  // the line is over the limit and its bytes are dropped
    bool finished_ = false;
};

}  // namespace cohort
