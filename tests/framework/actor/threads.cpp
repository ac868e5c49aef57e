// Real threads: what the deterministic node cannot show. Bounded by counts, never by time.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <regex>
#include <thread>

#include <gtest/gtest.h>

#include <cohort/actor/system.hpp>
#include <cohort/runtime/observe.hpp>
#include <cohort/task/combinators.hpp>

namespace cohort {
namespace {

struct add {
    using reply = int;
    int amount = 0;
};
struct block {};
struct crash {};
using counter = protocol<add, block, crash>;

behavior<counter> count(context<counter> self) {
    int sum = 0;
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<add>()) {
            sum += request->amount;
            request.reply(sum);
        }
    }
}

TEST(threads, tell_and_ask_from_outside) {
    auto node = system{{.cores = 2}};
    auto first = node.spawn_on(0, count);
    ASSERT_TRUE(node.start());
    auto second = node.spawn_on(1, count);
    for (int i = 0; i < 100; ++i) {
        node.tell(first, add{1});
        node.tell(second, add{2});
    }
    auto one = node.ask<add>(first, 60s, 0).get();
    auto two = node.ask<add>(second, 60s, 0).get();
    ASSERT_TRUE(one);
    ASSERT_TRUE(two);
    EXPECT_EQ(*one, 100);
    EXPECT_EQ(*two, 200);
    node.stop(first);
    auto gone = node.ask<add>(first, 60s, 0).get();
    ASSERT_FALSE(gone.has_value());
    EXPECT_EQ(gone.error(), errc::terminated);
}

TEST(threads, ask_from_outside_moves_no_memory_from_one_pool_to_another) {
    auto node = system{{.cores = 1}};
    ASSERT_TRUE(node.start());
    auto target = node.spawn(count);
    auto ask_some = [&] {
        for (int i = 0; i < 20; ++i) {
            ASSERT_TRUE(node.ask<add>(target, 60s, 1).get());
        }
    };
    auto used_on_core = [&] {
        std::ptrdiff_t used = 0;
        node.on_core(0, [&](core&) { used = frame_pool::local().bytes_in_use(); });
        return used;
    };
    // What it waits with it takes at its first rest, once.
    auto has_rested = [&] {
        bool rested = false;
        node.on_core(0, [&](core& it) { rested = it.counters().sleeps.value() != 0; });
        return rested;
    };
    while (!has_rested()) {
        std::this_thread::yield();
    }
    ask_some();
    auto here = frame_pool::local().bytes_in_use();
    auto there = used_on_core();
    ask_some();
    EXPECT_EQ(frame_pool::local().bytes_in_use(), here);
    EXPECT_EQ(used_on_core(), there);
}

behavior<counter> bounce(context<counter> self, ref<counter> other, int times,
                         std::promise<int>* done) {
    int last = 0;
    for (int i = 0; i < times; ++i) {
        auto answer = co_await other.ask<add>(60s, 1);
        if (!answer) {
            break;
        }
        last = *answer;
    }
    done->set_value(last);
}

TEST(threads, ask_between_cores_both_ways) {
    auto node = system{{.cores = 2}};
    ASSERT_TRUE(node.start());
    auto zero = node.spawn_on(0, count);
    auto one = node.spawn_on(1, count);
    auto there = std::promise<int>{};
    auto back = std::promise<int>{};
    node.spawn_on(0, bounce, one, 2000, &there);
    node.spawn_on(1, bounce, zero, 2000, &back);
    EXPECT_EQ(there.get_future().get(), 2000);
    EXPECT_EQ(back.get_future().get(), 2000);
}

TEST(threads, who_asks_a_node_that_ends_hears_of_it) {
    auto node = system{{.cores = 2}};
    ASSERT_TRUE(node.start());
    struct deaf {
        static behavior<counter> run(context<counter> self) {
            auto message = co_await self.receive();
            co_await self.sleep(1h);
        }
    };
    auto target = node.spawn_on(1, deaf::run);
    auto answer = node.ask<add>(target, 1h, 1);
    node.shutdown();
    EXPECT_EQ(node.join(), 0);
    auto outcome = answer.get();
    ASSERT_FALSE(outcome.has_value());
    // After the end nobody waits in vain either.
    auto late = node.ask<add>(target, 1h, 1).get();
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error(), errc::terminated);
    EXPECT_THROW(node.spawn(count), std::future_error);
}

