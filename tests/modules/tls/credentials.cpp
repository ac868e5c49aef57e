#include <cohort/tls/credentials.hpp>

#include "certificates.hpp"

namespace cohort {
namespace {

using namespace std::chrono_literals;

CO_TEST(tls_credentials, know_who_the_node_is) {
    auto now = simulated(self).wall_now();
    auto authority = issue({.from = now - 1h});
    auto node = issue(
        {.names = "DNS:localhost,URI:cohort://shop/cache", .by = &authority, .from = now - 1h});
    auto loaded = load_node(self, node, authority);
    CO_ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->self(), (node_identity{"shop", "cache"}));
    EXPECT_EQ(loaded->self().uri(), "cohort://shop/cache");
    co_return;
}

CO_TEST(tls_credentials, say_what_is_wrong_with_a_file) {
    auto now = simulated(self).wall_now();
    auto authority = issue({.from = now - 1h});
    auto node = issue({.names = "URI:cohort://shop/cache", .by = &authority, .from = now - 1h});
    auto other = issue({.names = "URI:cohort://shop/cache", .by = &authority, .from = now - 1h});
    auto good = load_node(self, node, authority);
    CO_ASSERT_TRUE(good);
    auto& files = simulated(self).files;
    auto kept = files;
    auto refused = [&](const std::string& file, const std::string& content) {
        files = kept;
        files[file] = content;
        auto again = good->reload(simulated(self));
        return again ? std::string{"accepted"} : std::string{again.error().text()};
    };
    EXPECT_EQ(refused("node/certificate.pem", "nothing"),
              "node/certificate.pem: holds no certificate");
    EXPECT_EQ(refused("node/key.pem", node.certificate()),
              "node/key.pem: holds no key that can be read without a pass phrase");
    EXPECT_EQ(refused("node/key.pem", other.key()),
              "node/key.pem: is not the key of node/certificate.pem");
    EXPECT_EQ(refused("node/authority.pem", ""), "node/authority.pem: holds no certificate");
    files = kept;
    files.erase("node/key.pem");
    EXPECT_EQ(good->reload(simulated(self)).error().code(), errc::not_found);
    EXPECT_EQ(good->self().cluster, "shop");
    co_return;
}

CO_TEST(tls_credentials, need_exactly_one_name_of_a_node) {
    auto now = simulated(self).wall_now();
    auto authority = issue({.from = now - 1h});
    for (auto names : {"", "DNS:localhost", "URI:https://shop/cache", "URI:cohort://shop",
                       "URI:cohort://shop/", "URI:cohort:///cache", "URI:cohort://shop/a/b",
                       "URI:cohort://shop/cache,URI:cohort://bank/cache"}) {
        auto node = issue({.names = names, .by = &authority, .from = now - 1h});
        auto loaded = load_node(self, node, authority);
        EXPECT_FALSE(loaded) << names;
    }
    co_return;
}

}  // namespace
}  // namespace cohort
