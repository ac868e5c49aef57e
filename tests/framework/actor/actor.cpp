#include <cohort/testkit/co_test.hpp>

namespace cohort {
namespace {

struct add {
    using reply = int;
    int amount = 0;
};
struct total {
    using reply = result<int>;
};
struct fail {
    std::string why;
};
struct ignore {
    using reply = int;
};
struct leave {};
using counter = protocol<add, total, fail, ignore, leave>;

behavior<counter> count(context<counter> self, int start) {
    int sum = start;
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<add>()) {
            sum += request->amount;
            request.reply(sum);
        } else if (auto question = message.get_if<total>()) {
            question.reply(sum);
        } else if (auto order = message.get_if<fail>()) {
            throw std::runtime_error{order->why};
        } else if (message.get_if<leave>()) {
            co_return;
        }
    }
}

CO_TEST(actor, answers_what_it_is_asked) {
    auto target = self.spawn(count, 40);
    target.tell<add>(1);
    auto sum = co_await target.ask<add>(1s, 1);
    CO_ASSERT_TRUE(sum);
    EXPECT_EQ(*sum, 42);
    auto same = co_await target.ask<total>(1s);
    CO_ASSERT_TRUE(same);
    EXPECT_EQ(*same, 42);
}

CO_TEST(actor, keeps_the_order_of_one_sender) {
    struct tester {
        static behavior<counter> record(context<counter> self, std::vector<int>* seen) {
            for (;;) {
                auto message = co_await self.receive();
                if (auto one = message.get_if<add>()) {
                    seen->push_back(one->amount);
                }
            }
        }
    };
    auto seen = std::vector<int>{};
    auto target = self.spawn(tester::record, &seen);
    for (int i = 0; i < 500; ++i) {
        target.tell(add{i});
    }
    co_await self.sleep(10ms);
    CO_ASSERT_EQ(seen.size(), 500U);
    for (int i = 0; i < 500; ++i) {
        EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
    }
    self.stop(target);
    co_await self.sleep(10ms);
}

CO_TEST(ask, of_an_actor_that_is_gone_ends_at_once) {
    auto target = self.spawn(count, 0);
    target.tell(leave{});
    co_await self.sleep(1ms);
    auto before = self.now();
    auto answer = co_await target.ask<total>(10s);
    CO_ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error(), errc::terminated);
    EXPECT_LT(self.now() - before, 100ms);
}

CO_TEST(ask, times_out_and_says_that_the_outcome_is_unknown) {
    struct deaf {
        static behavior<counter> listen(context<counter> self) {
            auto message = co_await self.receive();
            auto kept = message.get_if<total>().later();
            co_await self.sleep(10s);
        }
    };
    auto target = self.spawn(deaf::listen);
    auto before = self.now();
    auto answer = co_await target.ask<total>(50ms);
    CO_ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error(), errc::timeout);
    EXPECT_EQ(answer.error().executed(), executed::maybe);
    EXPECT_GE(self.now() - before, 50ms);
    EXPECT_LE(self.now() - before, 60ms);
}

CO_TEST(ask, says_when_the_request_was_dropped_unanswered) {
    auto target = self.spawn(count, 0);
    auto answer = co_await target.ask<ignore>(1s);
    CO_ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error(), errc::no_reply);
}

CO_TEST(ask, of_an_actor_that_fails_on_it_is_terminated) {
    auto target = self.spawn(count, 0);
    target.tell(fail{"planned"});
    auto answer = co_await target.ask<total>(1s);
    CO_ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error(), errc::terminated);
}

// Keeps what it is asked: itself, in a child task, or in a child task that fails.
behavior<counter> keep(context<counter> self, char where) {
    auto message = co_await self.receive();
    auto forever = [](context<counter> at, reply_to<int>) -> task<void> { co_await at.sleep(1h); };
    auto failing = [](context<counter> at, reply_to<int>) -> task<void> {
        co_await at.sleep(1ms);
        throw std::runtime_error{"planned"};
    };
    auto request = message.get_if<ignore>();
    if (where == 't') {
        self.start(forever(self, request.later()));
    } else if (where == 'f') {
        self.start(failing(self, request.later()));
    }
    co_await self.sleep(1h);
}

CO_TEST(ask, of_an_actor_that_ends_at_work_is_terminated) {
    for (char where : {'i', 't', 'f'}) {
        for (bool watched : {false, true}) {
            auto target = self.spawn(keep, where);
            if (watched) {
                self.watch(target);
            }
            auto pending = target.ask<ignore>(1s);
            co_await self.sleep(10ms);
            self.stop(target);
            auto answer = co_await pending;
            CO_ASSERT_FALSE(answer.has_value());
            EXPECT_EQ(answer.error(), errc::terminated) << where << watched;
            EXPECT_EQ(answer.error().executed(), executed::maybe);
        }
    }
}