struct recorded {
    std::mutex mutex;
    std::vector<std::string> lines;
    void add(const runtime_event& event) {
        auto guard = std::lock_guard{mutex};
        lines.push_back(std::string{event.what} + ": " + event.actor + ": " + event.detail);
    }
    bool has(std::string_view what, std::string_view who) {
        auto guard = std::lock_guard{mutex};
        for (const auto& each : lines) {
            if (each.find(what) != std::string::npos && each.find(who) != std::string::npos) {
                return true;
            }
        }
        return false;
    }
};

struct phase final : extension {
    phase(std::vector<std::string>* target, std::string text, int how)
        : log{target}, label{std::move(text)}, kind{how} {}
    std::string_view name() const noexcept override { return label; }
    result<void> start(system&) override {
        log->push_back("start " + label);
        return {};
    }
    task<void> stop() override {
        log->push_back("stop " + label);
        co_await sleep_for{1ms};
        if (kind == 1) {
            throw std::runtime_error{"cannot stop"};
        }
        if (kind == 2) {
            co_await sleep_for{1h};
        }
        log->push_back("stopped " + label);
    }
    std::vector<std::string>* log;
    std::string label;
    int kind;
};

TEST(threads, shutdown_stops_extensions_in_reverse_whatever_they_do) {
    auto log = std::vector<std::string>{};
    auto events = recorded{};
    {
        auto node = system{{.cores = 2, .stop_grace = 50ms, .shutdown_grace = 350ms}};
        node.runtime().on_event([&](const runtime_event& event) { events.add(event); });
        node.use(phase{&log, "plain", 0});
        node.use(phase{&log, "failing", 1});
        node.use(phase{&log, "slow", 2});
        ASSERT_TRUE(node.start());
        EXPECT_TRUE(node.ready());
        node.shutdown();
        node.shutdown();
        EXPECT_FALSE(node.ready());
        EXPECT_EQ(node.join(), 0);
    }
    EXPECT_EQ(log,
              (std::vector<std::string>{"start plain", "start failing", "start slow", "stop slow",
                                        "stop failing", "stop plain", "stopped plain"}));
    EXPECT_TRUE(events.has("shutdown phase timed out", "slow"));
    EXPECT_TRUE(events.has("shutdown phase failed", "failing"));
}

behavior<counter> hog(context<counter> self, std::atomic<bool>* release) {
    // Holds its core in slices that get longer until one was noticed.
    for (int i = 0; i < 4000 && !*release; ++i) {
        for (int spins = 0; spins < 50'000 * (i + 1) && !*release; ++spins) {
        }
        co_await self.yield();
    }
}

TEST(threads, the_watchdog_names_the_actor_that_holds_its_core) {
    auto events = recorded{};
    auto noticed = std::atomic<bool>{false};
    auto node = system{{.cores = 2, .slow_slice = 1ms}};
    node.runtime().on_event([&](const runtime_event& event) {
        events.add(event);
        if (event.what == "slow slice") {
            noticed = true;
            noticed.notify_all();
        }
    });
    ASSERT_TRUE(node.start());
    node.spawn_on(1, hog, &noticed);
    noticed.wait(false);
    EXPECT_TRUE(events.has("slow slice", "hog@1."));
}

behavior<counter> stuck(context<counter> self, worker* pool, std::promise<void>* entered,
                        std::shared_future<void> release) {
    co_await run_on(*pool, [entered, release] {
        entered->set_value();
        release.wait();
    });
}

behavior<counter> failing(context<counter> self) {
    auto message = co_await self.receive();
    throw std::runtime_error{"planned\nlevel=forged"};
}

// What a node prints when one of its actors fails.
std::string printed_by_a_failure(const std::function<void(system&)>& prepare) {
    testing::internal::CaptureStderr();
    {
        auto node = system{{.cores = 2, .node_name = "blue"}};
        prepare(node);
        EXPECT_TRUE(node.start());
        auto target = node.spawn_on_with(1, {.name = "clumsy"}, failing);
        auto answer = node.ask<add>(target, 60s, 1).get();
        EXPECT_FALSE(answer.has_value());
    }
    return testing::internal::GetCapturedStderr();
}

