#include <cohort/sharding/detail/flight.hpp>

#include <algorithm>

#include <cohort/runtime/core.hpp>
#include <cohort/sharding/detail/desk.hpp>

namespace cohort::detail {

flight::flight(desk& at, std::uint32_t its_shard, const request_header& header) noexcept
    : shard{its_shard}, timer{*this,
                              [](wheel_timer& fired) noexcept {
                                  auto& self = timer_of<flight>::owner_of(fired);
                                  self.at().expired(self);
                              }},
      at_{at}, header_{header} {}

flight::~flight() {
    if (timer.armed()) {
        this_core().timers().cancel(timer);
    }
}

flights::~flights() {
    while (!empty()) {
        static_cast<void>(pop_front());
    }
}

void flights::link_behind(flight* before, flight& it) noexcept {
    it.previous = before;
    it.next = before != nullptr ? before->next : head_;
    (it.next != nullptr ? it.next->previous : tail_) = &it;
    (before != nullptr ? before->next : head_) = &it;
    ++size_;
}

void flights::push_back(flight_ptr it) noexcept {
    COHORT_ASSERT(tail_ == nullptr || tail_->sequence < it->sequence,
                  "S-2: messages wait in the order in which they were sent");
    link_behind(tail_, *it.release());
}

void flights::insert(flight_ptr it) noexcept {
    auto* before = last_inserted_ != nullptr && last_inserted_->sequence < it->sequence
                       ? last_inserted_
                       : nullptr;
    for (auto* next = before != nullptr ? before->next : head_;
         next != nullptr && next->sequence < it->sequence; next = next->next) {
        before = next;
    }
    last_inserted_ = it.get();
    link_behind(before, *it.release());
}

flight_ptr flights::take(flight& it) noexcept {
    COHORT_ASSERT((it.previous != nullptr || head_ == &it) && (it.next != nullptr || tail_ == &it),
                  "S-2: a message is taken from the row that it is in");
    (it.previous != nullptr ? it.previous->next : head_) = it.next;
    (it.next != nullptr ? it.next->previous : tail_) = it.previous;
    it.next = it.previous = nullptr;
    last_inserted_ = last_inserted_ == &it ? nullptr : last_inserted_;
    --size_;
    return flight_ptr{&it};
}

bool turned_away::refuses(std::uint64_t stream, std::uint32_t round) noexcept {
    auto found = std::find_if(entries_.begin(), entries_.end(),
                              [&](const entry& each) { return each.stream == stream; });
    if (found == entries_.end()) {
        return false;
    }
    if (round < found->round_min) {
        return true;
    }
    // A stream is in order: of earlier rounds nothing comes any more.
    entries_.erase(found);
    return false;
}

void turned_away::note(std::uint64_t stream, std::uint32_t round) {
    static_cast<void>(refuses(stream, round));
    auto known = std::any_of(entries_.begin(), entries_.end(),
                             [&](const entry& each) { return each.stream == stream; });
    if (known) {
        return;
    }
    if (entries_.size() == streams_max) {
        entries_.erase(entries_.begin());
    }
    entries_.push_back({stream, round + 1});
}

backlog::backlog(desk& where, std::uint32_t which) noexcept
    : at{where}, shard{which}, pause{*this, [](wheel_timer& fired) noexcept {
                                         auto& self = timer_of<backlog>::owner_of(fired);
                                         self.at.pump(self.shard);
                                     }} {}

}  // namespace cohort::detail
