// Slots, pending asks, pools and the way between cores.
#include <cohort/runtime/core.hpp>

#include <cstring>
#include <set>
#include <thread>

#include <cohort/task/combinators.hpp>
#include <cohort/testkit/co_test.hpp>

namespace cohort {
namespace {

// -- slots ----------------------------------------------------------------------------------------

TEST(cells, are_reused_first_in_first_out_with_a_new_generation) {
    auto node = deterministic{};
    auto& here = node.system().runtime().at(0);
    auto first = here.acquire_cell().address();
    auto second = here.acquire_cell().address();
    EXPECT_NE(first.slot(), second.slot());
    here.release_cell(*here.find(first));
    here.release_cell(*here.find(second));
    EXPECT_EQ(here.find(first), nullptr);
    EXPECT_EQ(here.live_cells(), 0U);
    auto third = here.acquire_cell().address();
    EXPECT_EQ(third.slot(), first.slot());
    EXPECT_EQ(third.generation(), first.generation() + 1);
    EXPECT_EQ(here.find(first), nullptr);
    ASSERT_NE(here.find(third), nullptr);
    auto fourth = here.acquire_cell().address();
    EXPECT_EQ(fourth.slot(), second.slot());
    here.release_cell(*here.find(third));
    here.release_cell(*here.find(fourth));
}

TEST(cells, whose_generation_wraps_are_never_used_again) {
    auto node = deterministic{};
    auto& here = node.system().runtime().at(0);
    auto& slot = here.acquire_cell();
    auto number = slot.address().slot();
    slot.main.generation = ~0U;
    auto last = slot.address();
    here.release_cell(slot);
    EXPECT_EQ(here.find(last), nullptr);
    auto next = here.acquire_cell().address();
    EXPECT_NE(next.slot(), number);
    here.release_cell(*here.find(next));
    // A null handle has generation 0 as well: nothing piles up in the retired slot.
    auto letters = here.counters().dead_letters.value();
    auto* outer = std::exchange(current_core, &here);
    here.deliver(handle{}, make_node<tell_node<int>>(tell_type<int>, 1));
    current_core = outer;
    EXPECT_EQ(here.counters().dead_letters.value(), letters + 1);
}

// -- pending asks ---------------------------------------------------------------------------------

TEST(pending_table, finds_an_ask_until_it_ended_and_never_another) {
    auto table = pending_table{3};
    auto first = pending_answer{};
    auto address = table.add(first);
    EXPECT_EQ(address.core(), 3U);
    EXPECT_EQ(table.find(address), &first);
    table.remove(address);
    EXPECT_EQ(table.find(address), nullptr);
    auto second = pending_answer{};
    auto other = table.add(second);
    EXPECT_EQ(other.slot(), address.slot());
    EXPECT_EQ(table.find(address), nullptr);
    EXPECT_EQ(table.find(other), &second);
    EXPECT_EQ(table.size(), 1U);
    EXPECT_EQ(table.find(handle::of(3U << 24 | 77, 1)), nullptr);
    table.remove(other);
}

TEST(pending_table_death, notices_an_ask_that_is_removed_twice) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    auto table = pending_table{0};
    auto answer = pending_answer{};
    auto address = table.add(answer);
    table.remove(address);
    EXPECT_DEATH(table.remove(address), "a pending ask is removed once");
}

// -- the pool -------------------------------------------------------------------------------------

TEST(frame_pool, gives_distinct_aligned_blocks_of_every_size) {
    auto& pool = frame_pool::local();
    auto before = pool.bytes_in_use();
    auto blocks = std::vector<std::pair<void*, std::size_t>>{};
    auto seen = std::set<void*>{};
    for (int round = 0; round < 3; ++round) {
        for (std::size_t size = 1; size <= 3000; size += 7) {
            auto* block = pool.allocate(size);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 16, 0U);
            EXPECT_TRUE(seen.insert(block).second);
            std::memset(block, 0x5a, size);
            blocks.emplace_back(block, size);
        }
    }
    EXPECT_GT(pool.bytes_in_use(), before);
    for (auto [block, size] : blocks) {
        pool.release(block, size);
    }
    EXPECT_EQ(pool.bytes_in_use(), before);
}

TEST(frame_pool, takes_blocks_of_other_threads_and_is_handed_on) {
    static_cast<void>(frame_pool::local());  // this thread has one already
    void* block = nullptr;
    frame_pool* first = nullptr;
    std::thread{[&] {
        first = &frame_pool::local();
        block = first->allocate(100);
    }}.join();
    frame_pool::local().release(block, 100);
    frame_pool* second = nullptr;
    std::thread{[&] { second = &frame_pool::local(); }}.join();
    EXPECT_EQ(first, second);
    EXPECT_NE(first, &frame_pool::local());
}

