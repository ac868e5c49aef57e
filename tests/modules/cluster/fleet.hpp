#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cohort/cluster/cluster.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort::cluster_tests {

inline constexpr std::uint16_t port = 2551;
inline constexpr std::string_view space_name = "things";
inline constexpr std::uint32_t shards = 32;

/// Stands for sharding on one node: notes what each core hears, and gives back every shard that is
/// asked for.
class recorder final : public ownership_listener {
public:
    explicit recorder(unsigned cores) : heard(cores), views(cores) {}

    void view_changed(core& here, const view_ptr& now) override;
    void suspended(core& here) override { heard[here.id()].push_back("suspended"); }
    void resumed(core& here) override { heard[here.id()].push_back("resumed"); }
    void fenced(core& here) override { heard[here.id()].push_back("fenced"); }

    [[nodiscard]] std::size_t count(std::string_view what, unsigned on = 0) const;

    ownership* membership = nullptr;
    std::vector<std::vector<std::string>> heard;  // by core
    std::vector<view_ptr> views;
    std::set<std::pair<std::uint32_t, std::uint64_t>> released;  // shard, drain epoch
};

/// What a node of a test is made of.
struct station {
    explicit station(unsigned cores) : log{cores} {}
    recorder log;
    remoting* network = nullptr;
    cluster* members = nullptr;
};

/// Nodes of a cluster, of which the first ones are its seeds.
class fleet {
public:
    explicit fleet(std::uint32_t seeds, simulation_options world = {}, unsigned cores = 1);

    simulated_node& add();
    void add(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            add();
        }
    }
    [[nodiscard]] simulated_node& node(std::size_t index) { return sim.node(index); }
    [[nodiscard]] station& at(std::size_t index) {
        return *static_cast<station*>(sim.node(index).state.get());
    }
    [[nodiscard]] cluster& members(std::size_t index) { return *at(index).members; }
    [[nodiscard]] endpoint address(std::size_t index) {
        return {"10.0.0." + std::to_string(index + 1), port};
    }

    /// Runs in small steps, and judges each: at no instant two nodes may act for one shard.
    bool run_until(const std::function<bool()>& done, duration limit);
    void run_for(duration length) {
        run_until([] { return false; }, length);
    }
    /// Whether these nodes are ready members of one view, which has no others, and own every shard.
    [[nodiscard]] bool formed(const std::vector<std::size_t>& nodes);
    bool run_until_formed(const std::vector<std::size_t>& nodes, duration limit = 30s) {
        return run_until([&] { return formed(nodes); }, limit);
    }
    /// Who may act for a shard now.
    [[nodiscard]] std::vector<std::size_t> actors_of(std::uint32_t shard);
    [[nodiscard]] bool acts(std::size_t index, std::uint32_t shard);

    unsigned cores;
    cluster_options options;
    std::function<void(simulated_node&, remoting_options&, cluster_options&)> adjust;
    std::map<std::size_t, std::string> not_started;  // the errors of nodes that could not start
    simulation sim;

private:
    void judge();
};

}  // namespace cohort::cluster_tests
