#include <distributed-cache/line_splitter.hpp>

#include <cohort/world/assert.hpp>

#include <algorithm>
#include <cstring>

namespace cohort {
namespace {

constexpr std::size_t read_bytes = std::size_t{256} << 10;

}  // namespace

line_splitter::line_splitter(std::size_t line_bytes_max)
    : line_bytes_max_{line_bytes_max}, buffer_(read_bytes + padding) {}

std::span<char> line_splitter::room() {
    if (skipping_) {
        begin_ = scanned_ = end_;
    }
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
    if (buffer_.size() - padding - end_ < read_bytes) {
        buffer_.resize(std::max(buffer_.size() * 2, end_ + read_bytes + padding));
    }
    return std::span{buffer_}.subspan(end_, buffer_.size() - padding - end_);
}

void line_splitter::filled(std::size_t bytes) {
    COHORT_ASSERT(bytes <= buffer_.size() - padding - end_,
                  "more bytes came than there was room for");
    end_ += bytes;
}

input_line line_splitter::take(std::size_t bytes, std::size_t skip) {
    auto too_long = skipping_ || bytes > line_bytes_max_;
    auto text = too_long ? std::string_view{} : std::string_view{buffer_.data() + begin_, bytes};
    begin_ += bytes + skip;
    scanned_ = begin_;
    skipping_ = false;
    return {++number_, text, too_long};
}

std::optional<input_line> line_splitter::next() {
    auto* found =
        static_cast<const char*>(std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_));
    if (found != nullptr) {
        return take(static_cast<std::size_t>(found - buffer_.data()) - begin_, 1);
    }
    scanned_ = end_;
    skipping_ = skipping_ || end_ - begin_ > line_bytes_max_;
    if (finished_ && (end_ > begin_ || skipping_)) {
        return take(end_ - begin_, 0);
    }
    return std::nullopt;
}

}  // namespace cohort
