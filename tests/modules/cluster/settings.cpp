#include <cohort/cluster/settings.hpp>

#include <gtest/gtest.h>

#include <cohort/cluster/metrics.hpp>
#include <cohort/testkit/deterministic.hpp>

namespace cohort {
namespace {

result<cluster_options> options_of(std::vector<std::string> arguments) {
    auto schema = config_schema{};
    add_cluster_options(schema);
    auto outcome = load_config(schema, {.arguments = std::move(arguments)});
    EXPECT_TRUE(outcome.problems.empty()) << outcome.problems.front();
    return make_cluster_options(outcome.values);
}

TEST(cluster_settings, have_the_defaults_of_the_protocol) {
    auto options = options_of({});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->name, "cohort");
    EXPECT_EQ(options->times, cluster_times{});
    EXPECT_EQ(options->voters, 5U);
    EXPECT_EQ(options->join_time, 60s);
}

TEST(cluster_settings, are_read) {
    auto options =
        options_of({"--cluster.name=shop", "--cluster.seed_nodes=a:1,b:2", "--cluster.ttl=5s",
                    "--cluster.renew=800ms", "--cluster.guard=200ms", "--cluster.roles=cache,web",
                    "--cluster.build=1.2", "--cluster.voters=3", "--cluster.join_time=10s"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->name, "shop");
    EXPECT_EQ(options->seeds, (std::vector<endpoint>{{"a", 1}, {"b", 2}}));
    EXPECT_EQ(options->times.ttl, duration{5s});
    EXPECT_EQ(options->times.renew, duration{800ms});
    EXPECT_EQ(options->times.guard, duration{200ms});
    EXPECT_EQ(options->roles, (std::vector<std::string>{"cache", "web"}));
    EXPECT_EQ(options->build, "1.2");
    EXPECT_EQ(options->voters, 3U);
    EXPECT_EQ(options->join_time, duration{10s});
}

TEST(cluster_settings, name_a_seed_that_is_misspelt) {
    auto options = options_of({"--cluster.seed_nodes=10.0.0.1:2551,10.0.0.2"});
    ASSERT_FALSE(options);
    EXPECT_TRUE(
        options.error().text().starts_with("cluster.seed_nodes: \"10.0.0.2\" is no host:port"));
}

TEST(cluster_metrics, are_there_before_the_node_is_a_member) {
    auto node = deterministic{};
    auto& network = node.system().use(remoting{});
    auto& members = node.system().use(cluster{network, {.seeds = {{"127.0.0.1", 1}}}});
    auto out = metrics_writer{};
    write_cluster_metrics(out, members);
    auto text = out.text();
    EXPECT_NE(text.find("cohort_cluster_members{phase=\"ready\"} 0"), std::string::npos) << text;
    EXPECT_NE(text.find("cohort_cluster_lease_left_seconds 0"), std::string::npos) << text;
}

}  // namespace
}  // namespace cohort
