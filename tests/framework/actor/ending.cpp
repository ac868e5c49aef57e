// How actors end: in every state, whatever their destructors do, and what may still happen then.
#include <cohort/testkit/co_test.hpp>

namespace cohort {
namespace {

struct poke {
    using reply = int;
    int number = 0;
};
struct fall {};
struct leave {};
using pokes = protocol<poke, fall, leave>;

struct trace {
    int* count;
    explicit trace(int* target) : count{target} {}
    trace(const trace&) = delete;
    trace& operator=(const trace&) = delete;
    ~trace() { ++*count; }
};

behavior<pokes> idle_actor(context<pokes> self, int* destroyed) {
    auto guard = trace{destroyed};
    for (;;) {
        auto message = co_await self.receive();
        if (auto question = message.get_if<poke>()) {
            question.reply(question->number);
        } else if (message.get_if<fall>()) {
            throw std::runtime_error{"planned"};
        } else if (message.get_if<leave>()) {
            co_return;
        }
    }
}

behavior<pokes> busy_actor(context<pokes> self, int* destroyed) {
    auto guard = trace{destroyed};
    for (;;) {
        co_await self.yield();
    }
}

behavior<pokes> sleeping_actor(context<pokes> self, int* destroyed) {
    auto guard = trace{destroyed};
    co_await self.sleep(1h);
}

behavior<pokes> asking_actor(context<pokes> self, ref<pokes> whom, int* destroyed) {
    auto guard = trace{destroyed};
    static_cast<void>(co_await whom.ask<poke>(1h));
}

behavior<pokes> deaf_actor(context<pokes> self) { co_await self.sleep(100h); }

behavior<pokes> reading_actor(context<pokes> self, std::uint16_t port, int* destroyed,
                              errc* outcome) {
    auto guard = trace{destroyed};
    auto stream = co_await connect({"127.0.0.1", port});
    auto buffer = std::array<std::byte, 16>{};
    auto read = co_await read_some(**stream, buffer);
    *outcome = read.code;
}

behavior<pokes> working_actor(context<pokes> self, worker* pool, int* destroyed) {
    auto guard = trace{destroyed};
    co_await run_on(*pool, [] {});
    co_await self.sleep(1h);
}

behavior<pokes> yielding_actor(context<pokes> self, int* destroyed) {
    auto guard = trace{destroyed};
    for (;;) {
        co_await self.yield();
    }
}

task<void> sleep_guarded(int* destroyed) {
    auto guard = trace{destroyed};
    co_await sleep_for{1h};
}

task<void> receive_guarded(context<pokes> self, int* destroyed) {
    auto guard = trace{destroyed};
    auto message = co_await self.receive();
}

behavior<pokes> forking_actor(context<pokes> self, int* destroyed) {
    auto guard = trace{destroyed};
    co_await when_any(sleep_guarded(destroyed), receive_guarded(self, destroyed),
                      sleep_guarded(destroyed));
}

bool gone(context_base self, handle address) { return self.core().find(address) == nullptr; }

CO_TEST(stop, ends_an_actor_that_has_not_run_yet) {
    int destroyed = 0;
    auto target = self.spawn(idle_actor, &destroyed);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 0);  // its body never began
}

CO_TEST(stop, ends_an_idle_actor) {
    int destroyed = 0;
    auto target = self.spawn(idle_actor, &destroyed);
    co_await self.sleep(1ms);
    self.stop(target);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 1);
}

CO_TEST(stop, ends_a_ready_actor) {
    int destroyed = 0;
    auto target = self.spawn(busy_actor, &destroyed);
    co_await self.yield();
    co_await self.yield();
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 1);
}

CO_TEST(stop, ends_actors_that_are_ready_in_the_queue_and_parked) {
    int destroyed = 0;
    auto target = self.spawn(yielding_actor, &destroyed);
    auto parked = self.spawn(yielding_actor, &destroyed);
    co_await self.yield();
    co_await self.yield();
    park(self.core(), parked.address());
    self.stop(target);
    self.stop(parked);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_TRUE(gone(self, parked.address()));
    EXPECT_EQ(destroyed, 2);
}

