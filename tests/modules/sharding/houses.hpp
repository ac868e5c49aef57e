#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cohort/remoting/remoting.hpp>

#include "diaries.hpp"

namespace cohort::sharding_tests {

/// What a node of a test is made of.
struct house {
    std::unique_ptr<hand_ownership> owners;
    remoting* network = nullptr;
    sharding* shards = nullptr;
    std::optional<sharded<diary_protocol>> all;
};

inline constexpr std::uint32_t shard_count = 16;

/// Nodes with real remoting, and one view for all that the test changes.
struct houses {
    explicit houses(std::size_t nodes, unsigned cores = 1, simulation_options world = {},
                    sharding_options options = {}, entity_options entities = {});

    simulated_node& node(std::size_t i) { return sim.node(i); }
    house& at(std::size_t i) { return *static_cast<house*>(node(i).state.get()); }

    /// A change of the next view; `publish` shows it to all, `show` to one node.
    houses& own(std::uint32_t shard, std::size_t owner);
    houses& own_all(std::size_t owner);
    houses& move(std::uint32_t shard, std::size_t to);
    houses& remove(std::size_t i);
    houses& join(std::size_t i);
    houses& cancel_moves();
    view_ptr make();
    void publish();
    void show(std::size_t i, const view_ptr& which) { at(i).owners->see(which); }

    /// Runs a coroutine as an actor of a node; `ended` becomes true when it has.
    template <class Function, class... Args>
    void start(std::size_t on, bool* ended, Function function, Args... args) {
        static_cast<void>(node(on).system().spawn_on_with(0,
                                                          {.name = "test",
                                                           .on_exit =
                                                               [ended](exit_reason why) {
                                                                   *ended = true;
                                                                   EXPECT_NE(why,
                                                                             exit_reason::failed);
                                                               }},
                                                          function, args...));
    }
    template <class Function, class... Args>
    void run(std::size_t on, Function function, Args... args) {
        bool ended = false;
        start(on, &ended, function, args...);
        EXPECT_TRUE(sim.run_until([&] { return ended; }, 10min));
    }

    /// A key of a shard.
    static std::string key_in(std::uint32_t shard);

    ghost seen;
    view next;
    std::vector<node_uid> uids;
    entity_options entities;
    simulation sim;
};

}  // namespace cohort::sharding_tests
