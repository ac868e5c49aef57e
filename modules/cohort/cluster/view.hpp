#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/runtime/remote.hpp>
#include <cohort/world/network.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

enum class member_phase : std::uint8_t {
    joining,   ///< admitted; gets no shards yet
    ready,     ///< gets shards
    draining,  ///< hands its shards over and leaves
};
[[nodiscard]] std::string_view name(member_phase phase) noexcept;

/// One incarnation of one node. A node that was removed from the cluster comes back as another
/// member: a uid never returns (R8).
struct member {
    node_uid uid;
    endpoint address;  // of its remoting
    std::vector<std::string> roles;
    std::vector<std::string> spaces;  // it knows these, and owns shards of no others
    std::string build;
    member_phase phase = member_phase::joining;
    /// Names the memory with which it votes, should it get a seat (R13).
    node_uid acceptor;
    /// Its place among the seeds, or `not_a_seed`.
    std::uint32_t ordinal = not_a_seed;

    static constexpr std::uint32_t not_a_seed = ~std::uint32_t{0};
    [[nodiscard]] bool has_role(std::string_view wanted) const noexcept;
    [[nodiscard]] bool knows_space(std::string_view wanted) const noexcept;
    friend bool operator==(const member&, const member&) = default;
};

/// A seat in the register's electorate, held by a member's acceptor. A seat whose member has left
/// or died is vacant until another member takes it; it counts in every majority all the same.
struct voter {
    node_uid acceptor;  // zero: nobody has held it yet
    node_uid uid;
    endpoint address;
    friend bool operator==(const voter&, const voter&) = default;
};

/// A member that is one no more, by the view of that epoch.
struct departed_member {
    node_uid uid;
    std::uint64_t epoch = 0;
    friend bool operator==(const departed_member&, const departed_member&) = default;
};

/// Who owns a shard.
struct shard_owner {
    static constexpr std::uint16_t nobody = 0xffff;
    std::uint16_t owner = nobody;  // index into the view's members
    std::uint64_t own_epoch = 0;  // raised with every change of owner (I3); the fence of its writes
    friend bool operator==(const shard_owner&, const shard_owner&) = default;
};

/// A shard that its owner is to release, so that another one can take it.
struct shard_move {
    std::uint32_t shard = 0;
    std::uint64_t drain_epoch = 0;  // of the view that asked for it; the release names it (R9)
    std::uint16_t to = shard_owner::nobody;
    friend bool operator==(const shard_move&, const shard_move&) = default;
};

/// What all nodes have to agree on about one kind of sharded entities.
struct space_options {
    std::string name;
    std::uint32_t shards = 1024;
    /// Names the function from key to shard; a node with another one is refused when it joins.
    std::uint32_t hash_id = 1;
    /// Only members with this role own shards of it; empty for every member.
    std::string role;
    friend bool operator==(const space_options&, const space_options&) = default;
};

struct space {
    space_options options;
    std::vector<shard_owner> shards;
    std::vector<shard_move> moving;
    friend bool operator==(const space&, const space&) = default;
};

/// Times that every node has to count with.
struct cluster_times {
    duration ttl = std::chrono::seconds{3};
    duration renew = std::chrono::milliseconds{500};
    /// How much earlier than its lease a node stops.
    duration guard = std::chrono::milliseconds{100};
    /// How far a clock's rate may be off, in millionths.
    std::uint32_t rho = 10'000;
    friend bool operator==(const cluster_times&, const cluster_times&) = default;
};

/// The value of the register: there is one for each epoch, and every node sees them in order.
struct view {
    node_uid cluster_id;
    std::uint64_t epoch = 0;
    std::uint32_t config = 0;  // raised when the voters change, by one seat at a time
    std::vector<voter> voters;
    std::vector<voter> previous_voters;
    std::vector<member> members;   // by uid
    std::vector<node_uid> fenced;  // removed by this epoch without their consent
    // Every member that a view behind the epoch `departed_since` removed: none comes back (R8).
    std::vector<departed_member> departed;
    std::uint64_t departed_since = 0;
    std::vector<space> spaces;
    cluster_times times;

    [[nodiscard]] const member* find(node_uid uid) const noexcept;
    /// The index of a member, or `shard_owner::nobody`.
    [[nodiscard]] std::uint16_t index_of(node_uid uid) const noexcept;
    [[nodiscard]] const space* find_space(std::string_view name) const noexcept;
    /// The seat that an acceptor holds, or null.
    [[nodiscard]] const voter* seat_of(node_uid acceptor) const noexcept;
    friend bool operator==(const view&, const view&) = default;
};

/// A view is never changed once it is made; nodes and cores share it.
using view_ptr = std::shared_ptr<const view>;

}  // namespace cohort
