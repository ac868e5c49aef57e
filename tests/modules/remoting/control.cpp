#include "nodes.hpp"

namespace cohort::remoting_tests {
namespace {

using silent = detail::silent;

struct urgent {
    static constexpr auto wire_lane = message_lane::control;
    std::int64_t number = 0;
    std::string padding;
};
struct urgent_question {
    static constexpr auto wire_lane = message_lane::control;
    using reply = result<std::int64_t>;
};
struct plain {
    std::int64_t number = 0;
    std::string padding;
};
using mixed_protocol = protocol<urgent, urgent_question, plain>;

struct received_here {
    std::vector<std::int64_t> urgent_numbers;
    std::vector<time_point> urgent_at;
    std::int64_t plain_count = 0;
};

behavior<mixed_protocol> take_all(context<mixed_protocol> self, received_here* out) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto it = message.get_if<urgent>()) {
            out->urgent_numbers.push_back(it->number);
            out->urgent_at.push_back(self.now());
        } else if (auto asked = message.get_if<urgent_question>()) {
            asked.reply(out->plain_count);
        } else {
            ++out->plain_count;
        }
    }
}

/// Two nodes, the second of which exposes an actor of the mixed protocol on its last core.
struct pair_of_nodes {
    explicit pair_of_nodes(unsigned cores = 1) : world{{.seed = cores}, cores} {
        left = &world.add();
        right = &world.add();
        auto taker = right->system().spawn_on(cores - 1, take_all, &received);
        world.at(*right).network->expose("mixed", taker);
        world.run(*left, look_up, this);
    }
    static behavior<silent> look_up(context<silent>, pair_of_nodes* whole) {
        auto found =
            co_await whole->world.at(*whole->left)
                .network->find<mixed_protocol>(whole->world.address(*whole->right), "mixed", 5s);
        EXPECT_TRUE(found) << found.error().message();
        if (found) {
            whole->target = *found;
        }
    }

    received_here received;
    ref<mixed_protocol> target;
    nodes world;
    simulated_node* left;
    simulated_node* right;
};

behavior<silent> flood_and_tell(context<silent> self, ref<mixed_protocol> target, int urgents) {
    for (int i = 0; i < 200; ++i) {
        target.tell(plain{i, std::string(10'000, 'x')});
    }
    for (int i = 0; i < urgents; ++i) {
        target.tell(urgent{i, {}});
        co_await self.sleep(10ms);
    }
}

TEST(remoting_control, a_busy_data_lane_does_not_delay_control_messages) {
    for (unsigned cores : {1U, 2U}) {
        auto test = pair_of_nodes{cores};
        test.world.sim.run_for(1s);
        auto began = test.right->world().now();
        // Two megabytes are on their way, by a link that carries one in a second.
        test.world.sim.network().link(0, 1).bytes_per_second = 1'000'000;
        static_cast<void>(test.left->system().spawn_on(cores - 1, flood_and_tell, test.target, 20));
        test.world.sim.run_for(1s);
        EXPECT_LT(test.received.plain_count, 150);
        ASSERT_EQ(test.received.urgent_numbers.size(), 20U);
        for (std::size_t i = 0; i < 20; ++i) {
            EXPECT_EQ(test.received.urgent_numbers[i], static_cast<std::int64_t>(i));
        }
        EXPECT_LT(test.received.urgent_at[0] - began, 300ms);
    }
}

behavior<silent> fill_and_tell(context<silent>, ref<mixed_protocol> target) {
    for (int i = 0; i < 1000; ++i) {
        target.tell(plain{i, std::string(100'000, 'x')});
    }
    for (int i = 0; i < 100; ++i) {
        target.tell(urgent{i, {}});
    }
    co_return;
}

TEST(remoting_control, a_full_data_queue_leaves_room_for_control_messages) {
    auto test = pair_of_nodes{};
    static_cast<void>(test.left->system().spawn(fill_and_tell, test.target));
    test.world.sim.run_for(5s);
    EXPECT_GT(test.world.numbers(*test.left).tells_dropped, 0U);
    EXPECT_EQ(test.received.urgent_numbers.size(), 100U);
}

behavior<silent> tell_much(context<silent>, ref<mixed_protocol> target) {
    for (int i = 0; i < 100; ++i) {
        target.tell(urgent{i, std::string(30'000, 'x')});
    }
    co_return;
}

TEST(remoting_control, a_control_queue_is_bounded) {
    auto test = pair_of_nodes{};
    test.world.sim.network().cut(0, 1);
    static_cast<void>(test.left->system().spawn(tell_much, test.target));
    test.world.sim.run_for(100ms);
    auto dropped = test.world.numbers(*test.left).tells_dropped;
    EXPECT_GT(dropped, 50U);
    EXPECT_LT(dropped, 100U);
}

behavior<silent> question(context<silent>, ref<mixed_protocol> target, bool* answered) {
    auto answer = co_await target.ask<urgent_question>(2s);
    *answered = answer.has_value();
}

TEST(remoting_control, control_messages_can_be_asked) {
    auto answered = false;
    auto test = pair_of_nodes{2};
    static_cast<void>(test.left->system().spawn_on(1, question, test.target, &answered));
    test.world.sim.run_for(1s);
    EXPECT_TRUE(answered);
}

behavior<silent> tell_often(context<silent> self, ref<mixed_protocol> target) {
    for (int i = 0;; ++i) {
        target.tell(urgent{i, {}});
        co_await self.sleep(100ms);
    }
}

TEST(remoting_control, a_connection_that_is_dead_is_made_again_soon_after_the_cut_is_mended) {
    auto test = pair_of_nodes{};
    static_cast<void>(test.left->system().spawn(tell_often, test.target));
    test.world.sim.run_for(1s);
    for (auto length : {1s, 3s, 5s, 7s}) {
        test.world.sim.network().cut(0, 1);
        test.world.sim.network().cut(1, 0);
        test.world.sim.run_for(length);
        test.world.sim.network().cut(0, 1, false);
        test.world.sim.network().cut(1, 0, false);
        test.received.urgent_numbers.clear();
        test.world.sim.run_for(2s);
        EXPECT_GT(test.received.urgent_numbers.size(), 0U) << length.count();
    }
}

behavior<silent> find_by_name(context<silent>, remoting* network, std::string host, errc* outcome) {
    auto found = co_await network->find<counter_protocol>({host, port}, "counter", 5s);
    *outcome = found ? errc::ok : found.error().code();
    if (!found) {
        EXPECT_NE(found.error().message().find(host), std::string::npos);
    }
}

TEST(remoting_names, a_host_name_is_resolved_at_every_attempt) {
    auto world = nodes{};
    auto& left = world.add();
    auto& right = world.add();
    auto& third = world.add();
    auto outcome = errc::ok;
    auto look = [&](const std::string& host) {
        world.run(left, find_by_name, world.at(left).network, host, &outcome);
        return outcome;
    };
    EXPECT_EQ(look("pod-1.peers"), errc::unavailable);
    world.sim.network().name("pod-1.peers", {"10.0.0.99", right.host()});
    EXPECT_EQ(look("pod-1.peers"), errc::ok);
    world.sim.crash(right);
    world.sim.network().name("pod-1.peers", {third.host()});
    EXPECT_EQ(look("pod-1.peers"), errc::ok);
}

}  // namespace
}  // namespace cohort::remoting_tests