CO_TEST(stop, of_itself_ends_at_the_next_suspension) {
    struct suicidal {
        static behavior<pokes> run(context<pokes> self, int* destroyed, int* reached) {
            auto guard = trace{destroyed};
            self.stop(self.self());
            ++*reached;
            co_await self.yield();
            ++*reached;
        }
    };
    int destroyed = 0;
    int reached = 0;
    auto target = self.spawn(suicidal::run, &destroyed, &reached);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(reached, 1);
}

CO_TEST(stop, ends_a_sleeping_actor_and_its_timer) {
    int destroyed = 0;
    auto target = self.spawn(sleeping_actor, &destroyed);
    co_await self.sleep(1ms);
    EXPECT_EQ(self.core().timers().armed(), 1U);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(self.core().timers().armed(), 0U);
}

CO_TEST(stop, ends_an_asking_actor_and_its_ask) {
    int destroyed = 0;
    auto whom = self.spawn(deaf_actor);
    auto target = self.spawn(asking_actor, whom, &destroyed);
    co_await self.sleep(1ms);
    EXPECT_EQ(self.core().pending().size(), 1U);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(self.core().pending().size(), 0U);
    auto late = self.core().counters().late_replies.value();
    self.stop(whom);
    co_await self.sleep(1ms);
    EXPECT_EQ(self.core().counters().late_replies.value(), late + 1);
}

CO_TEST(stop, cancels_what_is_pending_on_a_stream) {
    auto listening = self.core().reactor().listen({"127.0.0.1", 0});
    CO_ASSERT_TRUE(listening);
    int destroyed = 0;
    auto outcome = errc::ok;
    auto target = self.spawn(reading_actor, (*listening)->local().port, &destroyed, &outcome);
    auto accepted = co_await accept(**listening);
    CO_ASSERT_TRUE(accepted);
    co_await self.sleep(5ms);
    self.stop(target);
    co_await self.sleep(5ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(outcome, errc::ok);  // the body never went on
}

CO_TEST(stop, waits_for_blocking_work) {
    auto pool = self.core().world().start_worker("test");
    int destroyed = 0;
    auto target = self.spawn(working_actor, pool.get(), &destroyed);
    co_await self.yield();
    co_await self.yield();
    self.stop(target);
    co_await self.yield();
    EXPECT_EQ(destroyed, 0);
    co_await self.sleep(5ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 1);
}

CO_TEST(stop, ends_child_tasks_with_their_actor) {
    int destroyed = 0;
    auto target = self.spawn(forking_actor, &destroyed);
    co_await self.sleep(1ms);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 4);
    EXPECT_EQ(self.core().timers().armed(), 0U);
}

// An operation of 5 ms that ignores cancellation.
class stubborn : detail::io_awaiter {
public:
    stubborn() : timer_{*this, &fire} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> here) {
        suspend(here);
        this_core().timers().arm(timer_, this_core().now() + 5ms);
    }
    void await_resume() const noexcept {}

private:
    static void fire(wheel_timer& timer) noexcept {
        timer_of<stubborn>::owner_of(timer).completed();
    }
    timer_of<stubborn> timer_;
};

task<void> count_after(duration wait, int* reached) {
    co_await sleep_for{wait};
    ++*reached;
    co_await sleep_for{1h};
}

behavior<pokes> stubborn_actor(context<pokes> self, int* destroyed, int* reached) {
    auto guard = trace{destroyed};
    self.start(count_after(2ms, reached));
    co_await stubborn{};
}

