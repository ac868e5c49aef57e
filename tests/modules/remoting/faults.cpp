#include "nodes.hpp"

namespace cohort::remoting_tests {
namespace {

using silent = detail::silent;
using sum_of = remoting_tests::add;

/// What a watcher saw.
struct seen_end {
    int times = 0;
    time_point at{};
    ref<counter_protocol> target;
};

behavior<silent> watch_for_ever(context<silent> self, ref<counter_protocol> target, seen_end* out) {
    self.watch(target);
    for (;;) {
        auto message = co_await self.receive();
        if (auto gone = message.get_if<terminated>()) {
            EXPECT_TRUE(gone->is(target));
            ++out->times;
            out->at = self.now();
        }
    }
}

TEST(remoting_faults, a_node_that_crashes_is_gone_once_for_each_watcher) {
    for (unsigned cores : {1U, 2U}) {
        auto world = nodes{{.seed = cores}, cores};
        auto& left = world.add();
        auto& right = world.add();
        auto target = world.find(left, right);
        auto ends = std::vector<seen_end>(5);
        for (std::size_t i = 0; i < ends.size(); ++i) {
            static_cast<void>(left.system().spawn_on(static_cast<std::uint32_t>(i % cores),
                                                     watch_for_ever, target, &ends[i]));
        }
        world.sim.run_for(1s);
        world.sim.crash(right, simulated_world::death::machine);
        world.sim.run_for(5s);
        EXPECT_EQ(ends[0].times, 0);
        world.sim.run_for(60s);
        for (auto& each : ends) {
            EXPECT_EQ(each.times, 1);
        }
        EXPECT_EQ(world.numbers(left).peers_gone, 1U);
    }
}

TEST(remoting_faults, a_node_that_was_started_again_is_another_one) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto target = world.find(left, right);
    auto end = seen_end{};
    static_cast<void>(left.system().spawn(watch_for_ever, target, &end));
    world.sim.run_for(1s);
    world.sim.crash(right);
    world.sim.run_for(100ms);
    world.sim.restart(right);
    world.sim.run_for(5s);
    EXPECT_EQ(end.times, 1);
    auto fresh = world.find(left, right);
    EXPECT_NE(fresh, target);
    auto answer = left.system().ask<sum_of>(fresh, 2s, 3);
    auto stale = left.system().ask<sum_of>(target, 2s, 3);
    world.sim.run_for(3s);
    EXPECT_EQ(*answer.get(), 3);
    auto dead = stale.get();
    ASSERT_FALSE(dead);
    EXPECT_EQ(dead.error(), errc::terminated);
    EXPECT_EQ(dead.error().executed(), executed::no);
}

behavior<silent> find_reporter(context<silent>, remoting* network, endpoint at,
                               ref<reporter_protocol>* out) {
    auto found = co_await network->find<reporter_protocol>(at, "reporter", 5s);
    EXPECT_TRUE(found) << found.error().message();
    *out = found ? *found : ref<reporter_protocol>{};
}

TEST(remoting_faults, a_node_that_was_only_mentioned_is_given_up_too) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto& third = world.add();
    auto reporter = ref<reporter_protocol>{};
    world.run(left, find_reporter, world.at(left).network, world.address(right), &reporter);
    auto target = world.find(left, third);
    world.sim.run_for(1s);
    world.sim.crash(third, simulated_world::death::machine);
    // A ref to its actor, which nobody uses.
    left.system().tell(reporter, report_to{ref<listener_protocol>{target.where()}, 0});
    world.sim.run_for(1s);
    EXPECT_EQ(world.numbers(right).peers, 2U);
    world.sim.run_for(60s);
    EXPECT_EQ(world.numbers(right).peers, 1U);
    EXPECT_EQ(world.numbers(left).peers, 1U);
}

TEST(remoting_faults, a_node_that_stops_in_order_says_goodbye) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto target = world.find(left, right);
    auto end = seen_end{};
    static_cast<void>(left.system().spawn(watch_for_ever, target, &end));
    world.sim.run_for(1s);
    EXPECT_TRUE(world.sim.stop(right));
    world.sim.run_for(1s);
    EXPECT_EQ(end.times, 1);
}

