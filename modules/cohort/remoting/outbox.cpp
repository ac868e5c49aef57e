#include <cohort/remoting/outbox.hpp>

#include <algorithm>
#include <cohort/world/mutant.hpp>
#include <utility>

namespace cohort {

bool byte_budget::take(std::size_t bytes) noexcept {
    auto wanted = static_cast<std::int64_t>(bytes);
    if (left_.fetch_sub(wanted, std::memory_order_relaxed) >= wanted) {
        return true;
    }
    left_.fetch_add(wanted, std::memory_order_relaxed);
    return false;
}

bool budget_lease::grow(std::size_t bytes) noexcept {
    auto wanted = (bytes / step + 1) * step;
    if (!from_->take(wanted - held_)) {
        return false;
    }
    held_ = wanted;
    return true;
}

void budget_lease::shrink(std::size_t bytes) noexcept {
    auto needed = bytes <= free_bytes ? 0 : (bytes / step + 1) * step;
    if (needed < held_) {
        from_->give(held_ - needed);
        held_ = needed;
    }
}

std::uint64_t outbox::finish(std::size_t mark, handle target) {
    end_frame(mark, filling_);
    auto size = filling_.size() - mark;
    stream* behind = nullptr;
    if (!streams_.empty() && target) {
        auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const stream& each) { return each.target == target; });
        behind = found == streams_.end() ? nullptr : &*found;
    }
    if (behind == nullptr && size <= chunk_bytes_max) {
        return handed_ + mark;
    }
    move_aside(mark, target, behind);
    return 0;
}

void outbox::move_aside(std::size_t mark, handle target, stream* behind) {
    auto whole = byte_buffer{};
    whole.append(filling_.view().substr(mark));
    filling_.truncate(mark);
    stream_bytes_ += whole.size();
    if (behind == nullptr) {
        behind = &streams_.emplace_back();
        behind->target = target;
    }
    behind->waiting.push_back(std::move(whole));
}

bool outbox::add_credit(std::uint32_t bytes) noexcept {
    if (bytes > credit_window - credit_) {
        return false;
    }
    credit_ += bytes;
    return true;
}

// Sends one frame or one chunk; false when that has to wait.
bool outbox::advance(stream& line) {
    auto& first = line.waiting.front();
    if (first.size() <= chunk_bytes_max) {
        filling_.append(first.view());
        stream_bytes_ -= first.size();
        line.waiting.pop_front();
        return true;
    }
    auto body = first.view().substr(prefix);
    auto size = std::min<std::size_t>(chunk_bytes_max, body.size() - line.offset);
    if (credit_ < size) {
        return false;
    }
    if (line.offset == 0) {
        // The receiver puts a bounded number of bytes together at the same time.
        if (begun_ != 0 &&
            (promised_ + body.size() > message_bytes_max_ || begun_ == streams_max)) {
            return false;
        }
        promised_ += body.size();
        ++begun_;
        line.number = ++last_number_;
    }
    write_frame({.kind = frame_kind::chunk,
                 .stream = line.number,
                 .total = static_cast<std::uint32_t>(body.size()),
                 .payload = body.substr(line.offset, size)},
                filling_);
    credit_ -= static_cast<std::uint32_t>(size);
    line.offset += size;
    stream_bytes_ -= size;
    if (line.offset == body.size()) {
        promised_ -= body.size();
        --begun_;
        stream_bytes_ -= prefix;
        line.offset = 0;
        line.waiting.pop_front();
    }
    return true;
}

// Takes from each stream in turn until a write's worth is there or nobody can go on.
void outbox::pump() {
    auto enough = filling_.size() + pump_bytes;
    for (std::size_t stuck = 0; stuck < streams_.size() && filling_.size() < enough;) {
        turn_ = turn_ < streams_.size() ? turn_ : 0;
        auto& line = streams_[turn_];
        if (!advance(line)) {
            ++stuck;
            ++turn_;
            continue;
        }
        stuck = 0;
        if (line.waiting.empty()) {
            streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(turn_));
        } else {
            ++turn_;
        }
    }
}

std::string_view outbox::next() {
    if (sent_ < sending_.size()) {
        return sending_.view().substr(sent_);
    }
    if (!streams_.empty()) {
        pump();
    }
    if (filling_.empty()) {
        lease_.shrink(queued());
        return {};
    }
    sending_.clear(keep_bytes);
    sent_ = 0;
    std::swap(filling_, sending_);
    handed_ += sending_.size();
    lease_.shrink(queued());
    return sending_.view();
}

void outbox::written(std::size_t bytes) noexcept {
    COHORT_ASSERT(bytes <= sending_.size() - sent_, "N-5: no more is written than was given");
    sent_ += bytes;
    if (sent_ == sending_.size()) {
        sending_.clear(keep_bytes);
        sent_ = 0;
    }
}

namespace {

std::uint64_t count_tells(std::string_view frames) noexcept {
    auto count = std::uint64_t{0};
    while (!frames.empty()) {
        auto size = std::uint32_t{};
        std::memcpy(&size, frames.data(), sizeof size);
        count += frames[sizeof size] == static_cast<char>(frame_kind::tell) ? 1U : 0U;
        frames.remove_prefix(sizeof size + size);
    }
    return count;
}

}  // namespace

std::uint64_t outbox::reset() noexcept {
    auto lost = count_tells(filling_.view()) + count_tells(sending_.view());
    for (auto& line : streams_) {
        for (auto& each : line.waiting) {
            lost += count_tells(each.view());
        }
    }
    streams_.clear();
    stream_bytes_ = promised_ = begun_ = turn_ = 0;
    credit_ = credit_window;
    filling_.clear(keep_bytes);
    if (COHORT_MUTANT(sent_again)) {
        filling_.append(sending_.view());
    }
    sending_.clear(keep_bytes);
    sent_ = 0;
    handed_ = 0;
    lease_.shrink(0);
    return lost;
}

}  // namespace cohort
