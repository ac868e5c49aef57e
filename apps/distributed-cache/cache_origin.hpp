#pragma once

#include <distributed-cache/open_origin.hpp>
#include <distributed-cache/origin.hpp>

#include <cohort/runtime/message.hpp>
#include <cohort/task/task.hpp>
#include <cohort/world/bytes.hpp>
#include <cohort/world/result.hpp>
#include <cohort/world/world.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cohort {

struct cache_origin_options {
    origin_options database;
    /// Calls that wait for the database at once; one more is refused.
    std::uint32_t waiting_max = 4096;
};

/// The origin as actors see it: calls run on threads of their own, and what nobody waits for any
/// more is dropped before it reaches the database. SQLite has a connection for writes and one for
/// reads, so that a write that waits for the disk does not hold them up. PostgreSQL has several,
/// and a key always the same: what became of a write is settled there before the key's next call.
///
/// Every call names the right by which its caller owns the key's shard; see `write_fence`.
///
/// Ownership: outlives the actors that use it.
/// Thread:    tasks on any core.
/// Errors:    as `origin_connection`, and `errc::overloaded` and `errc::timeout`, both certainly
///            not executed.
/// Cancellation: a call that was handed over is waited for.
class cache_origin {
public:
    static result<std::unique_ptr<cache_origin>> open(world& around, cache_origin_options options);
    /// Over connections that are open already; the options' address says what kind they are.
    static std::unique_ptr<cache_origin> over(
        world& around, cache_origin_options options,
        std::vector<std::unique_ptr<origin_connection>> connections);
    /// The connections that an origin is used by, each for a thread of that name.
    [[nodiscard]] static std::vector<std::string> names_of_lanes(const origin_options& database);

    /// Makes the owner's epoch the newest of its shard, before it reads or writes anything there.
    ///
    /// Errors: `errc::stale_epoch` when a newer owner did so.
    task<result<void>> activate(write_fence owner, deadline until);

    task<result<origin_row>> load(std::string key, write_fence owner, deadline until);
    task<result<stored_row>> store(std::string key, bytes content, write_fence owner,
                                   deadline until);
    task<result<void>> erase(std::string key, write_fence owner, deadline until);

    /// Statements that ran.
    [[nodiscard]] const origin_counters& counters() const noexcept { return *counters_; }
    [[nodiscard]] std::uint32_t waiting() const noexcept { return waiting_; }
    /// Calls refused because too many waited, and calls dropped because their deadline had passed.
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
    [[nodiscard]] std::uint64_t expired() const noexcept { return expired_; }

private:
    struct lane {
        std::unique_ptr<origin_connection> connection;
        std::unique_ptr<cohort::worker> worker;
    };

    cache_origin(world& around, cache_origin_options options, std::vector<lane> lanes);

    template <class T, class Call>
    task<result<T>> run(lane* on, deadline until, Call call);

    [[nodiscard]] lane& for_write(std::string_view key) noexcept;
    [[nodiscard]] lane& for_read(std::string_view key) noexcept;

    world& world_;
    std::uint32_t waiting_max_;
    bool lane_by_key_;
    std::shared_ptr<origin_counters> counters_;
    std::atomic<std::uint32_t> waiting_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> expired_{0};
    std::vector<lane> lanes_;  // last, so that the workers end before what their work uses
};

}  // namespace cohort
