#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <cohort/task/task.hpp>
#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// How the entities of one space live.
struct entity_options {
    /// The number of shards, which all nodes have to agree on, and the role of those that own some.
    std::uint32_t shards = 1024;
    std::string role = {};
    /// Without a message an entity is stopped after this long, or up to a quarter later.
    duration idle = std::chrono::seconds{120};
    /// Of the node. Above them, entities that were not used lately are stopped.
    std::size_t entities_max = 1'000'000;
    std::size_t content_bytes_max = std::size_t{1} << 30;
    std::uint16_t mailbox_limit = 1000;
    /// Called before the first entity of a shard that this node has come to own: the place to raise
    /// the store's fence to `own_epoch`, so that no write of an older owner takes effect any more.
    /// Messages wait meanwhile; after an error it is called again.
    ///
    /// Thread: the shard's home core, as a task.
    std::function<task<result<void>>(std::uint32_t shard, std::uint64_t own_epoch)> activate = {};
};

struct sharding_options {
    /// What waits for one shard on one node, and for all of them.
    std::size_t shard_messages_max = 1000;
    std::size_t shard_bytes_max = std::size_t{1} << 20;
    std::size_t node_bytes_max = std::size_t{64} << 20;
    /// How long entities of a shard that moves may go on with what was admitted.
    duration drain_time = std::chrono::seconds{5};
    /// How long a message for an owner waits that has not heard of the view which made it the
    /// owner.
    duration view_wait = std::chrono::milliseconds{200};
    /// How long messages wait on a node without a lease before they are refused.
    duration suspended_wait = std::chrono::milliseconds{500};
    /// How long a message that nobody waits for is kept.
    duration tell_wait = std::chrono::seconds{10};
    /// Between attempts: a random time up to a bound that doubles.
    duration backoff = std::chrono::milliseconds{10};
    duration backoff_max = std::chrono::seconds{1};
    /// Messages that may be sent again at once, beside one for ten that are new.
    std::uint32_t retries_max = 10'000;
};

/// What sharding did on this node so far, over all spaces and cores.
struct sharding_numbers {
    std::uint64_t entities = 0;
    std::uint64_t content_bytes = 0;
    std::uint64_t started = 0;
    std::uint64_t evicted = 0;     // because of a limit
    std::uint64_t passivated = 0;  // because they were idle
    std::uint64_t shards_owned = 0;
    std::uint64_t sent = 0;        // to other nodes
    std::uint64_t received = 0;    // of other nodes
    std::uint64_t retries = 0;     // sent again
    std::uint64_t redirected = 0;  // turned away here: another node owns the shard, or will
    std::uint64_t refused = 0;     // certainly not executed
    std::uint64_t tells_lost = 0;
    std::uint64_t moves = 0;  // shards that this node released
    std::uint64_t activations = 0;
    std::uint64_t suspensions = 0;
    std::int64_t waiting_bytes = 0;
};

}  // namespace cohort
