// Two nodes of one process over real loopback sockets.

#include <filesystem>
#include <fstream>
#include <future>

#include <cohort/http/server.hpp>

#include "../tls/certificates.hpp"
#include "nodes.hpp"

namespace cohort::remoting_tests {
namespace {

using silent = detail::silent;
using sum_of = remoting_tests::add;

struct real_node {
    explicit real_node(unsigned cores, remoting_options options = {})
        : whole{runtime_options{.cores = cores}}, network{whole.use(remoting{std::move(options)})} {
        EXPECT_TRUE(whole.start());
        counter = whole.spawn_on(cores - 1, count);
        network.expose("counter", counter);
        network.expose("reporter", whole.spawn_on(cores - 1, report));
    }
    cohort::system whole;
    remoting& network;
    ref<counter_protocol> counter;
};

behavior<silent> look(context<silent>, remoting* network, endpoint at,
                      std::promise<result<ref<counter_protocol>>>* out) {
    auto found = co_await network->find<counter_protocol>(at, "counter", 5s);
    out->set_value(std::move(found));
}

ref<counter_protocol> find(real_node& from, real_node& to) {
    auto out = std::promise<result<ref<counter_protocol>>>{};
    static_cast<void>(from.whole.spawn(look, &from.network, to.network.local(), &out));
    auto found = out.get_future().get();
    EXPECT_TRUE(found) << found.error().message();
    return found ? *found : ref<counter_protocol>{};
}

behavior<silent> talk(context<silent> self, ref<counter_protocol> target, int rounds,
                      std::promise<int>* out) {
    int good = 0;
    for (int i = 0; i < rounds; ++i) {
        target.tell(note{i, std::string(i % 100 == 0 ? 50'000 : 20, 'x')});
        auto answer = co_await target.ask<sum_of>(30s, 1);
        good += answer ? 1 : 0;
    }
    auto seen = co_await target.ask<numbers_seen>(30s);
    EXPECT_TRUE(seen);
    self.watch(target);
    out->set_value(good);
    auto message = co_await self.receive();
    EXPECT_TRUE(message.get_if<terminated>());
    out[1].set_value(1);
}

TEST(remoting_sockets, live_in_one_program_with_http) {
    auto node = cohort::system{runtime_options{.cores = 1}};
    auto& network = node.use(remoting{});
    auto& server = node.use(http_server{});
    server.route(GET, "/", [](request) { return no_content(); });
    EXPECT_TRUE(node.start());
    EXPECT_NE(network.local().port, 0);
    EXPECT_NE(server.local().port, 0);
}

TEST(remoting_sockets, carry_messages_answers_and_ends) {
    for (unsigned cores : {1U, 2U}) {
        auto left = real_node{cores};
        auto right = real_node{cores};
        auto target = find(left, right);
        std::promise<int> done[2];
        static_cast<void>(left.whole.spawn_on(cores - 1, talk, target, 500, done));
        EXPECT_EQ(done[0].get_future().get(), 500);
        right.whole.stop(right.counter);
        EXPECT_EQ(done[1].get_future().get(), 1);
        left.whole.shutdown();
        EXPECT_EQ(left.whole.join(), 0);
    }
}

behavior<silent> ask_many(context<silent>, ref<counter_protocol> target, int times,
                          std::promise<int>* out) {
    int good = 0;
    for (int i = 0; i < times; ++i) {
        auto answer = co_await target.ask<sum_of>(30s, 1);
        good += answer ? 1 : 0;
    }
    out->set_value(good);
}

TEST(remoting_sockets, carry_many_requests_at_once_both_ways) {
    auto left = real_node{2};
    auto right = real_node{2};
    auto there = find(left, right);
    auto back = find(right, left);
    constexpr int askers = 32;
    auto done = std::vector<std::promise<int>>(2 * askers);
    for (int i = 0; i < askers; ++i) {
        auto core = static_cast<std::uint32_t>(i % 2);
        auto at = static_cast<std::size_t>(i);
        static_cast<void>(left.whole.spawn_on(core, ask_many, there, 200, &done[at]));
        static_cast<void>(right.whole.spawn_on(core, ask_many, back, 200, &done[at + askers]));
    }
    for (auto& each : done) {
        EXPECT_EQ(each.get_future().get(), 200);
    }
    EXPECT_EQ(left.network.numbers().bad_bytes, 0U);
    EXPECT_LT(left.network.numbers().writes, left.network.numbers().messages_out * 2);
}

/// A node's three files in a folder that goes with it.
struct certificate_folder {
    certificate_folder() {
        auto name = std::string{"/tmp/cohort-certificates-XXXXXX"};
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path = name;
    }
    certificate_folder(const certificate_folder&) = delete;
    certificate_folder& operator=(const certificate_folder&) = delete;
    ~certificate_folder() { std::filesystem::remove_all(path); }

    void write(const issued& authority, wall_time from) const {
        auto own = issue({.names = "URI:cohort://cohort/node", .by = &authority, .from = from});
        std::ofstream{path / "node.pem"} << own.certificate();
        std::ofstream{path / "key.pem"} << own.key();
        std::ofstream{path / "authority.pem"} << authority.certificate();
    }
    [[nodiscard]] remoting_options options(world& from) const {
        auto loaded = tls_credentials::load(
            from, {path / "node.pem", path / "key.pem", path / "authority.pem"});
        EXPECT_TRUE(loaded);
        auto out = remoting_options{};
        out.credentials = *loaded;
        out.credentials_interval = 10ms;
        return out;
    }

    std::filesystem::path path;
};

behavior<silent> search_on(context<silent> self, remoting* network, endpoint at,
                           std::promise<ref<counter_protocol>>* out) {
    for (;;) {
        auto found = co_await network->find<counter_protocol>(at, "counter", 5s);
        if (found) {
            out->set_value(*found);
            co_return;
        }
        co_await self.sleep(10ms);
    }
}

TEST(remoting_sockets, use_new_certificates_without_a_restart) {
    auto here = make_real_world();
    auto from = here->wall_now() - 1h;
    auto old_authority = issue({.from = from});
    auto new_authority = issue({.from = from});
    auto ours = certificate_folder{};
    ours.write(old_authority, from);
    auto theirs = certificate_folder{};
    theirs.write(new_authority, from);
    auto found = std::promise<ref<counter_protocol>>{};
    auto left = real_node{1, ours.options(*here)};
    auto right = real_node{1, theirs.options(*here)};
    static_cast<void>(right.whole.spawn(search_on, &right.network, left.network.local(), &found));
    auto waiting = found.get_future();
    // Until then nobody believes the other one.
    ours.write(new_authority, from);
    auto target = waiting.get();
    auto sum = right.whole.ask<sum_of>(target, 30s, 4);
    EXPECT_EQ(*sum.get(), 4);
}

}  // namespace
}  // namespace cohort::remoting_tests
