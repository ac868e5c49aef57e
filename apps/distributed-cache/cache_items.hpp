#pragma once

#include <distributed-cache/cache_origin.hpp>
#include <distributed-cache/entity.hpp>

#include <cohort/cohort.hpp>
#include <cohort/runtime/counters.hpp>
#include <cohort/sharding/sharding.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cohort {

struct item_times {
    duration idle = std::chrono::seconds{120};  ///< without a request a key leaves memory
    duration absent = std::chrono::seconds{1};  ///< how long it is known that a key does not exist
};

struct cache_items_options {
    std::string node_name = "local";
    std::size_t keys_max = 1'000'000;                      ///< in memory, of the node
    std::size_t content_bytes_max = std::size_t{1} << 30;  ///< of the node, held in memory
    item_times times = {};
};

/// What one core's entities did, always counted by that core; any thread may read.
struct alignas(64) item_counters {
    core_counter hits;    ///< gets that were answered without the origin
    core_counter misses;  ///< gets that asked the origin
    core_counter failed;  ///< gets that the origin did not answer
};

/// The sums over all cores.
struct item_figures {
    std::uint64_t entities = 0;
    std::uint64_t content_bytes = 0;
    std::uint64_t started = 0;
    std::uint64_t evicted = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t failed = 0;
};

/// The items of the cache: one sharded entity for each key, in front of the origin.
///
/// Ownership: outlives the system's actors; the sharding and the origin outlive it.
/// Thread:    asked and peeked at on any core; `figures` anywhere.
class cache_items {
public:
    static constexpr std::string_view space_name = "cache";

    /// How much may wait in front of a shard: a popular key gets many requests at once.
    [[nodiscard]] static sharding_options waiting() {
        return {.shard_messages_max = 20'000, .shard_bytes_max = std::size_t{16} << 20};
    }

    /// Declares the space; before the system starts.
    cache_items(sharding& shards, cache_origin& origin, cache_items_options options);
    cache_items(const cache_items&) = delete;
    cache_items& operator=(const cache_items&) = delete;

    /// As `sharded::ask`.
    template <class M>
    [[nodiscard]] auto ask(std::string_view key, deadline until, M message) {
        return space_.ask<M>(key, until, std::move(message));
    }
    /// The item of a key if it is at rest in memory on this core: what a `get_item` would be
    /// answered, without a message. Counted as a hit. Null otherwise. Valid until the next
    /// `co_await`.
    [[nodiscard]] const shown_item* peek(std::string_view key) noexcept {
        const auto* shown = space_.peek<shown_item>(key);
        if (shown != nullptr) {
            counters().hits.add();
        }
        return shown;
    }
    [[nodiscard]] std::uint32_t shard(std::string_view key) const noexcept {
        return space_.shard(key);
    }

    [[nodiscard]] item_figures figures() const;

    // for the entities
    [[nodiscard]] cache_origin& origin() const noexcept { return origin_; }
    [[nodiscard]] const item_times& times() const noexcept { return options_.times; }
    [[nodiscard]] const std::string& node_name() const noexcept { return options_.node_name; }
    [[nodiscard]] item_counters& counters() noexcept { return counters_[this_core().id()]; }
    [[nodiscard]] static write_fence fence(const entity_context<item_protocol>& of) {
        return {std::string{space_name}, of.shard(), of.epoch()};
    }

private:
    task<result<void>> activate(std::uint32_t shard, std::uint64_t own_epoch);

    sharding& shards_;
    cache_origin& origin_;
    cache_items_options options_;
    std::vector<item_counters> counters_;  // by core
    sharded<item_protocol> space_;
};

}  // namespace cohort