CO_TEST(stop, resumes_no_task_while_it_waits_for_an_operation) {
    int destroyed = 0;
    int reached = 0;
    auto target = self.spawn(stubborn_actor, &destroyed, &reached);
    co_await self.sleep(1ms);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_EQ(destroyed, 0);
    co_await self.sleep(10ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(reached, 0);
}

CO_TEST(stop, ends_an_actor_that_waits_to_be_restarted) {
    int destroyed = 0;
    auto exits = std::vector<exit_reason>{};
    auto target = self.spawn_with({.supervision = restart_options{.backoff = 1s},
                                   .on_exit = [&](exit_reason why) { exits.push_back(why); }},
                                  idle_actor, &destroyed);
    self.watch(target);
    target.tell(fall{});
    co_await self.sleep(10ms);
    EXPECT_EQ(destroyed, 1);
    EXPECT_FALSE(gone(self, target.address()));
    self.stop(target);
    auto news = co_await self.receive_for(100ms);
    CO_ASSERT_TRUE(news);
    EXPECT_EQ(news->get_if<terminated>()->reason, exit_reason::stopped);
    EXPECT_EQ(exits, (std::vector{exit_reason::stopped}));
    co_await self.sleep(2s);
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(self.core().timers().armed(), 0U);
}

CO_TEST(stop, ends_parked_actors_in_every_state) {
    auto listening = self.core().reactor().listen({"127.0.0.1", 0});
    CO_ASSERT_TRUE(listening);
    int destroyed = 0;
    auto outcome = errc::ok;
    auto deaf = self.spawn(deaf_actor);
    auto targets = std::vector{
        self.spawn(idle_actor, &destroyed), self.spawn(busy_actor, &destroyed),
        self.spawn(sleeping_actor, &destroyed), self.spawn(asking_actor, deaf, &destroyed),
        self.spawn(forking_actor, &destroyed)};
    auto reader = self.spawn(reading_actor, (*listening)->local().port, &destroyed, &outcome);
    targets.push_back(reader);
    auto accepted = co_await accept(**listening);
    co_await self.sleep(5ms);
    for (auto& each : targets) {
        park(self.core(), each.address());
        each.tell(poke{1});
    }
    co_await self.sleep(5ms);
    EXPECT_EQ(destroyed, 0);
    for (auto& each : targets) {
        self.stop(each);
    }
    co_await self.sleep(5ms);
    for (auto& each : targets) {
        EXPECT_TRUE(gone(self, each.address()));
    }
    EXPECT_EQ(destroyed, 9);
}

behavior<pokes> parent_of_slow_child(context<pokes> self, worker* pool, int* starts,
                                     int* destroyed) {
    ++*starts;
    static_cast<void>(self.spawn(working_actor, pool, destroyed));
    auto message = co_await self.receive();
    if (message.get_if<fall>()) {
        throw std::runtime_error{"planned"};
    }
}

CO_TEST(stop, wins_over_a_restart_that_waits_for_children) {
    auto pool = self.core().world().start_worker("test");
    int starts = 0;
    int destroyed = 0;
    auto target = self.spawn_with({.supervision = supervision{restart_options{.backoff = 0ms}}},
                                  parent_of_slow_child, pool.get(), &starts, &destroyed);
    co_await self.yield();
    co_await self.yield();
    target.tell(fall{});
    co_await self.yield();
    co_await self.yield();
    EXPECT_FALSE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 0);
    self.stop(target);
    co_await self.sleep(10ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(starts, 1);
}

CO_TEST(stop, wins_over_mail_that_waits_for_children) {
    auto pool = self.core().world().start_worker("test");
    int starts = 0;
    int destroyed = 0;
    auto target = self.spawn_with({.restart_for_mail = true}, parent_of_slow_child, pool.get(),
                                  &starts, &destroyed);
    co_await self.yield();
    co_await self.yield();
    target.tell(leave{});
    target.tell(poke{1});
    co_await self.yield();
    co_await self.yield();
    EXPECT_FALSE(gone(self, target.address()));
    self.stop(target);
    co_await self.sleep(10ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(starts, 1);
}

CO_TEST(mail, that_comes_while_children_end_is_not_lost_by_a_restart) {
    auto pool = self.core().world().start_worker("test");
    int starts = 0;
    int destroyed = 0;
    auto target = self.spawn_with({.restart_for_mail = true}, parent_of_slow_child, pool.get(),
                                  &starts, &destroyed);
    co_await self.yield();
    co_await self.yield();
    target.tell(leave{});
    co_await self.yield();
    co_await self.yield();
    target.tell(leave{});
    co_await self.sleep(20ms);
    EXPECT_EQ(starts, 2);
    EXPECT_TRUE(gone(self, target.address()));
}

behavior<pokes> escalating_parent(context<pokes> self, int* starts, int* destroyed,
                                  ref<pokes>* child) {
    ++*starts;
    *child =
        self.spawn_with({.supervision = supervision{directive::escalate}}, idle_actor, destroyed);
    auto message = co_await self.receive();
}

CO_TEST(park, holds_also_for_an_actor_that_begins_again) {
    int starts = 0;
    int destroyed = 0;
    auto child = ref<pokes>{};
    auto target = self.spawn_with({.supervision = supervision{restart_options{.backoff = 0ms}}},
                                  escalating_parent, &starts, &destroyed, &child);
    co_await self.sleep(1ms);
    park(self.core(), target.address());
    child.tell(fall{});
    co_await self.sleep(10ms);
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(starts, 1);
    unpark(self.core(), target.address());
    co_await self.sleep(1ms);
    EXPECT_EQ(starts, 2);
}

behavior<pokes> fails_with(context<pokes> self, bool logic) {
    auto message = co_await self.receive();
    if (logic) {
        throw std::logic_error{"planned"};
    }
    throw std::runtime_error{"planned"};
}

behavior<pokes> escalates_twice(context<pokes> self, int depth, bool logic, int* starts,
                                ref<pokes>* leaf) {
    ++*starts;
    auto options = spawn_options{.supervision = directive::escalate};
    if (depth > 0) {
        static_cast<void>(
            self.spawn_with(options, escalates_twice, depth - 1, logic, starts, leaf));
    } else {
        *leaf = self.spawn_with(options, fails_with, logic);
    }
    auto message = co_await self.receive();
}

CO_TEST(supervision, asks_the_rules_of_every_ancestor_about_the_exception_itself) {
    for (bool logic : {false, true}) {
        int starts = 0;
        auto leaf = ref<pokes>{};
        auto rules = supervision{directive::stop}
                         .on<std::logic_error>(directive::restart)
                         .limit({.backoff = 0ms});
        auto top =
            self.spawn_with({.supervision = rules}, escalates_twice, 1, logic, &starts, &leaf);
        co_await self.sleep(1ms);
        EXPECT_EQ(starts, 2);
        leaf.tell(fall{});
        co_await self.sleep(1ms);
        EXPECT_EQ(starts, logic ? 4 : 2);
        EXPECT_EQ(gone(self, top.address()), !logic);
        self.stop(top);
        co_await self.sleep(1ms);
    }
}

// -- destructors that do things -------------------------------------------------------------------

struct spawns_at_the_end {
    context<pokes> self;
    int* destroyed;
    ref<pokes>* born;
    spawns_at_the_end(context<pokes> owner, int* count, ref<pokes>* child)
        : self{owner}, destroyed{count}, born{child} {}
    spawns_at_the_end(const spawns_at_the_end&) = delete;
    spawns_at_the_end& operator=(const spawns_at_the_end&) = delete;
    ~spawns_at_the_end() { *born = self.spawn(idle_actor, destroyed); }
};

behavior<pokes> spawning_destructor(context<pokes> self, int* destroyed, ref<pokes>* born,
                                    bool named) {
    auto guard = spawns_at_the_end{self, destroyed, born};
    if (named) {
        static_cast<void>(self.spawn(idle_actor, destroyed));
    }
    auto message = co_await self.receive();
}

CO_TEST(stop, takes_along_a_child_that_a_destructor_spawned) {
    for (bool named : {false, true}) {
        int destroyed = 0;
        auto born = ref<pokes>{};
        auto target = self.spawn(spawning_destructor, &destroyed, &born, named);
        co_await self.sleep(1ms);
        self.watch(target);
        self.stop(target);
        auto news = co_await self.receive_for(10ms);
        CO_ASSERT_TRUE(news);
        CO_ASSERT_TRUE(born);
        EXPECT_TRUE(gone(self, born.address()));
        EXPECT_TRUE(gone(self, target.address()));
    }
}

CO_TEST(stop, without_a_watcher_takes_along_a_child_that_a_destructor_spawned) {
    int destroyed = 0;
    auto born = ref<pokes>{};
    auto target = self.spawn(spawning_destructor, &destroyed, &born, false);
    co_await self.sleep(1ms);
    self.stop(target);
    co_await self.sleep(1ms);
    CO_ASSERT_TRUE(born);
    EXPECT_TRUE(gone(self, born.address()));
    EXPECT_TRUE(gone(self, target.address()));
}

struct starts_at_the_end {
    context<pokes> self;
    int* destroyed;
    starts_at_the_end(context<pokes> owner, int* count) : self{owner}, destroyed{count} {}
    starts_at_the_end(const starts_at_the_end&) = delete;
    starts_at_the_end& operator=(const starts_at_the_end&) = delete;
    ~starts_at_the_end() { self.start(sleep_guarded(destroyed)); }
};

CO_TEST(stop, drops_a_task_that_a_destructor_started) {
    struct actor {
        static behavior<pokes> run(context<pokes> self, int* destroyed) {
            auto guard = starts_at_the_end{self, destroyed};
            auto message = co_await self.receive();
        }
    };
    int destroyed = 0;
    auto target = self.spawn(actor::run, &destroyed);
    co_await self.sleep(1ms);
    self.stop(target);
    co_await self.sleep(1ms);
    EXPECT_TRUE(gone(self, target.address()));
    EXPECT_EQ(destroyed, 0);  // it never began
}

// -- child tasks ----------------------------------------------------------------------------------

task<void> failing_task(duration after) {
    co_await sleep_for{after};
    throw std::runtime_error{"task failed"};
}

CO_TEST(start, a_task_that_fails_fails_its_actor) {
    struct actor {
        static behavior<pokes> run(context<pokes> self, int* destroyed) {
            auto guard = trace{destroyed};
            self.start(failing_task(2ms));
            for (;;) {
                auto message = co_await self.receive();
            }
        }
    };
    int destroyed = 0;
    auto target = self.spawn(actor::run, &destroyed);
    self.watch(target);
    auto news = co_await self.receive_for(10ms);
    CO_ASSERT_TRUE(news);
    auto end = news->get_if<terminated>();
    EXPECT_EQ(end->reason, exit_reason::failed);
    CO_ASSERT_TRUE(end->why);
    EXPECT_EQ(end->why->what, "task failed");
    EXPECT_EQ(destroyed, 1);
}

task<int> child_that_throws() {
    co_await sleep_for{1ms};
    throw std::logic_error{"child"};
}

CO_TEST(exception, of_a_child_task_arrives_at_its_await) {
    auto caught = std::string{};
    try {
        static_cast<void>(co_await child_that_throws());
    } catch (const std::logic_error& failure) {
        caught = failure.what();
    }
    EXPECT_EQ(caught, "child");
}

task<int> inner_any(int* destroyed) {
    auto first = co_await when_any(sleep_guarded(destroyed), sleep_guarded(destroyed));
    co_return static_cast<int>(first.index());
}

task<int> ready_soon() {
    co_await sleep_for{2ms};
    co_return 1;
}

CO_TEST(when_any, cancels_what_a_cancelled_task_waits_for) {
    int destroyed = 0;
    auto first = co_await when_any(inner_any(&destroyed), ready_soon());
    EXPECT_EQ(first.index(), 1U);
    EXPECT_EQ(destroyed, 2);
    EXPECT_EQ(self.core().timers().armed(), 0U);
}

task<void> busy_guarded(int* destroyed) {
    auto guard = trace{destroyed};
    for (;;) {
        co_await yield{};
    }
}

task<void> work_guarded(worker* pool, int* destroyed) {
    auto guard = trace{destroyed};
    co_await run_on(*pool, [] {});
    co_await sleep_for{1h};
}

task<void> inner_mix(worker* pool, int* destroyed) {
    co_await when_any(busy_guarded(destroyed), work_guarded(pool, destroyed),
                      sleep_guarded(destroyed));
}

task<void> yields(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield{};
    }
}

CO_TEST(when_any, waits_for_ready_and_pending_lines_below_a_cancelled_task) {
    auto pool = self.core().world().start_worker("test");
    for (int times = 1; times < 6; ++times) {
        int destroyed = 0;
        auto first = co_await when_any(inner_mix(pool.get(), &destroyed), yields(times));
        EXPECT_EQ(first.index(), 1U);
        EXPECT_LE(destroyed, 3);
        co_await self.sleep(1ms);
        EXPECT_EQ(self.core().timers().armed(), 0U);
    }
}

CO_TEST(with_timeout, nests) {
    int destroyed = 0;
    auto inner = with_timeout(1h, sleep_guarded(&destroyed));
    auto outer = co_await with_timeout(5ms, std::move(inner));
    EXPECT_FALSE(outer.has_value());
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(self.core().timers().armed(), 0U);
}

task<bool> timed_in_task(context<pokes> self, duration length) {
    auto message = co_await self.receive_for(length);
    co_return message.has_value();
}

behavior<pokes> timed_receiver(context<pokes> self, std::vector<int>* seen) {
    for (int i = 0; i < 3; ++i) {
        auto got = co_await when_all(timed_in_task(self, 2ms));
        seen->push_back(std::get<0>(got) ? 1 : 0);
    }
}

behavior<pokes> teller(context<pokes> self, ref<pokes> target, duration at) {
    co_await self.sleep(at);
    target.tell(poke{1});
}

CO_TEST(receive_for, in_a_task_may_time_out_in_the_turn_in_which_a_message_comes) {
    // The teller's timer is armed first, so that it runs before the task whose time has passed.
    auto seen = std::vector<int>{};
    auto target = self.spawn(timed_receiver, &seen);
    static_cast<void>(self.spawn(teller, target, 2ms));
    co_await self.sleep(50ms);
    CO_ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[0] + seen[1] + seen[2], 1);
}

