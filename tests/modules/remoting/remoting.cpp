#include "nodes.hpp"

namespace cohort::remoting_tests {
namespace {

using silent = detail::silent;
using sum_of = remoting_tests::add;

behavior<silent> ask_once(context<silent>, ref<adder_protocol> target, std::int64_t amount,
                          result<std::int64_t>* out) {
    *out = co_await target.ask<sum_of>(2s, amount);
}

TEST(remoting, tells_and_asks_an_actor_of_another_node) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto target = world.find(left, right);
    ASSERT_TRUE(target.where().remote());
    auto answer = result<std::int64_t>{errc::no_reply};
    world.run(left, ask_once, ref<adder_protocol>{target}, std::int64_t{40}, &answer);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(*answer, 40);
    left.system().tell(target, sum_of{1});
    world.run(left, ask_once, ref<adder_protocol>{target}, std::int64_t{1}, &answer);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(*answer, 42);
    auto outside = left.system().ask<sum_of>(target, 2s, 0);
    world.sim.run_for(1s);
    EXPECT_EQ(*outside.get(), 42);
}

behavior<silent> search(context<silent>, remoting* network, endpoint at, std::string name,
                        std::vector<error>* out) {
    auto missing = co_await network->find<counter_protocol>(at, name, 1s);
    out->push_back(missing ? error{errc::ok} : missing.error());
    auto wrong = co_await network->find<stranger_protocol>(at, "counter", 1s);
    out->push_back(wrong ? error{errc::ok} : wrong.error());
    auto narrow = co_await network->find<adder_protocol>(at, "counter", 1s);
    out->push_back(narrow ? error{errc::ok} : narrow.error());
    auto nobody = co_await network->find<adder_protocol>({at.host, 1}, "counter", 1s);
    out->push_back(nobody ? error{errc::ok} : nobody.error());
    auto here = co_await network->find<adder_protocol>(network->local(), "counter", 1s);
    out->push_back(here ? error{errc::ok} : here.error());
    EXPECT_FALSE(here->where().remote());
}

TEST(remoting, says_why_a_name_is_not_found) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto out = std::vector<error>{};
    world.run(left, search, world.at(left).network, world.address(right), std::string{"nothing"},
              &out);
    ASSERT_EQ(out.size(), 5U);
    EXPECT_EQ(out[0], errc::not_found);
    EXPECT_EQ(out[0].text(), "no actor is exposed as 'nothing'");
    EXPECT_EQ(out[1], errc::invalid);
    EXPECT_EQ(out[2], errc::ok);
    EXPECT_EQ(out[3], errc::unavailable);
    EXPECT_EQ(out[4], errc::ok);
}

behavior<listener_protocol> listen(context<listener_protocol> self, remoting* network, endpoint at,
                                   std::int64_t times, std::vector<std::int64_t>* out) {
    auto reporter = co_await network->find<reporter_protocol>(at, "reporter", 2s);
    EXPECT_TRUE(reporter);
    if (!reporter) {
        co_return;
    }
    self.watch(*reporter);
    reporter->tell(report_to{self.self(), times});
    for (;;) {
        auto message = co_await self.receive();
        if (auto told = message.get_if<heard>()) {
            out->push_back(told->value);
        } else if (auto gone = message.get_if<terminated>()) {
            EXPECT_TRUE(gone->is(*reporter));
            EXPECT_EQ(gone->reason, exit_reason::normal);
            co_return;
        }
    }
}

TEST(remoting, brings_terminated_behind_everything_that_the_actor_sent) {
    for (unsigned cores : {1U, 3U}) {
        auto world = nodes{{.seed = cores}, cores};
        auto& left = world.add();
        auto& right = world.add();
        auto out = std::vector<std::int64_t>{};
        world.run(left, listen, world.at(left).network, world.address(right), std::int64_t{500},
                  &out);
        ASSERT_EQ(out.size(), 500U);
        for (std::size_t i = 0; i < out.size(); ++i) {
            EXPECT_EQ(out[i], static_cast<std::int64_t>(i));
        }
    }
}