CO_TEST(watch, tells_exactly_once_why_an_actor_ended) {
    auto target = self.spawn(count, 0);
    self.watch(target);
    self.watch(target);
    target.tell(fail{"planned"});
    auto message = co_await self.receive();
    auto news = message.get_if<terminated>();
    CO_ASSERT_TRUE(news);
    EXPECT_TRUE(news->is(target));
    EXPECT_EQ(news->reason, exit_reason::failed);
    CO_ASSERT_TRUE(news->why);
    EXPECT_EQ(news->why->what, "planned");
    auto more = co_await self.receive_for(100ms);
    EXPECT_FALSE(more.has_value());
}

CO_TEST(watch, of_an_actor_that_is_gone_tells_at_once) {
    auto target = self.spawn(count, 0);
    self.stop(target);
    co_await self.sleep(1ms);
    self.watch(target);
    auto message = co_await self.receive_for(1s);
    CO_ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(message->get_if<terminated>());
}

CO_TEST(watch, is_silent_after_unwatch) {
    auto target = self.spawn(count, 0);
    self.watch(target);
    self.unwatch(target);
    self.stop(target);
    auto message = co_await self.receive_for(100ms);
    EXPECT_FALSE(message.has_value());
}

CO_TEST(supervision, restarts_in_place_so_that_the_ref_survives) {
    auto target =
        self.spawn_with({.supervision = supervision{restart_options{.times = 2}}}, count, 7);
    target.tell<add>(1);
    target.tell(fail{"first"});
    target.tell<add>(2);
    auto sum = co_await target.ask<total>(5s);
    CO_ASSERT_TRUE(sum);
    // The state is new, what waited in the mailbox was not lost.
    EXPECT_EQ(*sum, 9);
}

CO_TEST(supervision, stops_what_fails_too_often) {
    auto target = self.spawn_with(
        {.supervision = supervision{restart_options{.times = 2, .backoff = 1ms}}}, count, 0);
    self.watch(target);
    for (int i = 0; i < 3; ++i) {
        target.tell(fail{"again"});
    }
    auto message = co_await self.receive_for(10s);
    CO_ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(message->get_if<terminated>());
}

struct go {};
using starter = protocol<go>;

behavior<starter> parent_of_failure(context<starter> self, directive decision) {
    auto child = self.spawn_with({.supervision = supervision{decision}}, count, 0);
    child.tell(fail{"deep"});
    for (;;) {
        auto message = co_await self.receive();
    }
}

CO_TEST(supervision, escalates_with_the_whole_chain) {
    auto target = self.spawn(parent_of_failure, directive::escalate);
    self.watch(target);
    auto message = co_await self.receive_for(1s);
    CO_ASSERT_TRUE(message.has_value());
    auto news = message->get_if<terminated>();
    CO_ASSERT_TRUE(news);
    EXPECT_EQ(news->reason, exit_reason::failed);
    CO_ASSERT_TRUE(news->why && news->why->cause);
    EXPECT_EQ(news->why->cause->what, "deep");
}

CO_TEST(supervision, decides_by_the_type_of_the_exception) {
    auto rules = supervision{directive::stop}
                     .on<std::logic_error>(directive::escalate)
                     .on<std::runtime_error>(directive::restart);
    EXPECT_EQ(rules.decide(std::make_exception_ptr(std::runtime_error{"x"})), directive::restart);
    EXPECT_EQ(rules.decide(std::make_exception_ptr(std::out_of_range{"x"})), directive::escalate);
    EXPECT_EQ(rules.decide(std::make_exception_ptr(1)), directive::stop);
    co_return;
}

struct noisy {
    std::vector<std::string>* log;
    std::string name;
    noisy(std::vector<std::string>* target, std::string text)
        : log{target}, name{std::move(text)} {}
    noisy(const noisy&) = delete;
    noisy& operator=(const noisy&) = delete;
    ~noisy() { log->push_back(name); }
};

behavior<starter> nested(context<starter> self, std::vector<std::string>* log, int depth) {
    auto guard = noisy{log, std::to_string(depth)};
    if (depth > 0) {
        static_cast<void>(self.spawn(nested, log, depth - 1));
    }
    for (;;) {
        auto message = co_await self.receive();
    }
}

CO_TEST(stop, ends_children_before_their_parent) {
    auto log = std::vector<std::string>{};
    auto target = self.spawn(nested, &log, 3);
    co_await self.sleep(1ms);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_EQ(log, (std::vector<std::string>{"0", "1", "2", "3"}));
}

CO_TEST(mailbox, refuses_when_full_and_counts_it) {
    auto target = self.spawn_with({.mailbox_limit = 3}, count, 0);
    auto refused = self.core().counters().refused.value();
    for (int i = 0; i < 5; ++i) {
        target.tell<add>(1);
    }
    auto answer = co_await target.ask<total>(1s);
    CO_ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error(), errc::overloaded);
    EXPECT_EQ(answer.error().executed(), executed::no);
    EXPECT_EQ(self.core().counters().refused.value() - refused, 3U);
    co_await self.sleep(1ms);
    auto sum = co_await target.ask<total>(1s);
    CO_ASSERT_TRUE(sum);
    EXPECT_EQ(*sum, 3);
}

