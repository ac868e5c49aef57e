#pragma once

#include <chrono>
#include <cstdint>

#include <cohort/world/compiler.hpp>

namespace cohort {

using namespace std::chrono_literals;  // durations read as in `5s` wherever Cohort is used

using duration = std::chrono::nanoseconds;

/// The clock of a world: monotonic, counts suspend, starts anywhere. It has no `now()` of its own:
/// time is read from the world, so that a simulation can provide it.
struct monotonic_clock {
    using rep = cohort::duration::rep;
    using period = cohort::duration::period;
    using duration = cohort::duration;
    using time_point = std::chrono::time_point<monotonic_clock>;
    static constexpr bool is_steady = true;
};

using time_point = monotonic_clock::time_point;

/// `start + length`, or the end of time when that lies beyond it: `duration::max()` is a fine way
/// to say for ever.
[[nodiscard]] constexpr time_point after(time_point start, duration length) noexcept {
    return length > time_point::max() - start ? time_point::max() : start + length;
}

/// Whether `cycle_count` counts here.
#if defined(__x86_64__)
inline constexpr bool has_cycle_count = true;
#else
inline constexpr bool has_cycle_count = false;
#endif

/// A count that goes up with time, at a rate that nobody knows and for a third of the price of a
/// clock: good for telling that little time has passed, and for nothing else. Not in a simulation.
[[nodiscard]] inline std::uint64_t cycle_count() noexcept {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/// Wall time, for people and for logs; never for deadlines.
using wall_time = std::chrono::time_point<std::chrono::system_clock, duration>;

}  // namespace cohort
