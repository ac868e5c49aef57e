#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/actor/system.hpp>
#include <cohort/cluster/events.hpp>
#include <cohort/cluster/ownership.hpp>
#include <cohort/remoting/remoting.hpp>

namespace cohort {

namespace detail {
struct cluster_state;
}

struct cluster_options {
    /// Nodes of another cluster are refused; remoting has to be given the same name.
    std::string name = "cohort";
    /// The nodes that found the cluster, as they are advertised, in the same order on every node: a
    /// majority of them is needed once. Others join through any of them.
    std::vector<endpoint> seeds;
    cluster_times times = {};
    /// Nodes that vote, at most: 1, 3, 5 or 7.
    std::uint32_t voters = 5;
    /// What this node is for.
    std::vector<std::string> roles = {};
    /// The version of the program, for people.
    std::string build = {};
    /// A node that could not join for so long ends, and says what became of each seed.
    duration join_time = std::chrono::seconds{60};
};

/// What the node knows and has done as a member.
struct cluster_numbers {
    std::uint64_t epoch = 0;
    std::uint64_t members_joining = 0;
    std::uint64_t members_ready = 0;
    std::uint64_t members_draining = 0;
    std::uint64_t seats = 0;
    duration lease_left{};          // zero when it is over
    std::uint64_t suspensions = 0;  // times that the lease ran out
    std::uint64_t fences = 0;       // times that the node was removed against its will
    std::uint64_t views = 0;        // that were adopted
    std::uint64_t control_out = 0;  // messages to other nodes
    std::uint64_t control_in = 0;
    std::uint64_t control_lost = 0;  // for nodes that could not be reached
};

/// A node's membership in a cluster: it joins through the seeds, keeps its lease, learns every
/// view, and leaves in order. Who is in the cluster and who owns which shard is decided by a
/// majority of its voters; a node that does not reach them stops acting when its lease is over.
///
///     auto& network = node.use(remoting{{.cluster = "shop", .listen = {"10.0.0.1", 2551}}});
///     auto& members = node.use(cluster{network, {.name = "shop", .seeds = seeds}});
///
/// A node that cannot join in time, or that the cluster refuses, ends with a failure that says why.
class cluster final : public extension, public ownership {
public:
    /// Remoting outlives it: use it before.
    cluster(remoting& network, cluster_options options);
    cluster(cluster&&) noexcept;
    cluster& operator=(cluster&&) noexcept;
    ~cluster() override;

    /// Sends the actor what it knows, and from then on every change: epochs without a gap, or a
    /// snapshot where there is one. Until the actor ends. What its full mailbox does not take is
    /// lost, as with every message.
    ///
    /// Thread: call from an actor or a task, after the start.
    template <class P>
    void subscribe(const ref<P>& watcher) {
        subscribe_as(ref<cluster_watcher>{watcher});
    }

    // ownership
    void declare(space_options space) override;
    void listen(ownership_listener& listener) override;
    [[nodiscard]] node_uid self() const noexcept override;
    [[nodiscard]] const lease& own_lease() const noexcept override;
    [[nodiscard]] view_ptr current() const override;
    void release(std::string space, std::uint32_t shard, std::uint64_t drain_epoch) override;
    void look_for(std::uint64_t epoch) override;
    [[nodiscard]] task<void> leave() override;

    // extension
    [[nodiscard]] std::string_view name() const noexcept override { return "cluster"; }
    [[nodiscard]] result<void> start(system& owner) override;
    /// Leaves, when nobody did so before.
    [[nodiscard]] task<void> stop() override;
    [[nodiscard]] unsigned stop_weight() const noexcept override { return 3; }
    /// Whether the member is ready, its lease holds and it does not leave; for the first time only
    /// when every seat of the newest view is held by somebody who answers and every shard has an
    /// owner. Later it stays ready when another node dies. Any thread.
    [[nodiscard]] bool ready() const noexcept override;

    [[nodiscard]] const cluster_options& options() const noexcept;
    [[nodiscard]] node_standing standing() const noexcept;
    /// Any thread.
    [[nodiscard]] cluster_numbers numbers() const;

private:
    void subscribe_as(ref<cluster_watcher> watcher);

    std::unique_ptr<detail::cluster_state> state_;
};

}  // namespace cohort