TEST(threads, a_failure_is_printed_where_no_log_is_connected) {
    auto printed = printed_by_a_failure([](system&) {});
    EXPECT_EQ(std::count(printed.begin(), printed.end(), '\n'), 1) << printed;
    auto expected = std::regex{
        "level=error .*actor failed.* node=blue core=1 actor=clumsy@1[.]0[.]1 "
        "detail=\"std::runtime_error: planned.nlevel=forged\""};
    EXPECT_TRUE(std::regex_search(printed, expected)) << printed;
}

TEST(threads, a_failure_goes_to_the_log_that_is_connected_instead) {
    auto lines = std::vector<std::string>{};
    auto mutex = std::mutex{};
    auto printed = printed_by_a_failure([&](system& node) {
        auto write = [&](std::string_view line) {
            auto guard = std::lock_guard{mutex};
            lines.emplace_back(line);
        };
        auto clock = [&world = node.world()] { return world.wall_now(); };
        log_runtime_events(node.runtime(),
                           std::make_shared<logger>(log_options{}, clock, std::move(write)));
    });
    EXPECT_EQ(printed, "");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_NE(lines[0].find("clumsy@1.0.1"), std::string::npos) << lines[0];
    EXPECT_EQ(printed_by_a_failure([](system& node) { node.runtime().on_event({}); }), "");
}

TEST(threads_death, an_operation_that_ignores_cancellation_is_abandoned_after_the_grace) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    // In a process of its own: what is abandoned is never destroyed, which is a leak by intent.
    auto run = [] {
        auto events = recorded{};
        auto entered = std::promise<void>{};
        auto release = std::promise<void>{};
        auto node = system{{.cores = 2, .stop_grace = 20ms}};
        node.runtime().on_event([&](const runtime_event& event) { events.add(event); });
        auto pool = node.world().start_worker("stuck");
        bool started = node.start().has_value();
        node.spawn_on(1, stuck, pool.get(), &entered, release.get_future().share());
        entered.get_future().wait();
        node.shutdown();
        auto code = node.join();
        bool told = events.has("operation ignores cancellation", "stuck@1.");
        // The call comes back after its core has ended.
        release.set_value();
        pool.reset();
        std::fprintf(stderr, "started %d, ended with %d, told %d\n", started, code, told);
        std::_Exit(0);
    };
    EXPECT_EXIT(run(), testing::ExitedWithCode(0), "started 1, ended with 0, told 1");
}

behavior<counter> asserting(context<counter> self) {
    auto message = co_await self.receive();
    COHORT_ASSERT(message.get_if<crash>(), "this is planned");
}

template <class Function>
void crash_in(Function function) {
    install_crash_handler();
    auto node = system{{.cores = 2, .node_name = "blue"}};
    static_cast<void>(node.start());
    auto target = node.spawn_on(1, function);
    node.tell(target, add{1});
    static_cast<void>(node.join());
}

TEST(threads_death, a_failed_assertion_names_node_core_and_actor) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(crash_in(asserting),
                 "this is planned(.|\n)*node blue, core 1, running .*asserting@1");
}

#ifndef COHORT_POOL_MALLOC  // sanitizers bring crash handlers of their own
behavior<counter> broken(context<counter> self) {
    auto message = co_await self.receive();
    volatile int* nothing = nullptr;
    *nothing = 1;
}

TEST(threads_death, a_crash_names_node_core_and_actor) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(crash_in(broken), "fatal signal(.|\n)*node blue, core 1, running .*broken@1");
}
#endif

// -- stress ---------------------------------------------------------------------------------------

struct hit {
    using reply = std::uint64_t;
    std::uint64_t value = 0;
};
struct die {};
struct meet {
    ref<protocol<hit, die>> who;
};
using fighter = protocol<hit, die, meet>;
using target_protocol = protocol<hit, die>;

