#include <distributed-cache/settings.hpp>

#include <cohort/world/simulated_world.hpp>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace cohort {
namespace {

using variables = std::map<std::string, std::string>;

result<cache_settings> settings_of(std::vector<std::string> arguments, variables environment = {}) {
    auto loaded = load_config(cache_schema(), {.arguments = std::move(arguments),
                                               .environment = std::move(environment),
                                               .read_file = {}});
    EXPECT_TRUE(loaded.problems.empty()) << loaded.problems.front();
    auto around = simulated_world{};
    return make_cache_settings(loaded.values, around);
}

TEST(cache_settings, have_the_ports_of_the_article_by_default) {
    auto settings = settings_of({});
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_EQ(settings->http.port, 9000);
    EXPECT_EQ(settings->remoting.advertised.port, 2551);
    EXPECT_EQ(settings->admin.host, "127.0.0.1");
    EXPECT_EQ(settings->origin.database.address, "sqlite:cache.db");
    EXPECT_EQ(settings->request_deadline, std::chrono::seconds{2});
}

TEST(cache_settings, take_the_short_flags) {
    auto settings = settings_of(
        {"--port", "9100", "--origin", "sqlite:/tmp/x.db", "--cores", "1", "--admin-port", "0"});
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->http.port, 9100);
    EXPECT_EQ(settings->admin.port, 0);
    EXPECT_EQ(settings->runtime.cores, 1U);
    EXPECT_EQ(settings->origin.database.address, "sqlite:/tmp/x.db");
}

TEST(cache_settings, understand_the_environment_of_the_article) {
    auto settings = settings_of({}, {{"AKKA_ACTOR_SYSTEM_NAME", "cache"},
                                     {"AKKA_REMOTING_BIND_PORT", "2552"},
                                     {"AKKA_REMOTING_BIND_DOMAIN", "cache.default.svc"},
                                     {"POD_NAME", "cache-1"},
                                     {"AKKA_SEED_NODES", "cache-1.x:2551,cache-0.x:2551"}});
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_EQ(settings->cluster.name, "cache");
    EXPECT_EQ(settings->remoting.cluster, "cache");
    EXPECT_EQ(settings->remoting.listen.text(), "0.0.0.0:2552");
    EXPECT_EQ(settings->items.node_name, "cache-1");
    EXPECT_EQ(settings->remoting.advertised.text(), "cache-1.cache.default.svc:2552");
    ASSERT_EQ(settings->cluster.seeds.size(), 2U);
    EXPECT_EQ(settings->cluster.seeds[0].text(), "cache-1.x:2551");
    EXPECT_EQ(settings->cluster.seeds[1].text(), "cache-0.x:2551");
}

TEST(cache_settings, prefer_our_own_names_to_the_articles) {
    auto settings = settings_of({}, {{"POD_NAME", "theirs"}, {"COHORT_NODE_NAME", "ours"}});
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->items.node_name, "ours");
}

TEST(cache_settings, take_an_origin_in_postgresql_and_show_it_without_its_password) {
    auto loaded =
        load_config(cache_schema(),
                    {.arguments = {"--origin-connections", "7", "--origin-audit"},
                     .environment = {{"COHORT_CACHE_ORIGIN",
                                      "postgresql://me:s3cr%40t@db:5433/cache?sslmode=require"}},
                     .read_file = {}});
    auto around = simulated_world{};
    auto settings = make_cache_settings(loaded.values, around);
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_EQ(settings->origin.database.address,
              "postgresql://me:s3cr%40t@db:5433/cache?sslmode=require");
    EXPECT_EQ(settings->origin.database.connections, 7U);
    EXPECT_TRUE(settings->origin.database.audit);
    auto shown = without_secrets(loaded.values).print();
    EXPECT_NE(shown.find("cache.origin = postgresql://me@db:5433/cache  # environment "
                         "COHORT_CACHE_ORIGIN\n"),
              std::string::npos)
        << shown;
}

TEST(cache_settings, refuse_a_broken_address_without_repeating_its_password) {
    for (const auto* address :
         {"postgresql://me:s3cret%@db/cache", "postgresql://me:s3cret@[db/cache",
          "postgresql://me:s3cret@db/cache?password", "pgsql://me:s3cret@db/cache"}) {
        auto settings = settings_of({"--origin", address});
        ASSERT_FALSE(settings) << address;
        EXPECT_EQ(settings.error().message().find("s3cret"), std::string::npos);
    }
}

TEST(cache_settings, refuse_what_does_not_fit_together_with_the_options_name) {
    auto refused = [](std::vector<std::string> arguments) {
        auto settings = settings_of(std::move(arguments));
        EXPECT_FALSE(settings);
        return settings ? std::string{} : std::string{settings.error().text()};
    };
    EXPECT_EQ(refused({"--port", "9001"}),
              "http.port, admin.port and remoting.port must be three ports");
    EXPECT_EQ(refused({"--admin-port", "2551"}),
              "http.port, admin.port and remoting.port must be three ports");
    EXPECT_TRUE(refused({"--origin", "mysql://x"}).starts_with("cache.origin: "));
    EXPECT_TRUE(
        refused({"--cluster.seed_nodes", "one"}).starts_with("cluster.seed_nodes: \"one\""));
    EXPECT_TRUE(refused({"--node.name", "a;b"}).starts_with("node.name: "));
    EXPECT_TRUE(refused({"--node.name", ""}).starts_with("node.name: "));
}

}  // namespace
}  // namespace cohort
