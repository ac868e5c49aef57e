#include <cohort/tls/detail/tls_stream.hpp>
#include <cohort/tls/secure.hpp>

#include <array>

#include <openssl/err.h>

#include "certificates.hpp"

namespace cohort {
namespace {

using namespace std::chrono_literals;
using secured = result<secured_stream>;

struct raw_pair {
    std::unique_ptr<stream> client;
    std::unique_ptr<stream> server;
};

task<raw_pair> connected() {
    auto on = this_core().reactor().listen({"127.0.0.1", 0});
    auto client = co_await connect((*on)->local());
    auto incoming = co_await accept(**on);
    auto server = (*incoming)->attach(this_core().reactor());
    co_return raw_pair{std::move(*client), std::move(*server)};
}

struct both {
    secured client;
    secured server;
};

task<both> secure_both(tls_credentials client, tls_credentials server,
                       std::vector<std::string> roles = {}) {
    auto raw = co_await connected();
    auto ends = co_await when_all(
        secure(std::move(raw.client), tls_side::client, std::move(client)),
        secure(std::move(raw.server), tls_side::server, std::move(server), std::move(roles)));
    co_return both{std::move(std::get<0>(ends)), std::move(std::get<1>(ends))};
}

task<io_outcome> write_all(stream& to, std::string_view text) {
    while (!text.empty()) {
        auto piece = std::array{std::as_bytes(std::span{text})};
        auto outcome = co_await write_some(to, piece);
        if (outcome.code != errc::ok) {
            co_return outcome;
        }
        text.remove_prefix(outcome.bytes);
    }
    co_return io_outcome{};
}

task<std::string> read_all(stream& from, std::size_t size) {
    auto text = std::string{};
    auto room = std::vector<std::byte>(3000);
    while (text.size() < size) {
        auto outcome = co_await read_some(from, room);
        if (outcome.code != errc::ok) {
            text += std::string{"<"} + std::string{name(outcome.code)} + ">";
            break;
        }
        text.append(reinterpret_cast<const char*>(room.data()), outcome.bytes);
    }
    co_return text;
}

/// An authority and two nodes of a cluster.
struct cluster_of_two {
    explicit cluster_of_two(testkit::test_context self)
        : now{simulated(self).wall_now()}, authority{issue({.from = now - 1h})},
          one{load_node(self, node("URI:cohort://shop/cache"), authority, "one")},
          two{load_node(self, node("URI:cohort://shop/worker"), authority, "two")} {}

    [[nodiscard]] issued node(const std::string& names) const {
        return issue({.names = names, .by = &authority, .from = now - 1h});
    }

