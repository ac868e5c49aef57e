#include "../tls/certificates.hpp"

#include "nodes.hpp"

namespace cohort::remoting_tests {
namespace {

using silent = detail::silent;

/// Where a node's three files lie, with a certificate of its own.
tls_files put_files(simulated_node& node, const issued& authority, const std::string& cluster) {
    auto from = node.world().wall_now() - 1h;
    auto own =
        issue({.names = "URI:cohort://" + cluster + "/node", .by = &authority, .from = from});
    auto& files = node.world().files;
    files["node.pem"] = own.certificate();
    files["key.pem"] = own.key();
    files["authority.pem"] = authority.certificate();
    return {"node.pem", "key.pem", "authority.pem"};
}

/// Gives each node a certificate of its own.
void with_certificates(nodes& world, const issued& authority, const std::string& cluster) {
    world.options.cluster = cluster;
    world.adjust = [&authority, cluster](simulated_node& node, remoting_options& options) {
        auto loaded = tls_credentials::load(node.world(), put_files(node, authority, cluster));
        ASSERT_TRUE(loaded) << loaded.error().message();
        options.credentials = *loaded;
        options.insecure = false;
    };
}

behavior<silent> echo_large(context<silent>, ref<counter_protocol> target) {
    auto content = std::string(1'000'000, 'e');
    auto answer = co_await target.ask<blob>(20s, bytes{content});
    EXPECT_TRUE(answer) << answer.error().message();
    if (answer) {
        EXPECT_EQ(answer->view(), content);
    }
}

TEST(remoting_secured, carries_everything_under_tls) {
    auto world = nodes{};
    auto authority = issue({.from = wall_time{std::chrono::seconds{1'690'000'000}},
                            .valid = std::chrono::hours{24 * 365}});
    with_certificates(world, authority, "shop");
    auto& left = world.add();
    auto& right = world.add();
    auto target = world.find(left, right);
    ASSERT_TRUE(target);
    world.run(left, echo_large, target);
    EXPECT_EQ(world.numbers(left).bad_bytes, 0U);
}

behavior<silent> expect_nothing(context<silent>, remoting* network, endpoint at) {
    auto found = co_await network->find<counter_protocol>(at, "counter", 5s);
    EXPECT_FALSE(found);
}

TEST(remoting_secured, lets_nobody_in_without_a_certificate_of_the_cluster) {
    auto world = nodes{};
    auto authority = issue({.from = wall_time{std::chrono::seconds{1'690'000'000}},
                            .valid = std::chrono::hours{24 * 365}});
    with_certificates(world, authority, "shop");
    auto& inside = world.add();
    world.adjust = {};
    auto& plain = world.add();
    with_certificates(world, authority, "bank");
    world.options.cluster = "bank";
    auto& other = world.add();
    world.run(plain, expect_nothing, world.at(plain).network, world.address(inside));
    world.run(inside, expect_nothing, world.at(inside).network, world.address(plain));
    world.run(other, expect_nothing, world.at(other).network, world.address(inside));
    world.sim.run_for(10s);
    EXPECT_GE(world.numbers(inside).handshakes_refused, 2U);
    EXPECT_EQ(world.numbers(inside).peers, 0U);
}

TEST(remoting_secured, renews_certificates_whose_files_change) {
    int renewed = 0;
    auto refused = std::vector<std::string>{};
    auto world = nodes{};
    auto made = certificate_options{.from = wall_time{std::chrono::seconds{1'690'000'000}},
                                    .valid = std::chrono::hours{24 * 365}};
    auto old_authority = issue(made);
    auto new_authority = issue(made);
    with_certificates(world, old_authority, "shop");
    auto& left = world.add();
    left.system().runtime().on_event([&](const runtime_event& event) {
        renewed += event.what == "certificates renewed" ? 1 : 0;
        if (event.what == "certificates not renewed") {
            refused.push_back(event.detail);
        }
    });
    with_certificates(world, new_authority, "shop");
    auto& right = world.add();
    world.sim.run_for(3min);
    EXPECT_EQ(renewed, 0) << "the files are what they were";
    world.run(right, expect_nothing, world.at(right).network, world.address(left));

    put_files(left, new_authority, "shop");
    world.sim.run_for(61s);
    EXPECT_EQ(renewed, 1);
    EXPECT_TRUE(world.find(right, left));

    left.world().files["key.pem"] = "no key";
    world.sim.run_for(5min);
    ASSERT_EQ(refused.size(), 1U) << "each content is told once";
    EXPECT_NE(refused[0].find("key.pem: holds no key"), std::string::npos) << refused[0];
    put_files(left, new_authority, "bank");
    world.sim.run_for(2min);
    ASSERT_EQ(refused.size(), 2U);
    EXPECT_NE(refused[1].find("is for the cluster 'bank'"), std::string::npos) << refused[1];
    left.world().files.erase("node.pem");
    world.sim.run_for(2min);
    EXPECT_EQ(refused.size(), 3U);
    auto& third = world.add();
    EXPECT_TRUE(world.find(third, left)) << "what was loaded last stays in use";

    put_files(left, new_authority, "shop");
    world.sim.run_for(61s);
    EXPECT_EQ(renewed, 2);
}

}  // namespace
}  // namespace cohort::remoting_tests