behavior<silent> count_up(context<silent>, ref<counter_protocol> target, int count) {
    for (int i = 0; i < count; ++i) {
        target.tell(note{i, std::string(i % 50 == 0 ? 70'000 : 100, 'x')});
        if (i % 5 == 4) {
            co_await sleep_for{2ms};
        }
    }
}

TEST(remoting_faults, lost_connections_keep_order_and_at_most_once) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        auto world = nodes{{.seed = seed, .delay_max = 2ms}, seed % 2 == 0 ? 1U : 2U};
        auto& left = world.add();
        auto& right = world.add();
        auto target = world.find(left, right);
        static_cast<void>(left.system().spawn(count_up, target, 2000));
        for (int i = 0; i < 20; ++i) {
            world.sim.run_for(std::chrono::milliseconds{20 + (seed * 7 + i * 13) % 30});
            world.sim.network().reset(0, 1, seed + static_cast<std::uint64_t>(i), i % 3 == 0);
        }
        world.sim.run_for(30s);
        auto answer = left.system().ask<numbers_seen>(target, 5s);
        world.sim.run_for(6s);
        auto seen = answer.get();
        ASSERT_TRUE(seen) << seed << " " << seen.error().message();
        EXPECT_GT(seen->size(), 100U);
        for (std::size_t i = 1; i < seen->size(); ++i) {
            ASSERT_LT((*seen)[i - 1], (*seen)[i]) << "seed " << seed;
        }
        auto numbers = world.numbers(left);
        EXPECT_EQ(numbers.peers_gone, 0U);
        EXPECT_GT(numbers.connections_lost, 0U);
    }
}

TEST(remoting_faults, a_question_after_a_long_silence_is_answered) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto target = world.find(left, right);
    world.sim.run_for(15s);
    auto answer = left.system().ask<slow>(target, 5s, std::int64_t{1500});
    world.sim.run_for(6s);
    EXPECT_TRUE(answer.get());
    EXPECT_EQ(world.numbers(left).connections_lost, 0U);
}

TEST(remoting_faults, watches_survive_lost_connections_and_fire_once) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        auto world = nodes{{.seed = seed, .delay_max = 5ms}, 1 + static_cast<unsigned>(seed % 3)};
        auto& left = world.add();
        auto& right = world.add();
        auto target = world.find(left, right);
        auto ends = std::vector<seen_end>(3);
        for (std::size_t i = 0; i < ends.size(); ++i) {
            static_cast<void>(left.system().spawn_on(static_cast<std::uint32_t>(i % world.cores),
                                                     watch_for_ever, target, &ends[i]));
        }
        for (int i = 0; i < 12; ++i) {
            world.sim.run_for(std::chrono::milliseconds{(seed * 11 + i * 17) % 40});
            world.sim.network().reset(0, 1, seed + static_cast<std::uint64_t>(i), i % 2 == 0);
            if (i == 6) {
                right.system().tell(world.at(right).counter, die{});
            }
        }
        world.sim.run_for(30s);
        for (auto& each : ends) {
            EXPECT_EQ(each.times, 1) << "seed " << seed;
        }
        EXPECT_EQ(world.numbers(left).peers_gone, 0U);
    }
}

TEST(remoting_faults, both_sides_of_a_long_cut_give_each_other_up_and_begin_anew) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto there = world.find(left, right);
    auto back = world.find(right, left);
    auto left_end = seen_end{};
    auto right_end = seen_end{};
    static_cast<void>(left.system().spawn(watch_for_ever, there, &left_end));
    static_cast<void>(right.system().spawn(watch_for_ever, back, &right_end));
    world.sim.run_for(1s);
    for (bool cut : {true, false}) {
        world.sim.network().cut(0, 1, cut);
        world.sim.network().cut(1, 0, cut);
        world.sim.run_for(60s);
    }
    EXPECT_EQ(left_end.times, 1);
    EXPECT_EQ(right_end.times, 1);
    auto again = world.find(left, right);
    EXPECT_NE(again, there);
    auto answer = left.system().ask<sum_of>(again, 2s, 3);
    world.sim.run_for(3s);
    EXPECT_EQ(*answer.get(), 3);
}

TEST(remoting_faults, a_one_way_cut_ends_the_acquaintance_on_both_sides) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto there = world.find(left, right);
    auto back = world.find(right, left);
    auto left_end = seen_end{};
    auto right_end = seen_end{};
    static_cast<void>(left.system().spawn(watch_for_ever, there, &left_end));
    static_cast<void>(right.system().spawn(watch_for_ever, back, &right_end));
    world.sim.run_for(1s);
    world.sim.network().cut(0, 1);
    world.sim.run_for(60s);
    world.sim.network().cut(0, 1, false);
    world.sim.run_for(60s);
    EXPECT_EQ(left_end.times, 1);
    EXPECT_EQ(right_end.times, 1);
}