behavior<pokes> tell_first(context<pokes> self, ref<pokes>* target) {
    co_await self.sleep(2ms);
    target->tell(poke{1});
}

CO_TEST(receive_for, in_a_task_may_time_out_right_before_a_message_comes) {
    auto seen = std::vector<int>{};
    auto target = ref<pokes>{};
    static_cast<void>(self.spawn(tell_first, &target));
    co_await self.yield();
    co_await self.yield();
    target = self.spawn(timed_receiver, &seen);
    co_await self.sleep(50ms);
    CO_ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[0] + seen[1] + seen[2], 1);
}

CO_TEST(receive_for, takes_no_time_or_any_time) {
    auto nothing = co_await self.receive_for(0ms);
    EXPECT_FALSE(nothing.has_value());
    auto less = co_await self.receive_for(-1h);
    EXPECT_FALSE(less.has_value());
    self.self().tell(testkit::unit_message{});
    auto there = co_await self.receive_for(0ms);
    EXPECT_TRUE(there.has_value());
    self.self().tell(testkit::unit_message{});
    auto forever = co_await self.receive_for(duration::max());
    EXPECT_TRUE(forever.has_value());
    EXPECT_EQ(self.core().timers().armed(), 0U);
}

behavior<pokes> far_sleeper(context<pokes> self, bool* woke) {
    co_await self.sleep(duration::max());
    *woke = true;
}

