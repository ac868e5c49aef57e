#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <cohort/world/time.hpp>

namespace cohort {

/// A timer as it lies in its owner's frame. `fire` runs once, on the wheel's thread, when the
/// deadline has passed; the timer is disarmed by then and may be armed again inside it.
struct wheel_timer {
    wheel_timer* next = nullptr;
    wheel_timer* previous = nullptr;
    std::uint64_t tick = 0;
    void (*fire)(wheel_timer&) noexcept = nullptr;

    wheel_timer() = default;
    explicit wheel_timer(void (*function)(wheel_timer&) noexcept) noexcept : fire{function} {}
    wheel_timer(const wheel_timer&) = delete;
    wheel_timer& operator=(const wheel_timer&) = delete;

    [[nodiscard]] bool armed() const noexcept { return previous != nullptr; }
};

/// A timer that knows what it belongs to.
template <class Owner>
struct timer_of : wheel_timer {
    timer_of(Owner& whole, void (*function)(wheel_timer&) noexcept) noexcept
        : wheel_timer{function}, owner{&whole} {}
    static Owner& owner_of(wheel_timer& timer) noexcept {
        return *static_cast<timer_of&>(timer).owner;
    }
    Owner* owner;
};

/// Hierarchical timing wheel: five levels of 64 slots over ticks of 1 ms (twelve days; what lies
/// further is parked in the last slot and placed again when it comes round). Arm and cancel are
/// O(1); a timer never fires early and at most one tick late. Source: Varghese and Lauck, 1987.
///
/// Thread: one.
class wheel {
public:
    static constexpr duration tick_length = std::chrono::milliseconds{1};

    explicit wheel(time_point now) noexcept;
    wheel(const wheel&) = delete;
    wheel& operator=(const wheel&) = delete;

    /// Arms a timer that is not armed. A deadline in the past fires at the next `advance`.
    void arm(wheel_timer& timer, time_point deadline) noexcept;
    /// Disarms; does nothing when the timer is not armed.
    void cancel(wheel_timer& timer) noexcept;
    /// Fires everything whose deadline is at or before `now`, in order of ticks.
    void advance(time_point now) noexcept;
    /// No timer fires before this instant; none when nothing is armed.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept;
    [[nodiscard]] std::size_t armed() const noexcept { return armed_; }

private:
    static constexpr unsigned levels = 5;
    static constexpr unsigned bits = 6;
    static constexpr std::uint64_t slots = 1U << bits;

    struct list {
        wheel_timer head;
    };

    void place(wheel_timer& timer) noexcept;
    void cascade(unsigned level, std::uint64_t slot) noexcept;
    void fire_slot(std::uint64_t slot) noexcept;
    static void unlink(wheel_timer& timer) noexcept;
    [[nodiscard]] std::uint64_t next_event_tick() const noexcept;

    std::uint64_t now_ = 0;  // every tick up to this one has been handled
    std::size_t armed_ = 0;
    std::array<std::uint64_t, levels> occupied_{};
    std::array<std::array<list, slots>, levels> slots_;
};

}  // namespace cohort
