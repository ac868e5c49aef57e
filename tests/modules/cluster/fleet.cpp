#include "fleet.hpp"

#include <algorithm>

namespace cohort::cluster_tests {

void recorder::view_changed(core& here, const view_ptr& now) {
    heard[here.id()].push_back("view " + std::to_string(now->epoch));
    views[here.id()] = now;
    const auto* things = now->find_space(space_name);
    auto own = now->index_of(membership->self());
    if (here.id() != 0 || things == nullptr || own == shard_owner::nobody) {
        return;
    }
    for (const auto& each : things->moving) {
        if (things->shards[each.shard].owner == own &&
            released.insert({each.shard, each.drain_epoch}).second) {
            membership->release(std::string{space_name}, each.shard, each.drain_epoch);
        }
    }
}

std::size_t recorder::count(std::string_view what, unsigned on) const {
    return static_cast<std::size_t>(std::count(heard[on].begin(), heard[on].end(), what));
}

fleet::fleet(std::uint32_t seeds, simulation_options world, unsigned cores_each)
    : cores{cores_each}, sim{world} {
    for (std::uint32_t i = 0; i < seeds; ++i) {
        options.seeds.push_back(address(i));
    }
}

simulated_node& fleet::add() {
    return sim.add({.runtime = {.cores = cores}, .boot = [this](simulated_node& node) {
                        auto made = std::make_shared<station>(cores);
                        auto way =
                            remoting_options{.listen = {node.host(), port}, .insecure = true};
                        auto mine = options;
                        if (adjust) {
                            adjust(node, way, mine);
                        }
                        way.cluster = mine.name;
                        auto& system = node.system();
                        made->network = &system.use(remoting{way});
                        made->members = &system.use(cluster{*made->network, mine});
                        made->log.membership = made->members;
                        made->members->declare({.name = std::string{space_name}, .shards = shards});
                        made->members->listen(made->log);
                        node.state = made;
                        if (auto started = system.start(); !started) {
                            not_started[node.index()] = started.error().message();
                            system.shutdown();
                        }
                    }});
}

bool fleet::acts(std::size_t index, std::uint32_t shard) {
    auto& which = sim.node(index);
    if (!which.up() || which.state == nullptr) {
        return false;
    }
    auto& here = at(index);
    const auto& known = here.log.views[0];
    const auto* things = known == nullptr ? nullptr : known->find_space(space_name);
    if (things == nullptr || !here.members->own_lease().holds(which.world().now())) {
        return false;
    }
    auto own = known->index_of(here.members->self());
    if (own == shard_owner::nobody || things->shards[shard].owner != own) {
        return false;
    }
    return std::none_of(things->moving.begin(), things->moving.end(), [&](const shard_move& each) {
        return each.shard == shard && here.log.released.contains({shard, each.drain_epoch});
    });
}

std::vector<std::size_t> fleet::actors_of(std::uint32_t shard) {
    auto out = std::vector<std::size_t>{};
    for (std::size_t i = 0; i < sim.size(); ++i) {
        if (acts(i, shard)) {
            out.push_back(i);
        }
    }
    return out;
}

// I1, and I15: whoever acts belongs to one cluster.
void fleet::judge() {
    auto id = std::optional<node_uid>{};
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        auto who = actors_of(shard);
        ASSERT_LE(who.size(), 1U) << "two nodes act for shard " << shard;
        for (auto each : who) {
            auto its = at(each).log.views[0]->cluster_id;
            ASSERT_TRUE(!id || *id == its) << "two clusters have nodes that act";
            id = its;
        }
    }
}

bool fleet::run_until(const std::function<bool()>& done, duration limit) {
    constexpr duration step = 10ms;
    for (auto end = sim.now() + limit; sim.now() < end;) {
        if (done()) {
            return true;
        }
        sim.run_for(step);
        judge();
    }
    return done();
}

bool fleet::formed(const std::vector<std::size_t>& nodes) {
    auto newest = view_ptr{};
    for (auto each : nodes) {
        if (!sim.node(each).up() || !members(each).ready()) {
            return false;
        }
        auto known = members(each).current();
        if (newest != nullptr && *known != *newest) {
            return false;
        }
        newest = known;
    }
    if (newest->members.size() != nodes.size()) {
        return false;
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        if (actors_of(shard).size() != 1) {
            return false;
        }
    }
    return true;
}

}  // namespace cohort::cluster_tests