CO_TEST(sleep, may_be_as_long_as_a_duration_is) {
    bool woke = false;
    auto target = self.spawn(far_sleeper, &woke);
    co_await self.sleep(5min);
    EXPECT_FALSE(woke);
    auto never = co_await target.ask<poke>(50ms);
    EXPECT_FALSE(never.has_value());
    self.stop(target);
    co_await self.sleep(1ms);
}

CO_TEST(ask, may_wait_as_long_as_a_duration_is) {
    int destroyed = 0;
    auto target = self.spawn(idle_actor, &destroyed);
    auto answer = co_await target.ask<poke>(duration::max(), 5);
    CO_ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, 5);
}

// Takes one request, and ends without answering it.
behavior<pokes> taking_actor(context<pokes> self, bool fails) {
    auto message = co_await self.receive();
    co_await self.sleep(5ms);
    if (fails) {
        throw std::runtime_error{"planned"};
    }
}

task<error> error_of_ask(ref<pokes> target) {
    auto answer = co_await target.ask<poke>(1s, 5);
    co_return answer ? error{errc::ok} : answer.error();
}

CO_TEST(ask, that_no_actor_took_was_certainly_not_executed) {
    for (bool fails : {false, true}) {
        auto target = self.spawn(taking_actor, fails);
        auto [taken, left] = co_await when_all(error_of_ask(target), error_of_ask(target));
        EXPECT_NE(taken, errc::ok);
        EXPECT_EQ(taken.executed(), executed::maybe) << taken.message();
        EXPECT_EQ(left, errc::terminated);
        EXPECT_EQ(left.executed(), executed::no);
        auto gone_already = co_await error_of_ask(target);
        EXPECT_EQ(gone_already, errc::terminated);
        EXPECT_EQ(gone_already.executed(), executed::no);
        auto sent = co_await target.send(poke{1});
        CO_ASSERT_FALSE(sent.has_value());
        EXPECT_EQ(sent.error().executed(), executed::no);
    }
}

CO_TEST(ask, whose_deadline_has_passed_was_certainly_not_executed) {
    int destroyed = 0;
    auto target = self.spawn(idle_actor, &destroyed);
    auto answer = co_await target.ask<poke>(-1s, 5);
    CO_ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error(), errc::timeout);
    EXPECT_EQ(answer.error().executed(), executed::no);
    EXPECT_EQ(self.core().pending().size(), 0U);
    EXPECT_EQ(self.core().timers().armed(), 0U);
}

}  // namespace
}  // namespace cohort
