#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <cohort/world/assert.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// What will happen in a simulation, in the order of (time, order of scheduling), and the only
/// place where its time moves.
///
/// Actions lie in slots that are used again, so a simulation that has warmed up allocates nothing
/// for its events.
class event_queue {
public:
    event_queue() = default;
    event_queue(const event_queue&) = delete;
    event_queue& operator=(const event_queue&) = delete;
    ~event_queue() {
        for (const auto& each : heap_) {
            slots_[each.slot].drop(slots_[each.slot]);
        }
    }

    /// True time: the same for every node, whatever its clock says.
    [[nodiscard]] time_point now() const noexcept { return now_; }

    /// Schedules a call; one for the past is due now.
    template <class Action>
    void at(time_point when, Action action) {
        static_assert(sizeof(Action) <= sizeof(slot::storage), "an event's action is small");
        static_assert(alignof(Action) <= alignof(std::max_align_t));
        auto index = take_slot();
        auto& into = slots_[index];
        new (into.storage) Action(std::move(action));
        into.run = [](slot& from) {
            auto& stored = *std::launder(reinterpret_cast<Action*>(from.storage));
            stored();
        };
        into.drop = [](slot& from) noexcept {
            std::launder(reinterpret_cast<Action*>(from.storage))->~Action();
        };
        heap_.push_back({std::max(when, now_), sequence_++, index});
        std::push_heap(heap_.begin(), heap_.end());
    }

    /// When the next event is due; none when nothing is scheduled.
    [[nodiscard]] std::optional<time_point> next() const noexcept {
        return heap_.empty() ? std::nullopt : std::optional{heap_.front().when};
    }

    /// Moves time to the next event and runs it, unless that lies after `limit`; returns whether
    /// there was one.
    bool run_next(time_point limit) {
        if (heap_.empty() || heap_.front().when > limit) {
            return false;
        }
        std::pop_heap(heap_.begin(), heap_.end());
        auto due = heap_.back();
        heap_.pop_back();
        COHORT_ASSERT(due.when >= now_, "time does not run backwards");
        now_ = due.when;
        ++count_;
        // Also when the action throws, which a test's does.
        struct running {
            ~running() {
                whole.slots_[index].drop(whole.slots_[index]);
                whole.free_.push_back(index);
            }
            event_queue& whole;
            std::uint32_t index;
        } here{*this, due.slot};
        slots_[due.slot].run(slots_[due.slot]);
        return true;
    }

    /// Moves time forward when nothing is scheduled until then.
    void skip_to(time_point when) noexcept {
        COHORT_ASSERT(heap_.empty() || heap_.front().when >= when, "no event is skipped");
        now_ = std::max(now_, when);
    }

    /// Events that ran.
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    struct slot {
        alignas(std::max_align_t) std::byte storage[64];
        void (*run)(slot&) = nullptr;
        void (*drop)(slot&) noexcept = nullptr;
    };
    struct entry {
        time_point when;
        std::uint64_t sequence;
        std::uint32_t slot;
        // The heap has its largest on top: the earliest.
        bool operator<(const entry& other) const noexcept {
            return when != other.when ? when > other.when : sequence > other.sequence;
        }
    };

    std::uint32_t take_slot() {
        if (free_.empty()) {
            slots_.emplace_back();
            return static_cast<std::uint32_t>(slots_.size() - 1);
        }
        auto index = free_.back();
        free_.pop_back();
        return index;
    }

    time_point now_{std::chrono::seconds{1'000'000}};
    std::uint64_t sequence_ = 0;
    std::uint64_t count_ = 0;
    std::vector<entry> heap_;
    std::deque<slot> slots_;  // stable while an action runs and schedules more
    std::vector<std::uint32_t> free_;
};

}  // namespace cohort
