#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <cohort/actor/protocol.hpp>
#include <cohort/cluster/view.hpp>

namespace cohort {

/// What became of one member.
struct member_change {
    enum class kind : std::uint8_t { joined, ready, draining, left, fenced };
    kind what;
    member who;
    friend bool operator==(const member_change&, const member_change&) = default;
};
[[nodiscard]] std::string_view name(member_change::kind what) noexcept;

/// What brings one view to the next, members in the order of their uids. Without a view before,
/// every member has just come.
[[nodiscard]] std::vector<member_change> changes_between(const view* before, const view& after);

/// Whether this node may act.
enum class node_standing : std::uint8_t {
    outside,    ///< it is no member, for now or for ever
    member,     ///< its lease holds
    suspended,  ///< its lease is over; it may hold again
};
[[nodiscard]] std::string_view name(node_standing what) noexcept;

/// Where a subscription begins, and where it goes on when epochs were missed.
struct cluster_snapshot {
    view_ptr now;  // null while this node knows none
    node_standing standing = node_standing::outside;
};
/// The epoch behind the last one.
struct cluster_changed {
    view_ptr now;
    std::vector<member_change> members;
};
/// What this node may do is something else now.
struct cluster_standing {
    node_standing now = node_standing::outside;
};

/// What an actor understands that subscribes to a cluster.
using cluster_watcher = protocol<cluster_snapshot, cluster_changed, cluster_standing>;

}  // namespace cohort
