// The certificates that `./dev certs` makes, on real files and real sockets.

#include <cstdlib>
#include <filesystem>
#include <future>

#include <gtest/gtest.h>

#include <cohort/actor/system.hpp>
#include <cohort/task/combinators.hpp>
#include <cohort/tls/secure.hpp>

namespace cohort {
namespace {

struct nothing {};
using unit = protocol<nothing>;

task<result<secured_stream>> serve(listener* on, tls_credentials own) {
    auto incoming = co_await accept(*on);
    auto raw = (*incoming)->attach(this_core().reactor());
    co_return co_await secure(std::move(*raw), tls_side::server, std::move(own));
}

task<result<secured_stream>> visit(endpoint where, tls_credentials own) {
    auto raw = co_await connect(where);
    co_return co_await secure(std::move(*raw), tls_side::client, std::move(own));
}

behavior<unit> meet(context<unit>, tls_credentials one, tls_credentials two,
                    std::promise<std::string>* met) {
    auto on = this_core().reactor().listen({"127.0.0.1", 0});
    auto ends =
        co_await when_all(serve(on->get(), std::move(one)), visit((*on)->local(), std::move(two)));
    auto& client = std::get<1>(ends);
    met->set_value(client ? client->peer.uri() : std::string{client.error().text()});
}

TEST(dev_certs, makes_nodes_that_accept_each_other) {
    auto folder = std::filesystem::temp_directory_path() / "cohort_certs_test";
    std::filesystem::remove_all(folder);
    auto run = [&](const std::string& words) {
        auto command = std::string{COHORT_SOURCE_DIR} + "/dev --no-install certs --out " +
                       folder.string() + " " + words + " > /dev/null 2>&1";
        return std::system(command.c_str());
    };
    ASSERT_EQ(run("--cluster shop --role gateway one"), 0);
    ASSERT_EQ(run("--cluster shop two"), 0);
    EXPECT_NE(run("--cluster 'a/b' three"), 0);
    auto node = cohort::system{{.cores = 1}};
    auto load = [&](const std::string& name) {
        auto file = [&](const std::string& what) { return (folder / what).string(); };
        return tls_credentials::load(
            node.world(), {file(name + ".pem"), file(name + "-key.pem"), file("authority.pem")});
    };
    auto one = load("one");
    auto two = load("two");
    ASSERT_TRUE(one && two);
    auto met = std::promise<std::string>{};
    static_cast<void>(node.spawn(meet, *one, *two, &met));
    ASSERT_TRUE(node.start());
    EXPECT_EQ(met.get_future().get(), "cohort://shop/gateway");
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace cohort