behavior<silent> flood(context<silent>, ref<counter_protocol> target, int megabytes,
                       std::vector<result<std::int64_t>>* answers) {
    auto padding = std::string(1000, 'x');
    for (int i = 0; i < megabytes * 1000; ++i) {
        target.tell(note{i, padding});
    }
    for (int i = 0; i < 10; ++i) {
        auto began = this_core().now();
        answers->push_back(co_await target.ask<sum_of>(5s, 1));
        EXPECT_LT(this_core().now() - began, 1s);
    }
}

TEST(remoting_faults, a_peer_that_takes_nothing_costs_bounded_memory_and_asks_fail_fast) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto target = world.find(left, right);
    world.sim.run_for(1s);
    world.sim.network().cut(0, 1);
    auto answers = std::vector<result<std::int64_t>>{};
    static_cast<void>(left.system().spawn(flood, target, 20, &answers));
    world.sim.run_for(2s);
    ASSERT_EQ(answers.size(), 10U);
    for (auto& each : answers) {
        ASSERT_FALSE(each);
        EXPECT_EQ(each.error(), errc::overloaded);
        EXPECT_EQ(each.error().executed(), executed::no);
    }
    auto numbers = world.numbers(left);
    EXPECT_GT(numbers.tells_dropped, 14'000U);
    EXPECT_GT(numbers.outbound_bytes_left, (std::int64_t{256} << 20) - (6 << 20));
    world.sim.run_for(60s);
    EXPECT_EQ(world.numbers(left).outbound_bytes_left, std::int64_t{256} << 20);
}

behavior<silent> say(context<silent> self, endpoint to, std::string words, bool* refused) {
    auto socket = co_await connect(to);
    EXPECT_TRUE(socket);
    if (!socket) {
        co_return;
    }
    auto buffer = std::array{std::as_bytes(std::span{words})};
    static_cast<void>(co_await write_some(**socket, buffer));
    auto room = std::array<std::byte, 64>{};
    auto outcome = co_await read_some(**socket, room);
    *refused = outcome.code != errc::ok;
    static_cast<void>(self);
}

TEST(remoting_faults, strangers_are_refused_within_limits_and_others_notice_nothing) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto& noisy = world.sim.add();
    auto target = world.find(left, right);
    auto refused = std::vector<char>(300, 0);
    for (std::size_t i = 0; i < refused.size(); ++i) {
        auto words = i % 3 == 0   ? std::string{"GET / HTTP/1.1\r\n\r\n"}
                     : i % 3 == 1 ? std::string{"COHORT>1\xff\xff\xff\xff"}
                                  : std::string{"COHORT>1"};  // and then nothing more
        static_cast<void>(noisy.system().spawn(say, world.address(right), words,
                                               reinterpret_cast<bool*>(&refused[i])));
    }
    auto answer = left.system().ask<sum_of>(target, 2s, 3);
    world.sim.run_for(2s);
    EXPECT_EQ(*answer.get(), 3);
    world.sim.run_for(10s);
    for (char each : refused) {
        EXPECT_TRUE(each);
    }
    EXPECT_GE(world.numbers(right).handshakes_refused, 300U);
    auto later = world.find(right, left);
    EXPECT_TRUE(later);
}

TEST(remoting_faults, bits_that_flip_harm_nobody_else) {
    std::uint64_t noticed = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        auto world = nodes{{.seed = seed}, 2};
        auto& left = world.add();
        auto& right = world.add();
        auto& third = world.add();
        auto target = world.find(left, right);
        auto other = world.find(third, right);
        world.sim.network().link(0, 1).corrupt_per_million = 5'000 * seed;
        world.sim.network().link(1, 0).corrupt_per_million = seed % 2 * 50'000;
        for (int i = 0; i < 20; ++i) {
            static_cast<void>(left.system().spawn(count_up, target, 200));
            static_cast<void>(left.system().ask<numbers_seen>(target, 500ms));
            auto answer = third.system().ask<sum_of>(other, 2s, 1);
            world.sim.run_for(1s);
            auto got = answer.get();
            ASSERT_TRUE(got) << "seed " << seed << " " << got.error().message();
        }
        noticed += world.numbers(right).bad_bytes + world.numbers(left).bad_bytes;
    }
    EXPECT_GT(noticed, 20U);
}

}  // namespace
}  // namespace cohort::remoting_tests
