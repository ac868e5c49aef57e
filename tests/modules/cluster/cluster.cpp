#include <algorithm>

#include "fleet.hpp"

#include <cohort/cluster/placement.hpp>

namespace cohort::cluster_tests {
namespace {

constexpr duration ttl = cluster_times{}.ttl;

TEST(cluster, forms_with_one_two_three_and_five_nodes) {
    for (std::uint32_t size : {1U, 2U, 3U, 5U}) {
        auto test = fleet{size, {.seed = size}};
        test.add(size);
        auto all = std::vector<std::size_t>{};
        for (std::size_t i = 0; i < size; ++i) {
            all.push_back(i);
        }
        EXPECT_TRUE(test.run_until_formed(all, 10s)) << size;
    }
}

TEST(cluster, takes_a_node_that_is_no_seed) {
    auto test = fleet{3};
    test.add(3);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    test.add();
    EXPECT_TRUE(test.run_until_formed({0, 1, 2, 3}));
}

TEST(cluster, hears_the_same_in_the_same_order_on_every_core) {
    auto test = fleet{3, {.seed = 3}, 3};
    test.add(3);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    test.sim.network().cut(0, 1);
    test.sim.network().cut(0, 2);
    test.run_for(10s);
    test.sim.network().cut(0, 1, false);
    test.sim.network().cut(0, 2, false);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}, 60s));
    for (std::size_t i = 0; i < 3; ++i) {
        auto& heard = test.at(i).log.heard;
        EXPECT_EQ(heard[0], heard[1]);
        EXPECT_EQ(heard[0], heard[2]);
    }
    EXPECT_GT(test.at(0).log.count("suspended") + test.at(0).log.count("fenced"), 0U);
}

TEST(cluster, hands_over_before_a_node_leaves) {
    auto test = fleet{3};
    test.add(3);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    auto leaver = test.members(2).self();
    auto ended = test.sim.stop(test.node(2), 30s);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(test.run_until_formed({0, 1}, 10s));
    // It had nothing when it went, so nobody had to wait for its lease.
    auto known = test.members(0).current();
    EXPECT_EQ(known->find(leaver), nullptr);
    EXPECT_EQ(std::count(known->fenced.begin(), known->fenced.end(), leaver), 0);
    EXPECT_EQ(test.members(0).numbers().suspensions, 0U);
}

TEST(cluster, may_be_left_by_everybody_at_once) {
    auto test = fleet{3};
    test.add(3);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    for (std::size_t i = 0; i < 3; ++i) {
        test.node(i).system().shutdown();
    }
    auto all_ended = [&] {
        for (std::size_t i = 0; i < 3; ++i) {
            if (!test.node(i).system().runtime().drained()) {
                return false;
            }
        }
        return true;
    };
    EXPECT_TRUE(test.run_until(all_ended, 5s));
}

TEST(cluster, is_ready_for_the_first_time_when_every_shard_has_an_owner) {
    auto test = fleet{3};
    test.add(3);
    auto member = [&] {
        const auto now = test.members(0).current();
        return now && now->members.size() == 3 && now->members[0].phase == member_phase::ready;
    };
    ASSERT_TRUE(test.run_until(member, 20s));
    EXPECT_FALSE(all_owned(*test.members(0).current()))
        << "leases of a cluster before could still hold";
    for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_TRUE(test.run_until([&] { return test.members(i).ready(); }, 20s));
        EXPECT_TRUE(all_owned(*test.members(i).current()));
    }
}

TEST(cluster, is_not_ready_while_it_leaves) {
    auto test = fleet{1};
    test.add();
    ASSERT_TRUE(test.run_until_formed({0}));
    test.node(0).system().shutdown();
    EXPECT_FALSE(test.node(0).system().ready());
    EXPECT_TRUE(test.sim.run_until([&] { return test.node(0).system().runtime().drained(); }, 30s));
}

