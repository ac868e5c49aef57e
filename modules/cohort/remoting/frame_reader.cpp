#include <cohort/remoting/frame_reader.hpp>

#include <algorithm>
#include <cohort/world/mutant.hpp>
#include <utility>

namespace cohort {

void frame_reader::reallocate(std::size_t capacity) {
    COHORT_ASSERT(capacity <= std::max(2 * large_bytes, prefix + frame_bytes_max_),
                  "N-3: a reader holds no more than one frame of the largest size");
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (end_ != begin_) {
        std::memcpy(larger.get(), memory_.get() + begin_, end_ - begin_);
    }
    end_ -= std::exchange(begin_, 0);
    memory_ = std::move(larger);
    capacity_ = capacity;
}

std::span<std::byte> frame_reader::prepare() {
    auto left = end_ - begin_;
    if (wanted_ > capacity_) {
        reallocate(std::max(small_bytes, wanted_));
    } else if (filled_ && capacity_ < large_bytes) {
        reallocate(capacity_ * 2);
    } else if (left == 0) {
        begin_ = end_ = 0;
        if (capacity_ > large_bytes) {
            // One huge frame must not pin its memory for good.
            reallocate(large_bytes);
        }
    } else if (begin_ + wanted_ > capacity_ || capacity_ - end_ < capacity_ / 4) {
        std::memmove(memory_.get(), memory_.get() + begin_, left);
        begin_ = 0;
        end_ = left;
    }
    COHORT_ASSERT(end_ < capacity_, "N-3: a reader whose frames were taken has room");
    return std::as_writable_bytes(std::span{memory_.get() + end_, capacity_ - end_});
}

void frame_reader::commit(std::size_t size) noexcept {
    COHORT_ASSERT(size <= capacity_ - end_, "N-3: no more bytes come than there is room");
    filled_ = size == capacity_ - end_;
    end_ += size;
}

void frame_reader::seed(std::string_view bytes) {
    while (!bytes.empty()) {
        auto room = prepare();
        auto size = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), size);
        commit(size);
        bytes.remove_prefix(size);
    }
}

frame_reader::state frame_reader::next(frame& out) noexcept {
    auto left = end_ - begin_;
    if (left < prefix) {
        wanted_ = prefix;
        return state::need_more;
    }
    auto size = std::uint32_t{};
    std::memcpy(&size, memory_.get() + begin_, sizeof size);
    if (size > frame_bytes_max_ && !COHORT_MUTANT(frame_length_unchecked)) {
        failure_ = "a frame is too long";
        return state::broken;
    }
    if (left < prefix + size) {
        wanted_ = prefix + size;
        return state::need_more;
    }
    wanted_ = prefix;
    if (const auto* why = parse_frame({memory_.get() + begin_ + prefix, size}, out)) {
        failure_ = why;
        return state::broken;
    }
    begin_ += prefix + size;
    return state::ready;
}

const char* reassembly::add(const frame& chunk) {
    COHORT_ASSERT(complete_.empty(), "N-4: a complete message is taken before the next chunk");
    auto found = std::find_if(streams_.begin(), streams_.end(),
                              [&](const auto& each) { return each.stream == chunk.stream; });
    if (found == streams_.end()) {
        if (chunk.total > message_bytes_max_) {
            return "a chunked message is too long";
        }
        if (streams_.size() == streams_max ||
            (!streams_.empty() && promised_ + chunk.total > message_bytes_max_)) {
            return "too many chunked messages come at the same time";
        }
        streams_.push_back({chunk.stream, chunk.total, {}});
        promised_ += chunk.total;
        found = std::prev(streams_.end());
    }
    if (found->total != chunk.total || chunk.payload.size() > found->total - found->bytes.size()) {
        return "a chunk does not fit its message";
    }
    found->bytes.append(chunk.payload);
    held_ += chunk.payload.size();
    if (found->bytes.size() == found->total) {
        complete_ = std::move(found->bytes);
        held_ -= complete_.size();
        promised_ -= found->total;
        *found = std::move(streams_.back());
        streams_.pop_back();
    }
    return nullptr;
}

byte_buffer reassembly::take_complete() noexcept { return std::exchange(complete_, byte_buffer{}); }

}  // namespace cohort
