#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include <cohort/cluster/view.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort::sim {

/// Shuts a node down in order. When that is done it calls `left`, and starts the node again after
/// `away`, unless it was started meanwhile or `over` says that there is no more need.
void leave_and_return(simulation& whole, simulated_node& node, duration away,
                      std::function<void()> left, std::function<bool()> over);

/// Whether the nodes that are healed can come to a decision: most holders of seats of the newest
/// view are there with their memory or, where nobody knows a view, most seeds are healed. Nodes
/// that are down for good are not known to be (A5). The first `seeds` nodes are the seeds.
[[nodiscard]] bool have_majority(const view* newest, const std::set<node_uid>& there,
                                 const std::vector<std::uint32_t>& healed, std::uint32_t seeds);

}  // namespace cohort::sim
