#include "cluster.hpp"

#include <algorithm>
#include <utility>

#include <cohort/runtime/runtime.hpp>

#include "membership.hpp"

namespace cohort::sim {
namespace {

constexpr std::uint16_t port = 2551;
constexpr std::uint32_t shards = 24;
constexpr std::string_view space_name = "things";
constexpr duration look_every = 5ms;
// A node that left in order is started again after so long.
constexpr duration away = 3s;

enum class errand : std::uint32_t { leave, subscribe, look_for, idle };
static_assert(static_cast<std::uint32_t>(errand::idle) + 1 == cluster_workload::operation_kinds);

}  // namespace

struct cluster_workload::station final : ownership_listener {
    ~station() override {
        if (whole->up_[node->index()] == this) {
            whole->up_[node->index()] = nullptr;
        }
    }

    cluster_workload* whole = nullptr;
    simulated_node* node = nullptr;
    cluster* members = nullptr;
    bool going = false;
    std::vector<std::vector<std::uint64_t>> heard;  // by core: epochs, and marks of the rest
    std::vector<view_ptr> last;                     // by core
    view_ptr newest;                                // as core 0 knows it
    std::set<std::pair<std::uint32_t, std::uint64_t>> released;

    // Above every epoch of a test.
    static constexpr std::uint64_t mark = std::uint64_t{1} << 62;