behavior<silent> use_everything(context<silent> self, ref<counter_protocol> target) {
    auto taken = co_await target.send<note>(7, "x");
    EXPECT_TRUE(taken) << taken.error().message();
    auto seen = co_await target.ask<numbers_seen>(2s);
    EXPECT_TRUE(seen);
    if (seen) {
        EXPECT_EQ(*seen, std::vector<std::int64_t>{7});
    }
    auto late = co_await target.ask<slow>(100ms, 5000);
    EXPECT_FALSE(late);
    EXPECT_EQ(late.error(), errc::timeout);
    EXPECT_EQ(late.error().executed(), executed::maybe);
    auto left = co_await target.ask<remaining>(3s);
    EXPECT_TRUE(left);
    if (left) {
        EXPECT_LE(*left, 3000);
        EXPECT_GE(*left, 2900);
    }
    auto content = std::string(3'000'000, 'b');
    auto large = co_await target.ask<blob>(10s, bytes{content});
    EXPECT_TRUE(large) << large.error().message();
    if (large) {
        EXPECT_EQ(large->view(), content);
    }
    auto too_large = co_await target.ask<blob>(10s, bytes{std::string(5'000'000, 'b')});
    EXPECT_FALSE(too_large);
    if (!too_large) {
        EXPECT_EQ(too_large.error(), errc::too_large);
        EXPECT_EQ(too_large.error().executed(), executed::no);
    }
    self.watch(target);
    target.tell(die{true});
    auto message = co_await self.receive();
    auto gone = message.get_if<terminated>();
    EXPECT_TRUE(gone);
    if (gone) {
        EXPECT_TRUE(gone->is(target));
        EXPECT_EQ(gone->reason, exit_reason::failed);
        EXPECT_NE(gone->why->message().find("told to"), std::string::npos);
    }
    auto dead = co_await target.ask<sum_of>(2s, 1);
    EXPECT_FALSE(dead);
    EXPECT_EQ(dead.error(), errc::terminated);
    EXPECT_EQ(dead.error().executed(), executed::no);
    self.watch(target);
    auto again = co_await self.receive();
    EXPECT_TRUE(again.get_if<terminated>());
}

TEST(remoting, answers_to_every_verb) {
    for (unsigned cores : {1U, 2U, 5U}) {
        auto world = nodes{{.seed = cores + 10}, cores};
        auto& left = world.add();
        auto& right = world.add();
        auto target = world.find(left, right);
        world.run(left, use_everything, target);
        world.sim.run_for(10s);
        auto numbers = world.numbers(left);
        EXPECT_EQ(numbers.bad_bytes, 0U);
        EXPECT_EQ(numbers.outbound_bytes_left, std::int64_t{256} << 20);
        EXPECT_EQ(world.numbers(right).inbound_bytes_left, std::int64_t{256} << 20);
    }
}

behavior<silent> mix_sizes(context<silent>, ref<counter_protocol> target, int count) {
    for (int i = 0; i < count; ++i) {
        auto size = static_cast<std::size_t>(i % 7 == 0 ? 100'000 : i % 5 == 0 ? 40'000 : 10);
        target.tell(note{i, std::string(size, 'x')});
        if (i % 10 == 9) {
            co_await sleep_for{5ms};
        }
    }
    auto seen = co_await target.ask<numbers_seen>(30s);
    EXPECT_TRUE(seen) << seen.error().message();
    if (seen) {
        auto expected = std::vector<std::int64_t>{};
        for (int i = 0; i < count; ++i) {
            expected.push_back(i);
        }
        EXPECT_EQ(*seen, expected);
    }
}

behavior<silent> send_too_much(context<silent>, ref<counter_protocol> target) {
    auto refused = co_await target.ask<blob>(5s, bytes{std::string(2'000'000, 'b')});
    EXPECT_FALSE(refused);
    if (!refused) {
        EXPECT_EQ(refused.error(), errc::too_large);
        EXPECT_EQ(refused.error().executed(), executed::no);
    }
    auto taken = co_await target.ask<blob>(5s, bytes{std::string(1'000'000, 'b')});
    EXPECT_TRUE(taken);
}