CO_TEST(mailbox, drops_the_oldest_when_told_to) {
    auto target =
        self.spawn_with({.mailbox_limit = 3, .policy = mailbox_policy::drop_oldest}, count, 0);
    for (int i = 1; i <= 5; ++i) {
        target.tell<add>(i);
    }
    co_await self.sleep(1ms);
    auto sum = co_await target.ask<total>(1s);
    CO_ASSERT_TRUE(sum);
    EXPECT_EQ(*sum, 3 + 4 + 5);
}

CO_TEST(send, waits_until_the_mailbox_has_room) {
    auto target = self.spawn_with({.mailbox_limit = 2}, count, 0);
    for (int i = 0; i < 100; ++i) {
        auto sent = co_await target.send<add>(1);
        CO_ASSERT_TRUE(sent);
    }
    auto sum = co_await target.ask<total>(1s);
    CO_ASSERT_TRUE(sum);
    EXPECT_EQ(*sum, 100);
}

CO_TEST(entity, is_started_again_when_mail_waits) {
    struct once {
        static behavior<counter> serve(context<counter> self, int* starts) {
            ++*starts;
            auto message = co_await self.receive();
            if (auto request = message.get_if<add>()) {
                request.reply(*starts);
            }
        }
    };
    int starts = 0;
    auto target = self.spawn_with({.restart_for_mail = true}, once::serve, &starts);
    target.tell<add>(1);
    target.tell<add>(1);
    auto third = co_await target.ask<add>(1s, 1);
    CO_ASSERT_TRUE(third);
    EXPECT_EQ(*third, 3);
    auto gone = co_await target.ask<add>(1s, 1);
    EXPECT_FALSE(gone.has_value());
}

CO_TEST(park, freezes_an_actor_until_it_is_unparked) {
    auto target = self.spawn(count, 0);
    co_await self.yield();
    park(self.core(), target.address());
    auto early = co_await target.ask<total>(50ms);
    EXPECT_FALSE(early.has_value());
    unpark(self.core(), target.address());
    auto late = co_await target.ask<total>(50ms);
    EXPECT_TRUE(late.has_value());
}

struct answer_now {
    using reply = int;
};
using prompt = protocol<answer_now>;

behavior<prompt> answer_after(context<prompt> self, duration length) {
    for (;;) {
        auto message = co_await self.receive();
        co_await self.sleep(length);
        message.get_if<answer_now>().reply(1);
    }
}

// Holds the core for `length` of the virtual time.
void compute_for(context_base self, duration length) {
    static_cast<simulated_world&>(self.core().world()).advance(length);
}

task<int> give(duration wait, int value) {
    co_await sleep_for{wait};
    co_return value;
}

CO_TEST(ask, has_its_whole_time_also_after_a_long_slice) {
    auto target = self.spawn(answer_after, 5ms);
    compute_for(self, 50ms);
    auto answer = co_await target.ask<answer_now>(20ms);
    EXPECT_TRUE(answer.has_value());
    compute_for(self, 50ms);
    auto start = self.now();
    auto late = co_await target.ask<answer_now>(2ms);
    EXPECT_FALSE(late.has_value());
    EXPECT_GE(self.now() - start, 2ms);
}

CO_TEST(sleep, has_its_whole_time_also_after_a_long_slice) {
    compute_for(self, 50ms);
    auto start = self.now();
    co_await self.sleep(20ms);
    EXPECT_GE(self.now() - start, 20ms);
    compute_for(self, 50ms);
    start = self.now();
    auto nothing = co_await self.receive_for(20ms);
    EXPECT_FALSE(nothing.has_value());
    EXPECT_GE(self.now() - start, 20ms);
    compute_for(self, 50ms);
    auto value = co_await with_timeout(20ms, give(10ms, 7));
    EXPECT_TRUE(value.has_value());
}

behavior<prompt> never_run(context<prompt> self, std::shared_ptr<int> held, bool* ran) {
    *ran = true;
    auto message = co_await self.receive();
}

void build_and_drop(system& node, const std::shared_ptr<int>& held, bool* ran,
                    std::vector<exit_reason>* exits) {
    static_cast<void>(node.spawn(never_run, held, ran));
    auto target = node.spawn_on_with(
        1, {.on_exit = [exits](exit_reason why) { exits->push_back(why); }}, never_run, held, ran);
    node.tell(target, answer_now{});
    EXPECT_EQ(held.use_count(), 3);
}

TEST(system, that_was_never_started_ends_its_actors_without_running_them) {
    for (bool simulated : {false, true}) {
        auto held = std::make_shared<int>(1);
        auto exits = std::vector<exit_reason>{};
        bool ran = false;
        auto answer = std::future<result<int>>{};
        {
            auto world = simulated_world{};
            auto node = simulated ? std::make_unique<system>(world, runtime_options{.cores = 2})
                                  : std::make_unique<system>(runtime_options{.cores = 2});
            build_and_drop(*node, held, &ran, &exits);
            answer = node->ask<answer_now>(node->spawn(answer_after, 1ms), 1h);
        }
        EXPECT_FALSE(ran);
        EXPECT_EQ(held.use_count(), 1);
        EXPECT_EQ(exits, std::vector{exit_reason::stopped});
        EXPECT_EQ(answer.get().error(), errc::terminated);
    }
}

}  // namespace
}  // namespace cohort