    void note(core& here, std::uint64_t what) { heard[here.id()].push_back(what); }
    void view_changed(core& here, const view_ptr& now) override {
        note(here, now->epoch);
        auto before = std::exchange(last[here.id()], now);
        if (before != nullptr && before->cluster_id == now->cluster_id &&
            now->epoch <= before->epoch) {
            whole->wrong("I2: node " + node->host() + " adopted view " +
                         std::to_string(now->epoch) + " behind " + std::to_string(before->epoch));
        }
        if (here.id() == 0) {
            newest = now;
            whole->note_view(now);
            give_back();
        }
    }
    void suspended(core& here) override {
        note(here, mark);
        count(here, "suspended");
        // Other cores may hear of it when it holds again.
        if (here.id() == 0 && members->own_lease().holds(here.now())) {
            whole->wrong("a node that is suspended has a lease that holds");
        }
    }
    void resumed(core& here) override {
        note(here, mark + 1);
        count(here, "resumed");
    }
    void fenced(core& here) override {
        note(here, mark + 2);
        count(here, "fenced");
        if (members->own_lease().holds(here.now())) {
            whole->wrong("I5: a node that was fenced has a lease that holds");
        }
    }
    void count(core& here, const char* what) { whole->counters_[what] += here.id() == 0 ? 1 : 0; }
    void give_back() {
        const auto* things = newest->find_space(space_name);
        auto own = newest->index_of(members->self());
        if (things == nullptr || own == shard_owner::nobody) {
            return;
        }
        for (const auto& each : things->moving) {
            if (things->shards[each.shard].owner == own &&
                released.insert({each.shard, each.drain_epoch}).second) {
                members->release(std::string{space_name}, each.shard, each.drain_epoch);
                ++whole->counters_["released"];
            }
        }
    }
};

struct cluster_programs {
    /// Follows the cluster's changes, and sees to it that none is missing (I16).
    static behavior<cluster_watcher> follow(context<cluster_watcher> self, cluster_workload* whole,
                                            cluster* members) {
        members->subscribe(self.self());
        auto last = view_ptr{};
        for (;;) {
            auto message = co_await self.receive();
            if (auto snapshot = message.get_if<cluster_snapshot>()) {
                last = snapshot->now;
                ++whole->counters_["snapshots"];
            } else if (auto change = message.get_if<cluster_changed>()) {
                if (last == nullptr || change->now->epoch != last->epoch + 1) {
                    whole->wrong("I16: a watcher misses an epoch");
                } else if (change->members != changes_between(last.get(), *change->now)) {
                    whole->wrong("I16: the changes are not what lies between two views");
                }
                last = change->now;
                ++whole->counters_["changes"];
            }
        }
    }
};

cluster_workload::cluster_workload(const schedule& given)
    : nodes_{given.swarm.nodes},
      fast_enough_{given.swarm.stream_buffer >=
                   64 * static_cast<std::uint64_t>(given.swarm.delay_max / 1ms + 1)},
      seeds_{std::min<std::uint32_t>(given.swarm.nodes, 5)}, up_(given.swarm.nodes) {}
cluster_workload::~cluster_workload() = default;

endpoint cluster_workload::address(std::uint32_t node) const {
    return {"10.0.0." + std::to_string(node + 1), port};
}

void cluster_workload::wrong(std::string what) {
    if (!wrong_) {
        wrong_ = std::move(what);
    }
}

void cluster_workload::boot(simulated_node& node) {
    auto options = cluster_options{.join_time = 1h};
    for (std::uint32_t i = 0; i < seeds_; ++i) {
        options.seeds.push_back(address(i));
    }
    auto here = std::make_shared<station>();
    auto& system = node.system();
    auto& network = system.use(remoting{{.listen = {node.host(), port}, .insecure = true}});
    here->whole = this;
    here->node = &node;
    here->members = &system.use(cluster{network, options});
    here->heard.resize(system.cores());
    here->last.resize(system.cores());
    here->members->declare({.name = std::string{space_name}, .shards = shards});
    here->members->listen(*here);
    node.state = here;
    up_[node.index()] = here.get();
    auto started = system.start();
    COHORT_ASSERT(started.has_value(), "the port is free and the options are good");
    static_cast<void>(
        system.spawn_on(system.cores() - 1, cluster_programs::follow, this, here->members));
    counters_["restarted"] += node.incarnation() > 1 ? 1 : 0;
    if (whole_ == nullptr) {
        whole_ = &node.whole();
        judge(*whole_);
    }
}

// One view for each epoch of a cluster, and owners' epochs that rise with them.
void cluster_workload::note_view(const view_ptr& seen) {
    auto [at, fresh] = views_.emplace(std::pair{seen->cluster_id, seen->epoch}, seen);
    if (!fresh) {
        if (*at->second != *seen) {
            wrong("I2: one epoch has two views");
        }
        return;
    }
    auto before = views_.find({seen->cluster_id, seen->epoch - 1});
    if (before == views_.end()) {
        return;
    }
    const auto& base = *before->second;
    for (const auto& each : base.members) {
        if (seen->find(each.uid) == nullptr) {
            removed_.insert({{seen->cluster_id, each.uid}, seen->epoch});
        }
    }
    for (const auto& each : seen->members) {
        auto gone = removed_.find({seen->cluster_id, each.uid});
        if (gone != removed_.end() && gone->second <= seen->epoch) {
            wrong("R8: a member that was removed is back");
        }
    }
    const auto* was = base.find_space(space_name);
    const auto* is = seen->find_space(space_name);
    for (std::uint32_t i = 0; was != nullptr && is != nullptr && i < shards; ++i) {
        auto owner = [](const view& in, const shard_owner& of) {
            return of.owner == shard_owner::nobody ? node_uid{} : in.members[of.owner].uid;
        };
        auto from = owner(base, was->shards[i]);
        auto to = owner(*seen, is->shards[i]);
        if (from != to && to != node_uid{} && is->shards[i].own_epoch <= was->shards[i].own_epoch) {
            wrong("I3: a shard has a new owner and no newer epoch");
        }
    }
}

bool cluster_workload::acts(const station& at, std::uint32_t shard) const {
    const auto* things = at.newest->find_space(space_name);
    auto own = at.newest->index_of(at.members->self());
    return things != nullptr && own != shard_owner::nobody && things->shards[shard].owner == own &&
           std::none_of(things->moving.begin(), things->moving.end(), [&](const shard_move& each) {
               return each.shard == shard && at.released.contains({shard, each.drain_epoch});
           });
}

// I1 and I15, at every instant that is looked at.
void cluster_workload::judge(simulation& whole) {
    auto owners = std::array<const station*, shards>{};
    auto id = std::optional<node_uid>{};
    for (std::uint32_t i = 0; i < nodes_; ++i) {
        auto* each = up_[i];
        if (i >= whole.size() || !whole.node(i).up() || each == nullptr ||
            each->newest == nullptr || whole.node(i).system().runtime().stopping() ||
            // What it has done in the middle of a turn comes when it goes on.
            whole.node(i).world().stopped() ||
            !each->members->own_lease().holds(whole.node(i).world().now())) {
            continue;
        }
        for (std::uint32_t shard = 0; shard < shards; ++shard) {
            if (!acts(*each, shard)) {
                continue;
            }
            if (std::exchange(owners[shard], each) != nullptr) {
                wrong("I1: two nodes act for one shard");
            }
            if (id && *id != each->newest->cluster_id) {
                wrong("I15: nodes of two clusters act");
            }
            id = each->newest->cluster_id;
        }
    }
    counters_["acted"] += id ? 1 : 0;
    whole.after(look_every, [this, &whole] { judge(whole); });
}

// Leaves in order; when that is done the node is started again.
void cluster_workload::shut_down(simulation& whole, simulated_node& node) {
    up_[node.index()]->going = true;
    leave_and_return(
        whole, node, away, [this] { ++counters_["left"]; }, [this] { return ending_; });
}

void cluster_workload::operate(simulation& whole, const scheduled_operation& operation) {
    auto& node = whole.node(operation.node % nodes_);
    auto* here = up_[operation.node % nodes_];
    if (!node.up() || here == nullptr || here->going || ending_) {
        return;
    }
    switch (static_cast<errand>(operation.kind % operation_kinds)) {
        case errand::leave:
            // Now and then: a cluster whose nodes leave all the time does nothing else.
            if (operation.key % 8 == 0) {
                shut_down(whole, node);
            }
            break;
        case errand::subscribe:
            static_cast<void>(node.system().spawn_on(
                static_cast<std::uint32_t>(operation.key % node.system().cores()),
                cluster_programs::follow, this, here->members));
            break;
        case errand::look_for:
            node.system().on_core(0, [&](core&) { here->members->look_for(operation.key); });
            break;
        case errand::idle:
            break;
    }
}

std::optional<std::string> cluster_workload::check_safety() {
    for (auto* each : up_) {
        if (each == nullptr) {
            continue;
        }
        // Cores hear the same in the same order; one may be behind.
        for (const auto& other : each->heard) {
            auto shared = std::min(other.size(), each->heard[0].size());
            if (!std::equal(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(shared),
                            each->heard[0].begin())) {
                wrong("two cores of a node hear of different things");
            }
        }
    }
    return wrong_;
}

void cluster_workload::expect_life(simulation& whole, const std::vector<std::uint32_t>& core) {
    whole_ = &whole;
    healed_ = core;
    can_live_ = can_live();
    ++counters_[can_live_ ? "asked_to_live" : "cannot_live"];
}

// Whether what is healed can be asked to live.
bool cluster_workload::can_live() const {
    if (!fast_enough_) {
        return false;
    }
    if (healed_.size() == nodes_) {
        return true;
    }
    auto newest = view_ptr{};
    auto there = std::set<node_uid>{};
    for (auto each : healed_) {
        const auto* here = up_[each];
        if (here != nullptr && whole_->node(each).up() && here->newest != nullptr) {
            there.insert(here->members->self());
            newest =
                newest == nullptr || newest->epoch < here->newest->epoch ? here->newest : newest;
        }
    }
    return have_majority(newest.get(), there, healed_, seeds_);
}

// I18: the healed nodes are members, and every shard has somebody who acts for it.
bool cluster_workload::live() {
    waits_for_.clear();
    auto owners = std::array<int, shards>{};
    if (!can_live_) {
        return true;
    }
    for (auto each : healed_) {
        auto* here = up_[each];
        auto& node = whole_->node(each);
        if (!node.up() || here == nullptr || here->going) {
            continue;
        }
        if (here->newest == nullptr || here->newest->find(here->members->self()) == nullptr) {
            waits_for_ += node.host() + " is no member; ";
            continue;
        }
        if (!here->members->own_lease().holds(node.world().now())) {
            waits_for_ += node.host() + " has no lease; ";
            continue;
        }
    }
    // Those that are not healed may be well enough to own something.
    for (std::uint32_t i = 0; i < nodes_; ++i) {
        auto* here = up_[i];
        bool holds = whole_->node(i).up() && here != nullptr && here->newest != nullptr &&
                     here->members->own_lease().holds(whole_->node(i).world().now());
        for (std::uint32_t shard = 0; holds && shard < shards; ++shard) {
            owners[shard] += acts(*here, shard) ? 1 : 0;
        }
    }
    if (std::count(owners.begin(), owners.end(), 1) != shards) {
        waits_for_ += "shards without an owner";
        return false;
    }
    ending_ = waits_for_.empty();
    return ending_;
}

std::map<std::string, std::uint64_t> cluster_workload::sometimes() const {
    auto out = counters_;
    out["views"] = views_.size();
    auto clusters = std::set<node_uid>{};
    for (const auto& [at, seen] : views_) {
        clusters.insert(at.first);
        out["fence_committed"] += seen->fenced.empty() ? 0 : 1;
    }
    out["formed"] = clusters.empty() ? 0 : 1;
    out["formed_again"] = clusters.size() > 1 ? 1 : 0;
    return out;
}

std::vector<std::string> cluster_workload::must() {
    return {"formed",   "restarted",     "suspended", "resumed",   "fenced",          "left",
            "released", "asked_to_live", "changes",   "snapshots", "fence_committed", "acted"};
}

workload_maker make_cluster() {
    return [](const schedule& given) { return std::make_unique<cluster_workload>(given); };
}

}  // namespace cohort::sim
