#pragma once

#include <distributed-cache/origin.hpp>
#include <distributed-cache/sqlite_origin.hpp>

#include <cohort/runtime/message.hpp>
#include <cohort/task/task.hpp>
#include <cohort/world/bytes.hpp>
#include <cohort/world/result.hpp>
#include <cohort/world/world.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace cohort {

struct cache_origin_options {
    sqlite_origin_options sqlite;
    std::string space = "cache";
    /// Calls that wait for the database at once; one more is refused.
    std::uint32_t waiting_max = 4096;
};

/// The origin as actors see it: calls run on threads of their own, and what nobody waits for any
/// more is dropped before it reaches the database. Reads have a connection to themselves, so that a
/// write that waits for the disk does not hold them up.
///
/// Ownership: outlives the actors that use it.
/// Thread:    tasks on any core.
/// Errors:    as `sqlite_origin`, and `errc::overloaded` and `errc::timeout`, both certainly not
/// executed. Cancellation: a call that was handed over is waited for.
class cache_origin {
public:
    static result<std::unique_ptr<cache_origin>> open(world& around, cache_origin_options options);

    task<result<origin_row>> load(std::string key, deadline until);
    task<result<stored_row>> store(std::string key, bytes content, deadline until);
    task<result<void>> erase(std::string key, deadline until);

    /// Statements that ran.
    [[nodiscard]] const origin_counters& counters() const noexcept { return *counters_; }
    [[nodiscard]] std::uint32_t waiting() const noexcept { return waiting_; }
    /// Calls refused because too many waited, and calls dropped because their deadline had passed.
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
    [[nodiscard]] std::uint64_t expired() const noexcept { return expired_; }

private:
    struct lane {
        sqlite_origin origin;
        std::unique_ptr<cohort::worker> worker;
    };

    cache_origin(world& around, cache_origin_options options, lane writes,
                 std::unique_ptr<lane> reads);

    template <class T, class Call>
    task<result<T>> run(lane* on, deadline until, Call call);

    [[nodiscard]] lane& reads() noexcept { return reads_ ? *reads_ : writes_; }

    world& world_;
    write_fence owner_;
    std::uint32_t waiting_max_;
    std::shared_ptr<origin_counters> counters_;
    std::atomic<std::uint32_t> waiting_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> expired_{0};
    lane writes_;
    std::unique_ptr<lane> reads_;  // null for a database in memory, which has one connection only
};

}  // namespace cohort
