#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <cohort/cluster/lease.hpp>
#include <cohort/cluster/view.hpp>
#include <cohort/task/task.hpp>
#include <cohort/world/result.hpp>

namespace cohort {

class core;
class system;

/// Who hears about views and about this node's lease, on every core of the node.
///
/// Thread: each member is called on the core that it is given, in the same order on every core;
/// they must not throw.
class ownership_listener {
public:
    virtual ~ownership_listener() = default;
    /// A newer view. Epochs only grow; some may have been left out.
    virtual void view_changed(core& here, const view_ptr& now) = 0;
    /// The lease is over: nothing may be admitted or answered, and nothing is lost yet.
    virtual void suspended(core& here) = 0;
    /// The lease holds again, and nobody else owned anything meanwhile.
    virtual void resumed(core& here) = 0;
    /// This incarnation was removed from the cluster: what it owned is somebody else's, and what is
    /// in memory is worth nothing. The node comes back under another uid, and `own_lease` holds
    /// nothing before this was called on every core: a core that has not heard of the fence yet
    /// must not run what the old incarnation left under the lease of the new one.
    virtual void fenced(core& here) = 0;
};

/// What sharding has to know of the cluster: the views, this node's lease, and how to give a shard
/// back. The cluster is one; a node that is alone, `lone_ownership`, is another.
class ownership {
public:
    virtual ~ownership() = default;

    /// Says what this node shards. Before the start.
    virtual void declare(space_options space) = 0;
    /// Before the start; the listener outlives the system.
    virtual void listen(ownership_listener& listener) = 0;

    /// This node's name in views, from its first view on. Zero before. Any thread.
    [[nodiscard]] virtual node_uid self() const noexcept = 0;
    /// Any thread; where it lies never changes.
    [[nodiscard]] virtual const lease& own_lease() const noexcept = 0;
    /// The newest view that this node knows, or null. Any thread.
    [[nodiscard]] virtual view_ptr current() const = 0;

    /// This node serves the shard no more: no entity of it runs, and none will be started (R9).
    /// Repeated until a view takes notice. Any core.
    virtual void release(std::string space, std::uint32_t shard, std::uint64_t drain_epoch) = 0;
    /// Asks for a view that is newer than this one: somebody knew one. Any core.
    virtual void look_for(std::uint64_t epoch) = 0;
    /// Gives everything back and leaves the cluster; ends when that is done. While it lasts, views
    /// go on coming and shards go on being served.
    [[nodiscard]] virtual task<void> leave() = 0;
};

}  // namespace cohort
