#include <cohort/runtime/wheel.hpp>

#include <algorithm>
#include <bit>

#include <cohort/world/assert.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};

std::uint64_t floor_tick(time_point instant) noexcept {
    return static_cast<std::uint64_t>(instant.time_since_epoch() / wheel::tick_length);
}

// Rounding up keeps the promise that nothing fires early.
std::uint64_t ceiling_tick(time_point instant) noexcept {
    auto since = std::max(instant.time_since_epoch(), duration::zero());
    return static_cast<std::uint64_t>(since / wheel::tick_length) +
           (since % wheel::tick_length != duration::zero() ? 1 : 0);
}

}  // namespace

wheel::wheel(time_point now) noexcept : now_{floor_tick(now)} {
    for (auto& level : slots_) {
        for (auto& slot : level) {
            slot.head.next = slot.head.previous = &slot.head;
        }
    }
}

void wheel::unlink(wheel_timer& timer) noexcept {
    timer.previous->next = timer.next;
    timer.next->previous = timer.previous;
    timer.next = timer.previous = nullptr;
}

void wheel::arm(wheel_timer& timer, time_point deadline) noexcept {
    COHORT_ASSERT(!timer.armed(), "R-10: a timer is armed once at a time");
    timer.tick = std::max(ceiling_tick(deadline), now_ + 1);
    ++armed_;
    place(timer);
}

void wheel::cancel(wheel_timer& timer) noexcept {
    if (timer.armed() && !COHORT_MUTANT(timer_fires_cancelled)) {
        // An emptied slot keeps its bit: advancing over it is harmless, and clearing it here would
        // cost a look at the list's head on every cancel.
        unlink(timer);
        --armed_;
    }
}

void wheel::place(wheel_timer& timer) noexcept {
    auto tick = std::min(timer.tick, now_ + (std::uint64_t{1} << (levels * bits)) - 1);
    // The level is given by the highest bit in which the tick differs from now: below that, the
    // timer shares its slot's whole prefix with now and comes round exactly once.
    auto difference = tick ^ now_;
    auto level =
        difference == 0 ? 0U : static_cast<unsigned>(63 - std::countl_zero(difference)) / bits;
    if (level >= levels) {
        level = levels - 1;
    }
    auto slot = (tick >> (level * bits)) & (slots - 1);
    auto& head = slots_[level][slot].head;
    timer.next = &head;
    timer.previous = head.previous;
    head.previous->next = &timer;
    head.previous = &timer;
    occupied_[level] |= std::uint64_t{1} << slot;
}

void wheel::cascade(unsigned level, std::uint64_t slot) noexcept {
    auto bit = std::uint64_t{1} << slot;
    if ((occupied_[level] & bit) == 0) {
        return;
    }
    occupied_[level] &= ~bit;
    auto& head = slots_[level][slot].head;
    // A timer beyond the horizon may fall into this slot again, so the list is detached first.
    auto* timer = head.next;
    head.previous->next = nullptr;
    head.next = head.previous = &head;
    while (timer != nullptr && timer != &head) {
        auto* next = timer->next;
        place(*timer);
        timer = next;
    }
}

void wheel::fire_slot(std::uint64_t slot) noexcept {
    auto bit = std::uint64_t{1} << slot;
    if ((occupied_[0] & bit) == 0) {
        return;
    }
    auto& head = slots_[0][slot].head;
    occupied_[0] &= ~bit;
    while (head.next != &head) {
        auto& timer = *head.next;
        COHORT_ASSERT(timer.tick == now_, "R-10: a timer fires at its own tick");
        unlink(timer);
        --armed_;
        timer.fire(timer);
    }
}

std::uint64_t wheel::next_event_tick() const noexcept {
    auto best = never;
    for (unsigned level = 0; level < levels; ++level) {
        if (occupied_[level] == 0) {
            continue;
        }
        auto shift = level * bits;
        auto position = (now_ >> shift) & (slots - 1);
        // Slots behind the position belong to the next round of this level.
        auto rotated = std::rotr(occupied_[level], static_cast<int>((position + 1) & (slots - 1)));
        auto distance = static_cast<std::uint64_t>(std::countr_zero(rotated)) + 1;
        best = std::min(best, ((now_ >> shift) + distance) << shift);
    }
    return best;
}

void wheel::advance(time_point now) noexcept {
    auto target = floor_tick(now);
    while (now_ < target) {
        auto next = next_event_tick();
        if (next > target) {
            now_ = target;
            return;
        }
        now_ = next;
        for (unsigned level = levels - 1; level > 0; --level) {
            auto shift = level * bits;
            if ((now_ & ((std::uint64_t{1} << shift) - 1)) == 0) {
                cascade(level, (now_ >> shift) & (slots - 1));
            }
        }
        fire_slot(now_ & (slots - 1));
    }
}

std::optional<time_point> wheel::next_deadline() const noexcept {
    if (armed_ == 0) {
        return std::nullopt;
    }
    auto tick = next_event_tick();
    COHORT_ASSERT(tick != never, "R-10: an armed timer lies in an occupied slot");
    return time_point{tick_length * static_cast<duration::rep>(tick)};
}

}  // namespace cohort
