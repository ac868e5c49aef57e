#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include <cohort/world/time.hpp>

namespace cohort {

/// A number with one writing thread that any thread may read.
class core_counter {
public:
    void add(std::uint64_t amount = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// Counts by powers of two of microseconds: bucket i holds what took less than 2^i us.
class core_delays {
public:
    static constexpr std::size_t buckets = 24;

    void add(duration delay) noexcept {
        auto us = static_cast<std::uint64_t>(delay.count() < 0 ? 0 : delay.count() / 1000);
        auto index = static_cast<std::size_t>(std::bit_width(us));
        counts_[index < buckets ? index : buckets - 1].add();
        sum_ns_.add(static_cast<std::uint64_t>(delay.count() < 0 ? 0 : delay.count()));
    }
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const noexcept {
        return counts_[bucket].value();
    }
    [[nodiscard]] std::uint64_t sum_ns() const noexcept { return sum_ns_.value(); }

private:
    std::array<core_counter, buckets> counts_;
    core_counter sum_ns_;
};

/// What one core counts, always on.
struct core_counters {
    core_counter messages;      // received by actors
    core_counter dead_letters;  // sent to actors that do not exist
    core_counter refused;       // mailbox full: not taken
    core_counter dropped;       // mailbox full: dropped by policy
    core_counter late_replies;  // answers nobody waited for any more
    core_counter asks;
    core_counter ask_timeouts;
    core_counter spawned;
    core_counter stopped;
    core_counter failed;
    core_counter restarted;
    core_counter turns;
    core_counter sleeps;
    core_counter ring_overflow;  // records that did not fit into a ring
    core_counter ring_refused;   // records that did not fit into the overflow
    core_counter slow_slices;    // slices over the watchdog's limit
    core_delays queue_delay;     // from ready to running, sampled
};

}  // namespace cohort
