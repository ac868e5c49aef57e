#pragma once

#include <atomic>
#include <cstdint>

#include <cohort/world/time.hpp>

namespace cohort {

/// The time for which a node may act as the owner of its shards. Ask it with a clock that was read
/// after what is to be done has arrived (B9): a thread may have slept for hours between two
/// readings.
///
/// Thread: any reads; one writes.
class lease {
public:
    /// Whether it holds at `now`, `guard` included.
    [[nodiscard]] bool holds(time_point now) const noexcept {
        return now.time_since_epoch().count() < end_.load(std::memory_order_acquire);
    }
    /// The last moment for acting; the lease itself ends a `guard` later.
    [[nodiscard]] time_point end() const noexcept {
        return time_point{duration{end_.load(std::memory_order_acquire)}};
    }
    void set_end(time_point end) noexcept {
        end_.store(end.time_since_epoch().count(), std::memory_order_release);
    }

private:
    std::atomic<std::int64_t> end_{INT64_MIN};
};

}  // namespace cohort
