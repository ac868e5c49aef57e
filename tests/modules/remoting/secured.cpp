#include "../tls/certificates.hpp"

#include "nodes.hpp"

namespace cohort::remoting_tests {
namespace {

using silent = detail::silent;

/// Gives each node a certificate of its own.
void with_certificates(nodes& world, const issued& authority, const std::string& cluster) {
    world.options.cluster = cluster;
    world.adjust = [&authority, cluster](simulated_node& node, remoting_options& options) {
        auto from = node.world().wall_now() - 1h;
        auto own =
            issue({.names = "URI:cohort://" + cluster + "/node", .by = &authority, .from = from});
        auto& files = node.world().files;
        files["node.pem"] = own.certificate();
        files["key.pem"] = own.key();
        files["authority.pem"] = authority.certificate();
        auto loaded = tls_credentials::load(node.world(), {"node.pem", "key.pem", "authority.pem"});
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

}  // namespace
}  // namespace cohort::remoting_tests
