#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <cohort/cluster/embedded/messages.hpp>

namespace cohort {

/// What a driver knows and was asked for, when it plans the next view.
struct plan_input {
    std::vector<node_uid> expired;  // members whose leases are over (R12)
    std::vector<join_request> joins;
    std::vector<node_uid> ready;
    std::vector<node_uid> leaving;
    std::vector<shard_release> releases;
    std::vector<node_uid> candidates;  // would take a seat, and said so just now (R14)
    std::vector<node_uid> alive;       // members whose leases hold
    std::uint32_t seats_max = 5;
    /// An acceptor holds a view that cannot be decided any more, and grants nothing by any other: a
    /// newer one sets it free, also when there is nothing to do.
    bool anyway = false;
    bool first_owners = false;  // shards may get their first owners (R7)
};

/// How many seats the electorate of so many ready members has.
[[nodiscard]] std::size_t seats_for(std::size_t ready, std::size_t most) noexcept;

/// The view behind `base` with everything that can be done at once, or null when nothing is to be
/// done: one commit fences, gives the seat on, and gives every shard another owner.
[[nodiscard]] view_ptr plan_next(const view& base, const plan_input& input);

/// Why a node is not admitted to the cluster of this view; empty when it may be.
[[nodiscard]] std::string why_not_admitted(const view& what, const join_request& asked);

}  // namespace cohort