    wall_time now;
    issued authority;
    result<tls_credentials> one;
    result<tls_credentials> two;
};

CO_TEST(tls, tells_each_side_who_the_other_is_and_carries_bytes_both_ways) {
    auto nodes = cluster_of_two{self};
    auto ends = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(ends.client && ends.server);
    EXPECT_EQ(ends.client->peer, (node_identity{"shop", "worker"}));
    EXPECT_EQ(ends.server->peer, (node_identity{"shop", "cache"}));
    auto there = std::string(300'000, 'a');
    auto back = std::string(200'000, 'b');
    auto moved = co_await when_all(
        write_all(*ends.client->bytes, there), write_all(*ends.server->bytes, back),
        read_all(*ends.server->bytes, there.size()), read_all(*ends.client->bytes, back.size()));
    EXPECT_EQ(std::get<2>(moved), there);
    EXPECT_EQ(std::get<3>(moved), back);
}

CO_TEST(tls, refuses_nodes_of_other_clusters_roles_and_authorities) {
    auto nodes = cluster_of_two{self};
    auto bank = load_node(self, nodes.node("URI:cohort://bank/cache"), nodes.authority, "bank");
    auto ends = co_await secure_both(*nodes.one, *bank);
    EXPECT_FALSE(ends.client);
    EXPECT_EQ(ends.client.error().text(),
              "the peer is cohort://bank/cache, a node of another cluster");
    EXPECT_FALSE(ends.server);

    auto roles = std::vector<std::string>{"cache"};
    auto by_role = co_await secure_both(*nodes.two, *nodes.one, roles);
    EXPECT_FALSE(by_role.server);
    EXPECT_EQ(by_role.server.error().text(),
              "the peer is cohort://shop/worker, whose role is not admitted here");

    auto stranger = issue({.from = nodes.now - 1h});
    auto forged =
        issue({.names = "URI:cohort://shop/cache", .by = &stranger, .from = nodes.now - 1h});
    auto forger = load_node(self, forged, nodes.authority, "forger");
    auto ends_of_forger = co_await secure_both(*forger, *nodes.one);
    EXPECT_FALSE(ends_of_forger.server);
    EXPECT_EQ(ends_of_forger.server.error().text(),
              "the peer's certificate is refused: unable to get local issuer certificate");
}

CO_TEST(tls, refuses_a_certificate_that_is_over_by_the_clock_of_the_world) {
    auto nodes = cluster_of_two{self};
    auto soon_over = issue({.names = "URI:cohort://shop/cache",
                            .by = &nodes.authority,
                            .from = nodes.now - 1h,
                            .valid = 1h + 1min});
    auto old = load_node(self, soon_over, nodes.authority, "old");
    auto before = co_await secure_both(*nodes.one, *old);
    EXPECT_TRUE(before.client && before.server);
    co_await self.sleep(2min);
    auto ends = co_await secure_both(*nodes.one, *old);
    EXPECT_FALSE(ends.client);
    EXPECT_EQ(ends.client.error().text(),
              "the peer's certificate is refused: certificate has expired");
}

CO_TEST(tls, uses_new_files_after_a_reload_and_leaves_open_streams_alone) {
    auto nodes = cluster_of_two{self};
    auto before = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(before.client && before.server);
    auto& files = simulated(self).files;
    auto renamed = nodes.node("URI:cohort://shop/gateway");
    files["two/certificate.pem"] = renamed.certificate();
    files["two/key.pem"] = renamed.key();
    CO_ASSERT_TRUE(nodes.two->reload(simulated(self)));
    auto after = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(after.client && after.server);
    EXPECT_EQ(after.client->peer.role, "gateway");
    auto sent = co_await write_all(*before.client->bytes, "still here");
    EXPECT_EQ(sent.code, errc::ok);
    auto got = co_await read_all(*before.server->bytes, 10);
    EXPECT_EQ(got, "still here");
}

CO_TEST(tls, tells_an_orderly_end_from_a_stream_that_was_cut) {
    auto nodes = cluster_of_two{self};
    auto orderly = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(orderly.client && orderly.server);
    static_cast<void>(co_await write_all(*orderly.client->bytes, "bye"));
    orderly.client->bytes->end_writing();
    auto got = co_await read_all(*orderly.server->bytes, 100);
    EXPECT_EQ(got, "bye<end_of_stream>");
    auto again = co_await read_all(*orderly.server->bytes, 100);
    EXPECT_EQ(again, "<end_of_stream>");

    auto cut = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(cut.client && cut.server);
    static_cast<void>(co_await write_all(*cut.client->bytes, "bye"));
    cut.client->bytes.reset();
    auto cut_short = co_await read_all(*cut.server->bytes, 100);
    EXPECT_EQ(cut_short, "bye<truncated>");
}

CO_TEST(tls, takes_an_error_that_others_left_with_openssl_for_none_of_its_own) {
    auto nodes = cluster_of_two{self};
    auto ends = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(ends.client && ends.server);
    auto large = std::string(200'000, 'x');
    ERR_raise(ERR_LIB_USER, 1);
    auto got = co_await when_all(read_all(*ends.server->bytes, large.size()),
                                 write_all(*ends.client->bytes, large));
    EXPECT_EQ(std::get<0>(got), large);
}

CO_TEST(tls, loses_nothing_when_a_write_is_cancelled) {
    auto nodes = cluster_of_two{self};
    auto ends = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(ends.client && ends.server);
    auto& from = *ends.client->bytes;
    auto block = std::string(50'000, 'x');
    auto taken = std::size_t{0};
    // Nobody reads: the buffers between the two fill up, and the write that meets that is
    // cancelled.
    for (int tries = 0; tries < 8; ++tries) {
        auto piece = std::array{std::as_bytes(std::span{block})};
        auto cancel_soon = [](stream* on) -> task<void> {
            co_await sleep_for{1s};
            on->cancel();
        };
        auto write = [](stream* to,
                        std::array<std::span<const std::byte>, 1> what) -> task<io_outcome> {
            co_return co_await write_some(*to, what);
        };
        auto first = write(&from, piece);
        auto second = cancel_soon(&from);
        auto ended = co_await when_all(std::move(first), std::move(second));
        auto outcome = std::get<0>(ended);
        EXPECT_EQ(outcome.code, errc::ok);
        taken += outcome.bytes;
    }
    auto moved =
        co_await when_all(write_all(from, "end"), read_all(*ends.server->bytes, taken + 3));
    EXPECT_EQ(std::get<1>(moved).size(), taken + 3);
    EXPECT_TRUE(std::get<1>(moved).ends_with("xend"));
}

CO_TEST(tls_session, keeps_what_came_right_behind_the_handshake) {
    using state = detail::tls_session::state;
    auto nodes = cluster_of_two{self};
    auto roles = std::vector<std::string>{};
    auto client = detail::tls_session{*nodes.one, true, nodes.now, roles};
    auto server = detail::tls_session{*nodes.two, false, nodes.now, roles};
    auto there = std::vector<byte_buffer>(2);
    auto back = byte_buffer{};
    CO_ASSERT_TRUE(client.handshake() == state::wants_bytes);
    client.take_output(there[0]);
    server.feed(std::as_bytes(std::span{there[0].view()}));
    CO_ASSERT_TRUE(server.handshake() == state::wants_bytes);
    server.take_output(back);
    client.feed(std::as_bytes(std::span{back.view()}));
    CO_ASSERT_TRUE(client.handshake() == state::done);
    auto early = std::string_view{"early"};
    CO_ASSERT_TRUE(client.write(std::as_bytes(std::span{early})));
    client.take_output(there[1]);
    server.feed(std::as_bytes(std::span{there[1].view()}));
    CO_ASSERT_TRUE(server.handshake() == state::done);
    server.keep_input();
    there.clear();
    auto room = std::array<std::byte, 16>{};
    auto size = std::size_t{0};
    CO_ASSERT_TRUE(server.read(room, size) == state::done);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(room.data()), size), early);
    co_return;
}

CO_TEST(tls, ends_the_handshake_of_a_peer_that_speaks_something_else) {
    auto nodes = cluster_of_two{self};
    auto raw = co_await connected();
    auto talk = [](std::unique_ptr<stream> to) -> task<std::string> {
        static_cast<void>(co_await write_all(*to, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        co_return co_await read_all(*to, 1000);
    };
    auto talking = talk(std::move(raw.client));
    auto ended = co_await when_all(secure(std::move(raw.server), tls_side::server, *nodes.one),
                                   std::move(talking));
    EXPECT_FALSE(std::get<0>(ended));
    EXPECT_EQ(std::get<0>(ended).error().code(), errc::invalid);
    EXPECT_TRUE(std::get<1>(ended).ends_with("<end_of_stream>"));
}

CO_TEST(tls, ends_a_read_that_is_cancelled_and_goes_on_afterwards) {
    auto nodes = cluster_of_two{self};
    auto ends = co_await secure_both(*nodes.one, *nodes.two);
    CO_ASSERT_TRUE(ends.client && ends.server);
    auto late = co_await with_timeout(1s, read_all(*ends.server->bytes, 1));
    EXPECT_FALSE(late);
    static_cast<void>(co_await write_all(*ends.client->bytes, "again"));
    auto got = co_await read_all(*ends.server->bytes, 5);
    EXPECT_EQ(got, "again");
}

}  // namespace
}  // namespace cohort