TEST(cluster, gives_the_shards_of_a_node_that_died_to_others_soon) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        for (auto how : {simulated_world::death::process, simulated_world::death::machine}) {
            auto test = fleet{3, {.seed = seed}};
            test.add(3);
            ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
            test.run_for(2 * ttl);
            auto victim = seed % 3;
            auto left = std::vector<std::size_t>{(victim + 1) % 3, (victim + 2) % 3};
            auto began = test.sim.now();
            test.sim.crash(test.node(victim), how);
            ASSERT_TRUE(test.run_until_formed(left, 20s)) << seed;
            EXPECT_LE(test.sim.now() - began, ttl + 1500ms) << seed;
        }
    }
}

TEST(cluster, stays_ready_when_another_node_dies) {
    auto test = fleet{3};
    test.add(3);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    test.run_for(2 * ttl);
    test.sim.crash(test.node(1), simulated_world::death::machine);
    bool stayed =
        !test.run_until([&] { return !test.members(0).ready() || !test.members(2).ready(); }, 20s);
    EXPECT_TRUE(stayed);
}

TEST(cluster, does_not_act_after_a_pause_longer_than_its_lease) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        auto test = fleet{3, {.seed = seed}};
        test.add(3);
        ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
        auto& paused = test.node(seed % 3);
        paused.world().stop_for(8s, seed % 2 == 0 ? 0 : 50);
        test.run_for(9s);
        EXPECT_GT(test.at(seed % 3).log.count("suspended") + test.at(seed % 3).log.count("fenced"),
                  0U)
            << seed;
        EXPECT_TRUE(test.run_until_formed({0, 1, 2}, 60s)) << seed;
    }
}

TEST(cluster, suspends_the_side_without_a_majority_which_comes_back_without_a_restart) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        auto test = fleet{3, {.seed = seed}};
        test.add(3);
        ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
        test.run_for(2 * ttl);
        for (std::uint32_t other : {1U, 2U}) {
            test.sim.network().cut(0, other);
            test.sim.network().cut(other, 0);
        }
        auto began = test.sim.now();
        ASSERT_TRUE(test.run_until_formed({1, 2}, 20s)) << seed;
        EXPECT_LE(test.sim.now() - began, ttl + 1500ms) << seed;
        test.run_for(60s);
        EXPECT_FALSE(test.members(0).ready());
        for (std::uint32_t other : {1U, 2U}) {
            test.sim.network().cut(0, other, false);
            test.sim.network().cut(other, 0, false);
        }
        EXPECT_TRUE(test.run_until_formed({0, 1, 2}, 30s)) << seed;
        EXPECT_EQ(test.node(0).incarnation(), 1U);
    }
}

TEST(cluster, reaches_a_node_that_was_started_again_at_its_address) {
    for (auto how : {simulated_world::death::process, simulated_world::death::machine}) {
        auto test = fleet{3};
        test.add(3);
        ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
        test.run_for(2 * ttl);
        test.sim.crash(test.node(1), how);
        test.run_for(200ms);
        test.sim.restart(test.node(1));
        auto began = test.sim.now();
        ASSERT_TRUE(test.run_until_formed({0, 1, 2}, 30s));
        EXPECT_LE(test.sim.now() - began, 2 * ttl + 4s);
    }
}

TEST(cluster, of_a_lone_node_lives_through_its_own_restart) {
    auto test = fleet{1};
    test.add();
    ASSERT_TRUE(test.run_until_formed({0}));
    test.sim.crash(test.node(0));
    test.sim.restart(test.node(0));
    EXPECT_TRUE(test.run_until_formed({0}));
}

TEST(cluster, survives_a_rolling_restart_that_waits_for_readiness) {
    auto test = fleet{3, {.seed = 5}};
    test.add(3);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    for (std::size_t which : {2U, 1U, 0U}) {
        EXPECT_TRUE(test.sim.stop(test.node(which), 55s)) << which;
        test.sim.restart(test.node(which));
        ASSERT_TRUE(test.run_until([&] { return test.members(which).ready(); }, 60s)) << which;
    }
    EXPECT_TRUE(test.run_until_formed({0, 1, 2}, 30s));
    EXPECT_EQ(test.members(1).numbers().fences, 0U);
}

}  // namespace
}  // namespace cohort::cluster_tests