// -- between cores --------------------------------------------------------------------------------

struct number {
    using reply = int;
    int value = 0;
};
struct blob {
    using reply = int;
    std::array<std::byte, 20'000> content{};
    int value = 0;
};
struct finish {};
using numbers = protocol<number, blob, finish>;

behavior<numbers> collect(context<numbers> self, std::vector<int>* seen) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto one = message.get_if<number>()) {
            seen->push_back(one->value);
            one.reply(one->value * 2);
        } else if (auto large = message.get_if<blob>()) {
            seen->push_back(large->value);
        } else {
            co_return;
        }
    }
}

behavior<numbers> send_many(context<numbers> self, ref<numbers> target, int count,
                            bool with_blobs) {
    for (int i = 0; i < count; ++i) {
        if (with_blobs && i % 50 == 0) {
            target.tell(blob{{}, i});
        } else {
            target.tell(number{i});
        }
    }
    co_return;
}

TEST(cores, keep_the_order_of_one_sender_through_ring_and_overflow) {
    auto node = deterministic{{.cores = 2}};
    auto seen = std::vector<int>{};
    auto target = node.system().spawn_on_with(1, {.mailbox_limit = 60'000}, &collect, &seen);
    static_cast<void>(node.system().spawn_on(0, &send_many, target, 20'000, true));
    node.run_for(1s);
    ASSERT_EQ(seen.size(), 20'000U);
    for (int i = 0; i < 20'000; ++i) {
        ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
    }
    EXPECT_GT(node.system().runtime().at(0).counters().ring_overflow.value(), 0U);
    EXPECT_EQ(node.system().runtime().at(0).counters().ring_refused.value(), 0U);
}

TEST(cores, refuse_and_count_what_the_overflow_has_no_room_for) {
    auto node = deterministic{{.cores = 2}};
    auto seen = std::vector<int>{};
    auto target = node.system().spawn_on_with(1, {.mailbox_limit = 60'000}, &collect, &seen);
    struct flood {
        static behavior<numbers> run(context<numbers> self, ref<numbers> to, int* refused_asks) {
            for (int i = 0; i < 1000; ++i) {
                to.tell(blob{{}, i});
            }
            auto answer = co_await to.ask<blob>(1s);
            if (!answer && answer.error() == errc::overloaded &&
                answer.error().executed() == executed::no) {
                ++*refused_asks;
            }
            // Orders that must arrive are taken nevertheless.
            self.stop(to);
        }
    };
    int refused_asks = 0;
    static_cast<void>(node.system().spawn_on(0, &flood::run, target, &refused_asks));
    node.run_for(1s);
    auto refused = node.system().runtime().at(0).counters().ring_refused.value();
    EXPECT_GT(refused, 1U);
    EXPECT_EQ(refused_asks, 1);
    EXPECT_EQ(node.system().runtime().at(1).find(target.address()), nullptr);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        ASSERT_EQ(seen[i], static_cast<int>(i));
    }
}

behavior<numbers> use_everything(context<numbers> self, ref<numbers> target,
                                 std::vector<std::string>* log) {
    self.watch(target);
    target.tell(number{1});
    auto answer = co_await target.ask<number>(1s, 2);
    log->push_back(answer ? std::to_string(*answer) : answer.error().message());
    auto sent = co_await target.send(number{3});
    log->push_back(sent ? "sent" : sent.error().message());
    self.stop(target);
    auto message = co_await self.receive_for(1s);
    log->push_back(message && message->get_if<terminated>() ? "terminated" : "silence");
    auto late = co_await target.ask<number>(1s, 4);
    auto sure = late.error().executed() == executed::no ? ", not executed" : "";
    log->push_back(std::string{name(late.error().code())} + sure);
    auto refused = co_await target.send(number{5});
    log->push_back(std::string{name(refused.error().code())});
    self.watch(target);
    auto again = co_await self.receive_for(1s);
    log->push_back(again && again->get_if<terminated>() ? "terminated" : "silence");
    target.tell(number{6});
}

TEST(cores, tell_ask_send_watch_and_stop_each_others_actors) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        auto node = deterministic{{.world = {.seed = seed}, .cores = 3}};
        auto seen = std::vector<int>{};
        auto log = std::vector<std::string>{};
        auto target = node.system().spawn_on(2, &collect, &seen);
        static_cast<void>(node.system().spawn_on(1, &use_everything, target, &log));
        node.run_for(5s);
        EXPECT_EQ(seen, (std::vector{1, 2, 3}));
        EXPECT_EQ(log,
                  (std::vector<std::string>{"4", "sent", "terminated", "terminated, not executed",
                                            "terminated", "terminated"}));
        EXPECT_EQ(node.system().runtime().at(2).counters().dead_letters.value(), 3U);
    }
}

task<void> send_one(ref<numbers> target, int value) {
    static_cast<void>(co_await target.send(number{value}));
}

behavior<numbers> give_up_sending(context<numbers> self, ref<numbers> target, int times) {
    for (int i = 0; i < times; ++i) {
        static_cast<void>(co_await with_timeout(2ms, send_one(target, 100 + i)));
    }
    static_cast<void>(co_await target.send(number{1}));
}

behavior<numbers> collect_late(context<numbers> self, duration wait, std::vector<int>* seen) {
    co_await self.sleep(wait);
    for (;;) {
        auto message = co_await self.receive();
        seen->push_back(message.get_if<number>()->value);
    }
}

TEST(cores, take_back_what_a_sender_gave_up_to_send) {
    for (std::uint32_t from : {0U, 1U}) {
        auto node = deterministic{{.cores = 2}};
        auto seen = std::vector<int>{};
        auto target = node.system().spawn_on_with(0, {.mailbox_limit = 1}, &collect_late,
                                                  duration{500ms}, &seen);
        static_cast<void>(node.system().spawn_on(0, &send_many, target, 1, false));
        node.run_for(1ms);
        static_cast<void>(node.system().spawn_on(from, &give_up_sending, target, 50));
        static_cast<void>(node.system().spawn_on(from, &give_up_sending, target, 0));
        node.run_for(400ms);
        auto* actor = node.system().runtime().at(0).find(target.address());
        ASSERT_NE(actor, nullptr);
        EXPECT_EQ(actor->cold->senders.size(), 2U) << "as many as still wait";
        node.run_for(200ms);
        EXPECT_EQ(seen, (std::vector{0, 1, 1})) << from;
        EXPECT_TRUE(actor->cold->senders.empty());
        EXPECT_EQ(actor->main.flags & fiber::senders_wait, 0);
        EXPECT_EQ(node.system().runtime().at(from).pending().size(), 0U);
    }
}

template <class Action>
void on(core& here, Action action) {
    auto* outer = std::exchange(current_core, &here);
    action();
    current_core = outer;
}

TEST(cores, do_not_take_the_time_of_spinning_for_work) {
    auto seen = std::vector<int>{};  // outlives the node, which delivers what is left when it ends
    // Cores spin only where each has a processor of its own.
    auto node = deterministic{{.world = {.processors = 2}, .cores = 2}};
    auto& sender = node.system().runtime().at(0);
    auto& receiver = node.system().runtime().at(1);
    auto target = node.system().spawn_on_with(1, {.mailbox_limit = 5000}, &collect, &seen);
    auto tell = [&](int count) {
        on(sender, [&] {
            for (int i = 0; i < count; ++i) {
                target.tell(number{i});
            }
            sender.turn();
        });
    };
    auto turn = [&](duration length) {
        on(receiver, [&] { receiver.turn(); });
        node.world().advance(length);
    };
    turn(1us);
    for (int i = 0; i < 100; ++i) {
        turn(1us);  // finds nothing, so the core spins
        tell(32);
        node.world().advance(30us);
        on(receiver, [&] { receiver.idle(); });
        turn(3us);
    }
    turn(1us);
    seen.clear();
    tell(1000);
    turn(1us);
    EXPECT_GT(seen.size(), 900U) << "32 messages took 3 us: a turn has time for many more";
    // What really takes long still makes turns shorter.
    for (int i = 0; i < 100; ++i) {
        turn(1us);
        tell(32);
        on(receiver, [&] { receiver.idle(); });
        turn(320us);
    }
    turn(1us);
    seen.clear();
    tell(1000);
    turn(1us);
    EXPECT_LT(seen.size(), 100U);
    EXPECT_EQ(receiver.counters().sleeps.value(), 0U) << "spinning found every message";
}

behavior<numbers> wait_for_end(context<numbers> self, ref<numbers> target) {
    self.watch(target);
    for (;;) {
        auto message = co_await self.receive();
    }
}

TEST(cores, forget_a_watcher_that_ended_before_what_it_watched) {
    auto node = deterministic{{.cores = 2}};
    auto seen = std::vector<int>{};
    auto target = node.system().spawn_on(1, &collect, &seen);
    auto watcher = node.system().spawn_on(0, &wait_for_end, target);
    node.run_for(1ms);
    auto* cold = node.system().runtime().at(1).find(target.address())->cold;
    ASSERT_NE(cold, nullptr);
    node.system().stop(watcher);
    node.run_for(1ms);
    node.system().stop(target);
    node.run_for(1ms);
    EXPECT_EQ(node.system().runtime().at(0).live_cells(), 0U);
    EXPECT_EQ(node.system().runtime().at(1).live_cells(), 0U);
}

}  // namespace
}  // namespace cohort