TEST(remoting, sends_a_peer_no_more_than_it_takes) {
    auto world = nodes{};
    world.adjust = [](simulated_node& node, remoting_options& options) {
        if (node.index() == 1) {
            options.message_bytes_max = 1U << 20;
        }
    };
    auto& left = world.add();
    auto& right = world.add();
    world.run(left, send_too_much, world.find(left, right));
    EXPECT_EQ(world.numbers(right).bad_bytes, 0U);
}

TEST(remoting, keeps_the_order_of_large_and_small_messages) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    world.run(left, mix_sizes, world.find(left, right), 200);
}

behavior<listener_protocol> collect(context<listener_protocol> self,
                                    std::vector<std::int64_t>* out) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto told = message.get_if<heard>()) {
            out->push_back(told->value);
        }
    }
}

behavior<silent> bring_together(context<silent>, remoting* network, endpoint listener_at,
                                endpoint reporter_at) {
    auto listener = co_await network->find<listener_protocol>(listener_at, "listener", 2s);
    auto reporter = co_await network->find<reporter_protocol>(reporter_at, "reporter", 2s);
    EXPECT_TRUE(listener && reporter);
    if (listener && reporter) {
        reporter->tell(report_to{*listener, 20});
    }
}

TEST(remoting, introduces_nodes_whose_refs_it_passes_on) {
    for (unsigned cores : {1U, 3U}) {
        auto world = nodes{{.seed = cores}, cores};
        auto& left = world.add();
        auto& right = world.add();
        auto& third = world.add();
        auto out = std::vector<std::int64_t>{};
        world.at(right).network->expose("listener", right.system().spawn(collect, &out));
        world.run(left, bring_together, world.at(left).network, world.address(right),
                  world.address(third));
        world.sim.run_for(5s);
        ASSERT_EQ(out.size(), 20U);
        EXPECT_EQ(out.back(), 19);
        EXPECT_EQ(world.numbers(third).peers, 2U);
    }
}

TEST(remoting, tells_nodes_of_different_clusters_apart) {
    auto world = nodes{};
    auto& left = world.add();
    world.options.cluster = "another";
    auto& right = world.add();
    auto out = std::vector<error>{};
    world.run(left, search, world.at(left).network, world.address(right), std::string{"counter"},
              &out);
    EXPECT_EQ(out[0], errc::unavailable);
    EXPECT_NE(out[0].text().find("it belongs to another cluster"), std::string::npos)
        << out[0].text();
    EXPECT_GT(world.numbers(right).handshakes_refused, 0U);
}

TEST(remoting, says_every_minute_that_it_is_insecure) {
    auto world = nodes{};
    int said = 0;
    world.adjust = [&said](simulated_node& node, remoting_options&) {
        node.system().runtime().on_event([&said](const runtime_event& event) {
            said += event.what == "remoting is insecure" ? 1 : 0;
        });
    };
    world.add();
    world.sim.run_for(5min + 1s);
    EXPECT_EQ(said, 6);
}

behavior<silent> ask_with_trace(context<silent> self, ref<counter_protocol> target,
                                result<std::int64_t>* out) {
    *out = co_await target.ask<trace_seen>(deadline{self.now() + 2s, 4711});
}

TEST(remoting, carries_the_trace_of_a_request) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto out = result<std::int64_t>{errc::no_reply};
    world.run(left, ask_with_trace, world.find(left, right), &out);
    ASSERT_TRUE(out);
    EXPECT_EQ(*out, 4711);
}

TEST(remoting, refuses_to_listen_everywhere_unless_it_is_asked_for) {
    auto sim = simulation{};
    sim.add({.boot = [](simulated_node& node) {
        auto& system = node.system();
        system.use(remoting{{.listen = {node.host(), 4000}}});
        auto started = system.start();
        ASSERT_FALSE(started);
        EXPECT_NE(started.error().message().find("set insecure"), std::string::npos);
    }});
}

}  // namespace
}  // namespace cohort::remoting_tests
