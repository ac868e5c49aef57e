// Three nodes of one process over real loopback sockets.

#include <memory>

#include <gtest/gtest.h>

#include "fleet.hpp"

namespace cohort::cluster_tests {
namespace {

/// Ports that are free, most likely: they were a moment ago.
std::vector<endpoint> free_addresses(std::size_t count) {
    auto node = cohort::system{runtime_options{.cores = 1}};
    auto held = std::vector<remoting*>{};
    for (std::size_t i = 0; i < count; ++i) {
        held.push_back(&node.use(remoting{}));
    }
    EXPECT_TRUE(node.start());
    auto out = std::vector<endpoint>{};
    for (auto* each : held) {
        out.push_back(each->local());
    }
    node.shutdown();
    node.join();
    return out;
}

struct real_node {
    real_node(const std::vector<endpoint>& seeds, std::size_t which)
        : whole{runtime_options{.cores = 2}},
          network{whole.use(remoting{{.listen = seeds[which]}})},
          members{whole.use(cluster{network, {.seeds = seeds}})} {
        log.membership = &members;
        members.declare({.name = std::string{space_name}, .shards = shards});
        members.listen(log);
        auto started = whole.start();
        EXPECT_TRUE(started) << started.error().message();
    }
    recorder log{2};
    cohort::system whole;
    remoting& network;
    cluster& members;
};

template <class Condition>
bool eventually(Condition holds) {
    auto world = make_real_world();
    for (int i = 0; i < 6000 && !holds(); ++i) {
        world->pause(10ms);
    }
    return holds();
}

TEST(cluster_sockets, three_nodes_form_lose_one_and_leave_in_order) {
    auto seeds = free_addresses(3);
    auto nodes = std::vector<std::unique_ptr<real_node>>{};
    for (std::size_t i = 0; i < 3; ++i) {
        nodes.push_back(std::make_unique<real_node>(seeds, i));
    }
    EXPECT_TRUE(eventually([&] {
        return nodes[0]->whole.ready() && nodes[1]->whole.ready() && nodes[2]->whole.ready();
    }));
    auto lost = nodes[2]->members.self();
    nodes[2].reset();  // at once, without a word
    EXPECT_TRUE(eventually([&] {
        auto known = nodes[0]->members.current();
        return known != nullptr && known->find(lost) == nullptr;
    }));
    EXPECT_TRUE(nodes[0]->whole.ready());
    nodes[2] = std::make_unique<real_node>(seeds, 2);
    EXPECT_TRUE(eventually([&] { return nodes[2]->whole.ready(); }));
    nodes[1]->whole.shutdown();
    EXPECT_EQ(nodes[1]->whole.join(), 0);
    EXPECT_EQ(nodes[0]->members.numbers().fences, 0U);
}

}  // namespace
}  // namespace cohort::cluster_tests