struct scores {
    std::atomic<std::uint64_t> born{0};
    std::atomic<std::uint64_t> destroyed{0};
    std::atomic<std::uint64_t> answered{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> terminated_seen{0};
    std::atomic<std::uint64_t> watched{0};
    std::atomic<int> drivers{2};
};

struct life {
    scores* all;
    explicit life(scores* target) : all{target} { ++all->born; }
    life(const life&) = delete;
    life& operator=(const life&) = delete;
    ~life() { ++all->destroyed; }
};

behavior<target_protocol> fight(context<target_protocol> self, scores* all, std::string ballast) {
    auto alive = life{all};
    for (;;) {
        auto message = co_await self.receive();
        if (auto blow = message.get_if<hit>()) {
            if (blow->value % 7 == 0) {
                co_await self.yield();
            } else if (blow->value % 11 == 0) {
                co_await self.sleep(1ms);
            } else if (blow->value % 61 == 0) {
                throw std::runtime_error{ballast};
            }
            blow.reply(blow->value + 1);
        } else if (message.get_if<die>()) {
            co_return;
        }
    }
}

// Spawns, shows its children to the other side, and does everything to those of the other side.
behavior<fighter> drive(context<fighter> self, scores* all, std::uint64_t seed,
                        ref<fighter>* other) {
    auto dice = std::mt19937_64{seed};
    auto known = std::vector<ref<target_protocol>>{};
    auto own = std::vector<ref<target_protocol>>{};
    for (int round = 0; round < 2000; ++round) {
        while (auto message = co_await self.receive_for(0ms)) {
            if (auto found = message->get_if<meet>()) {
                known.push_back(found->who);
            } else if (message->get_if<terminated>()) {
                ++all->terminated_seen;
            }
            if (dice() % 16 == 0) {
                break;
            }
        }
        for (int i = 0; i < 20; ++i) {
            auto choice = dice() % 10;
            if (own.size() < 30 || choice == 0) {
                auto child = self.spawn(fight, all, std::string(dice() % 100, 'x'));
                own.push_back(child);
                other->tell(meet{child});
                if (own.size() > 60) {
                    self.stop(own.front());
                    own.erase(own.begin());
                }
                continue;
            }
            if (known.empty()) {
                continue;
            }
            auto& victim = known[dice() % known.size()];
            if (choice < 5) {
                victim.tell(hit{dice()});
            } else if (choice == 5) {
                auto answer =
                    co_await victim.ask<hit>(std::chrono::milliseconds{1 + dice() % 5}, dice());
                ++(answer ? all->answered : all->refused);
            } else if (choice == 6) {
                self.watch(victim);
                ++all->watched;
                if (dice() % 4 == 0) {
                    self.unwatch(victim);
                }
            } else if (choice == 7) {
                static_cast<void>(co_await victim.send(hit{dice()}));
            } else if (choice == 8 && dice() % 4 == 0) {
                self.stop(victim);
            } else {
                victim.tell(die{});
                std::swap(victim, known.back());
                known.pop_back();
            }
        }
    }
    --all->drivers;
    all->drivers.notify_all();
}

TEST(stress, two_cores_do_everything_to_each_other) {
    auto all = scores{};
    {
        auto node = system{{.cores = 2}};
        node.runtime().on_event({});  // its actors fail on purpose
        ASSERT_TRUE(node.start());
        auto refs = std::array<ref<fighter>, 2>{};
        auto ready = std::promise<void>{};
        // Both refs are there before either side reads them.
        struct gate {
            static behavior<fighter> run(context<fighter> self, scores* all, std::uint64_t seed,
                                         ref<fighter>* other) {
                auto go = co_await self.receive();
                auto worker = self.spawn(drive, all, seed, other);
                self.watch(worker);
                for (;;) {
                    auto message = co_await self.receive();
                    if (auto found = message.get_if<meet>()) {
                        worker.tell(meet{found->who});
                    }
                }
            }
        };
        refs[0] = node.spawn_on_with(0, {.name = "left"}, gate::run, &all, 1, &refs[1]);
        refs[1] = node.spawn_on_with(1, {.name = "right"}, gate::run, &all, 2, &refs[0]);
        node.tell(refs[0], die{});
        node.tell(refs[1], die{});
        for (int left = all.drivers; left != 0; left = all.drivers) {
            all.drivers.wait(left);
        }
        // Stopped under load: mailboxes, rings and timers are not empty.
        node.shutdown();
        EXPECT_EQ(node.join(), 0);
        for (std::uint32_t id = 0; id < 2; ++id) {
            EXPECT_EQ(node.runtime().at(id).live_cells(), 0U);
            EXPECT_EQ(node.runtime().at(id).pending().size(), 0U);
        }
    }
    EXPECT_EQ(all.born, all.destroyed);
    EXPECT_GT(all.answered, 0U);
    EXPECT_GT(all.terminated_seen, 0U);
    EXPECT_LE(all.terminated_seen, all.watched);
}

}  // namespace
}  // namespace cohort
