#include <cohort/remoting/settings.hpp>

#include <gtest/gtest.h>

#include <cohort/remoting/metrics.hpp>
#include <cohort/testkit/deterministic.hpp>

namespace cohort {
namespace {

result<remoting_options> options_of(std::vector<std::string> arguments) {
    auto schema = config_schema{};
    add_remoting_options(schema);
    auto outcome = load_config(schema, {.arguments = std::move(arguments)});
    EXPECT_TRUE(outcome.problems.empty()) << outcome.problems.front();
    auto world = simulated_world{};
    return make_remoting_options(outcome.values, world);
}

TEST(remoting_settings, have_safe_defaults) {
    auto options = options_of({});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->listen, (endpoint{"127.0.0.1", 0}));
    EXPECT_FALSE(options->insecure);
    EXPECT_FALSE(options->credentials);
    EXPECT_EQ(options->frame_bytes_max, 1U << 20);
    EXPECT_EQ(options->node_bytes_max, std::size_t{256} << 20);
}

TEST(remoting_settings, are_checked_together) {
    auto one_file = options_of({"--remoting.key=key.pem"});
    ASSERT_FALSE(one_file);
    EXPECT_EQ(one_file.error().text(),
              "remoting.certificate, remoting.key and remoting.authority go together");
    auto no_port = options_of({"--remoting.listen=here"});
    ASSERT_FALSE(no_port);
    EXPECT_TRUE(no_port.error().text().starts_with("remoting.listen: \"here\" is no host:port"));
    EXPECT_FALSE(options_of({"--remoting.frame_max=8MiB"}));
    EXPECT_FALSE(
        options_of({"--remoting.certificate=a", "--remoting.key=b", "--remoting.authority=c"}));
}

TEST(remoting_metrics, are_written_for_a_scrape) {
    auto node = deterministic{};
    auto& network = node.system().use(remoting{});
    ASSERT_TRUE(node.system().start());
    auto out = metrics_writer{};
    write_remoting_metrics(out, network);
    EXPECT_NE(out.text().find("cohort_remoting_peers 0"), std::string::npos);
    EXPECT_NE(out.text().find("cohort_remoting_outbound_left_bytes 268435456"), std::string::npos);
}

}  // namespace
}  // namespace cohort
