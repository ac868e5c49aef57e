#include "fleet.hpp"

namespace cohort::cluster_tests {
namespace {

/// Why the node ended.
std::string failure_of(fleet& test, std::size_t index) {
    auto& runtime = test.node(index).system().runtime();
    EXPECT_TRUE(test.run_until([&] { return runtime.drained(); }, 90s));
    return runtime.failed_because();
}

TEST(cluster_joining, says_what_became_of_each_seed) {
    auto test = fleet{1};
    test.options.join_time = 20s;
    test.sim.add({.host = "10.0.0.7"});  // nobody listens
    test.sim.add({.host = "10.0.0.8", .boot = [](simulated_node& node) {
                      node.system().use(
                          remoting{{.listen = {node.host(), port}, .insecure = true}});
                      ASSERT_TRUE(node.system().start());
                  }});
    test.sim.add({.host = "10.0.0.9", .boot = [](simulated_node& node) {
                      node.system().use(remoting{
                          {.cluster = "another", .listen = {node.host(), port}, .insecure = true}});
                      ASSERT_TRUE(node.system().start());
                  }});
    test.options.seeds = {{"pod-7.peers", port},
                          {"10.0.0.7", port},
                          {"10.0.0.8", port},
                          {"10.0.0.9", port},
                          {"10.0.0.6", port}};
    test.sim.add({.host = "10.0.0.6"});
    auto index = test.sim.size();
    auto& joiner = test.add();
    test.sim.network().cut(joiner.index(), 3);
    auto why = failure_of(test, index);
    EXPECT_NE(why.find("could not be joined within 20 s"), std::string::npos) << why;
    EXPECT_NE(why.find("cannot resolve pod-7.peers"), std::string::npos) << why;
    EXPECT_NE(why.find("cannot connect to 10.0.0.7:2551"), std::string::npos) << why;
    EXPECT_NE(why.find("10.0.0.8:2551 is a node, but of no cluster"), std::string::npos) << why;
    EXPECT_NE(why.find("10.0.0.9:2551 refused: it belongs to another cluster"), std::string::npos)
        << why;
    EXPECT_NE(why.find("10.0.0.6:2551 does not answer"), std::string::npos) << why;
    EXPECT_EQ(test.node(index).system().join(), 1);
}

TEST(cluster_joining, refuses_options_that_make_no_sense) {
    auto refused = [](auto change) {
        auto test = fleet{3};
        change(test.options);
        test.add();
        return test.not_started[0];
    };
    EXPECT_EQ(refused([](cluster_options&) {}), "");
    auto twice = refused([](cluster_options& it) { it.seeds[2] = it.seeds[0]; });
    EXPECT_NE(twice.find("the seed 10.0.0.1:2551 is listed twice"), std::string::npos) << twice;
    auto none = refused([](cluster_options& it) { it.seeds.clear(); });
    EXPECT_NE(none.find("no seeds are given"), std::string::npos) << none;
    auto no_port = refused([](cluster_options& it) { it.seeds[1].port = 0; });
    EXPECT_NE(no_port.find("needs a host and a port"), std::string::npos) << no_port;
    auto short_ttl = refused([](cluster_options& it) { it.times.ttl = 1s; });
    EXPECT_NE(short_ttl.find("four times"), std::string::npos) << short_ttl;
    auto long_guard = refused([](cluster_options& it) { it.times.guard = 2s; });
    EXPECT_NE(long_guard.find("guard"), std::string::npos) << long_guard;
    auto voters = refused([](cluster_options& it) { it.voters = 2; });
    EXPECT_NE(voters.find("1, 3, 5 or 7 voters"), std::string::npos) << voters;
}

TEST(cluster_joining, never_mixes_two_clusters) {
    auto test = fleet{4};
    test.options.join_time = 20s;
    // Two of the four seeds belong to another cluster, and neither has a majority.
    test.adjust = [](simulated_node& node, remoting_options&, cluster_options& mine) {
        mine.name = node.index() % 2 == 0 ? "even" : "odd";
    };
    test.add(4);
    for (std::size_t i = 0; i < 4; ++i) {
        auto why = failure_of(test, i);
        EXPECT_NE(why.find("it belongs to another cluster"), std::string::npos) << why;
    }
}

TEST(cluster_joining, two_clusters_live_beside_each_other) {
    auto test = fleet{0};
    test.adjust = [&](simulated_node& node, remoting_options&, cluster_options& mine) {
        auto parity = node.index() % 2;
        mine.name = parity == 0 ? "even" : "odd";
        mine.seeds = {test.address(parity), test.address(parity + 2), test.address(parity + 4)};
    };
    for (int i = 0; i < 6; ++i) {
        test.add();
    }
    auto formed = [&] {
        for (std::size_t i = 0; i < 6; ++i) {
            if (!test.members(i).ready() || test.members(i).current()->members.size() != 3) {
                return false;
            }
        }
        return true;
    };
    EXPECT_TRUE(test.sim.run_until(formed, 30s));
    EXPECT_NE(test.members(0).current()->cluster_id, test.members(1).current()->cluster_id);
}

/// Starts a node that shards what the others shard in another way.
void add_otherwise(fleet& test, std::uint32_t shard_count, std::uint32_t hash_id) {
    test.sim.add({.boot = [&test, shard_count, hash_id](simulated_node& node) {
        auto& system = node.system();
        auto& network = system.use(remoting{{.listen = {node.host(), port}, .insecure = true}});
        auto& members = system.use(cluster{network, test.options});
        members.declare(
            {.name = std::string{space_name}, .shards = shard_count, .hash_id = hash_id});
        ASSERT_TRUE(system.start());
    }});
}

TEST(cluster_joining, a_node_with_another_function_from_key_to_shard_is_refused) {
    auto test = fleet{3};
    test.add(3);
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    add_otherwise(test, shards, 2);
    auto& runtime = test.node(3).system().runtime();
    EXPECT_TRUE(test.sim.run_until([&] { return runtime.drained(); }, 30s));
    EXPECT_NE(runtime.failed_because().find("does not take this node"), std::string::npos)
        << runtime.failed_because();
}

// The others make a first view with it, which it cannot believe.
TEST(cluster_joining, a_seed_with_another_number_of_shards_is_refused) {
    auto test = fleet{3};
    test.add(2);
    add_otherwise(test, 2 * shards, 1);
    auto& runtime = test.node(2).system().runtime();
    EXPECT_TRUE(test.sim.run_until([&] { return runtime.drained(); }, 60s));
    EXPECT_NE(runtime.failed_because().find("shards 'things' in another way"), std::string::npos)
        << runtime.failed_because();
    test.add();  // takes the seat
    EXPECT_TRUE(test.run_until_formed({0, 1, 3}));
}

TEST(cluster_joining, seeds_may_be_names_that_are_known_later) {
    auto test = fleet{0};
    test.options.seeds = {{"pod-0", port}, {"pod-1", port}, {"pod-2", port}};
    test.adjust = [](simulated_node& node, remoting_options& way, cluster_options&) {
        way.advertised = {"pod-" + std::to_string(node.index()), port};
    };
    test.add(3);
    test.run_for(5s);
    EXPECT_FALSE(test.members(0).ready());
    for (std::size_t i = 0; i < 3; ++i) {
        test.sim.network().name("pod-" + std::to_string(i), {test.node(i).host()});
    }
    EXPECT_TRUE(test.run_until_formed({0, 1, 2}, 30s));
}

}  // namespace
}  // namespace cohort::cluster_tests
