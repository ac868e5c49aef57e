#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cohort/testkit/checkers/leaks.hpp>
#include <cohort/testkit/checkers/linearizability.hpp>
#include <cohort/testkit/checkers/order.hpp>

#include "streams.hpp"

namespace cohort {
namespace {

using operation = history_operation;

verdict of(const history& seen) { return check_linearizable(seen).outcome; }

TEST(register_checker, accepts_what_follows_one_after_the_other) {
    auto seen = history{};
    seen.done(seen.read(1), operation::absent);
    seen.done(seen.write(1, 10));
    seen.done(seen.read(1), 10);
    seen.done(seen.write(1, 11));
    seen.done(seen.read(1), 11);
    EXPECT_EQ(of(seen), verdict::linearizable);
    EXPECT_EQ(of(history{}), verdict::linearizable);
}

TEST(register_checker, refuses_a_stale_read) {
    auto seen = history{};
    seen.done(seen.write(1, 10));
    seen.done(seen.write(1, 11));
    seen.done(seen.read(1), 10);
    EXPECT_EQ(of(seen), verdict::violated);
    auto forgotten = history{};
    forgotten.done(forgotten.write(1, 10));
    forgotten.done(forgotten.read(1), operation::absent);
    EXPECT_EQ(of(forgotten), verdict::violated);
}

TEST(register_checker, refuses_values_from_nowhere_and_from_the_future) {
    auto nowhere = history{};
    nowhere.done(nowhere.read(1), 99);
    EXPECT_EQ(of(nowhere), verdict::violated);
    auto early = history{};
    early.done(early.read(1), 10);
    early.done(early.write(1, 10));
    EXPECT_EQ(of(early), verdict::violated);
}

TEST(register_checker, lets_reads_that_overlap_a_write_see_either_value_but_not_go_back) {
    auto either = history{};
    either.done(either.write(1, 10));
    auto write = either.write(1, 11);
    either.done(either.read(1), 10);
    either.done(either.read(1), 11);
    either.done(write);
    EXPECT_EQ(of(either), verdict::linearizable);

    auto back = history{};
    back.done(back.write(1, 10));
    auto slow = back.write(1, 11);
    back.done(back.read(1), 11);
    back.done(back.read(1), 10);
    back.done(slow);
    EXPECT_EQ(of(back), verdict::violated);
}

TEST(register_checker, leaves_a_write_of_unknown_outcome_open) {
    auto never = history{};
    never.done(never.write(1, 10));
    static_cast<void>(never.write(1, 11));
    never.done(never.read(1), 10);
    EXPECT_EQ(of(never), verdict::linearizable);
    auto late = never;
    late.done(late.read(1), 11);
    EXPECT_EQ(of(late), verdict::linearizable);
    late.done(late.read(1), 10);
    EXPECT_EQ(of(late), verdict::violated) << "once seen it has happened";
    auto refused = history{};
    refused.done(refused.write(1, 10));
    refused.refused(refused.write(1, 11));
    refused.done(refused.read(1), 11);
    EXPECT_EQ(of(refused), verdict::violated);
}

TEST(register_checker, looks_at_each_key_alone) {
    auto seen = history{};
    seen.done(seen.write(1, 10));
    seen.done(seen.write(2, 20));
    seen.done(seen.read(1), 10);
    seen.done(seen.read(2), 20);
    EXPECT_EQ(of(seen), verdict::linearizable);
    seen.done(seen.read(2), 10);
    auto found = check_linearizable(seen);
    EXPECT_EQ(found.outcome, verdict::violated);
    EXPECT_TRUE(found.why.starts_with("key 2: ")) << found.why;
}

TEST(search_checker, knows_compare_and_set_and_erase) {
    auto good = history{};
    good.done(good.compare_and_set(1, 0, 10), 1);
    good.done(good.compare_and_set(1, 0, 11), 0);
    good.done(good.compare_and_set(1, 10, 12), 1);
    good.done(good.erase(1), 1);
    good.done(good.erase(1), 0);
    good.done(good.read(1), operation::absent);
    EXPECT_EQ(of(good), verdict::linearizable);

    auto both_win = history{};
    both_win.done(both_win.write(1, 10));
    auto one = both_win.compare_and_set(1, 10, 11);
    auto two = both_win.compare_and_set(1, 10, 12);
    both_win.done(one, 1);
    both_win.done(two, 1);
    EXPECT_EQ(of(both_win), verdict::violated);

    auto erased_and_read = history{};
    erased_and_read.done(erased_and_read.write(1, 10));
    erased_and_read.done(erased_and_read.erase(1), 1);
    erased_and_read.done(erased_and_read.read(1), 10);
    EXPECT_EQ(of(erased_and_read), verdict::violated);
}

TEST(search_checker, leaves_unknown_outcomes_open) {
    auto seen = history{};
    seen.done(seen.write(1, 10));
    static_cast<void>(seen.compare_and_set(1, 10, 11));
    static_cast<void>(seen.erase(1));
    seen.done(seen.read(1), 10);
    EXPECT_EQ(of(seen), verdict::linearizable);
    seen.done(seen.read(1), 11);
    seen.done(seen.read(1), operation::absent);
    EXPECT_EQ(of(seen), verdict::linearizable);
    seen.done(seen.read(1), 11);
    EXPECT_EQ(of(seen), verdict::violated);
}

TEST(search_checker, decides_many_unknown_outcomes) {
    auto seen = history{};
    for (std::uint64_t i = 1; i <= 60; ++i) {
        static_cast<void>(seen.write(1, i));
        static_cast<void>(seen.erase(1));
        static_cast<void>(seen.compare_and_set(1, i, i + 1000));
    }
    for (std::uint64_t i = 60; i > 40; --i) {
        seen.done(seen.read(1), i);
        seen.done(seen.erase(1), 1);
        seen.done(seen.erase(1), 0);
    }
    EXPECT_EQ(of(seen), verdict::linearizable);
    seen.done(seen.read(1), 60);
    EXPECT_NE(check_linearizable(seen, {.states_max = 10'000}).outcome, verdict::linearizable);
}

TEST(search_checker, gives_up_instead_of_guessing) {
    auto seen = history{};
    for (std::uint64_t i = 1; i < 50; ++i) {
        static_cast<void>(seen.compare_and_set(1, i % 7, i % 5));
    }
    seen.done(seen.erase(1), 1);
    seen.done(seen.read(1), 99);
    auto found = check_linearizable(seen, {.states_max = 10});
    EXPECT_EQ(found.outcome, verdict::undecided);
    EXPECT_FALSE(static_cast<bool>(found));
    EXPECT_EQ(check_linearizable(seen, {.operations_max = 10}).outcome, verdict::undecided);
}

// A history that really happened: overlapping operations on one register, each taking effect at a
// point of its own. `wrong` changes what one read saw.
struct real_history {
    history seen;
    std::vector<std::size_t> reads;
};
real_history happen(const std::vector<std::uint8_t>& moves) {
    auto out = real_history{};
    struct running {
        std::size_t number = 0;
        int stage = 0;  // 1 began, 2 took effect
        bool read = false;
        std::uint64_t value = 0;
    };
    auto clients = std::array<running, 4>{};
    auto state = std::uint64_t{0};
    auto fresh = std::uint64_t{0};
    for (auto move : moves) {
        auto& client = clients[move % 4];
        if (client.stage == 0) {
            client.read = move & 16;
            client.value = ++fresh;
            client.number = client.read ? out.seen.read(1) : out.seen.write(1, client.value);
            client.stage = 1;
        } else if (client.stage == 1) {
            if ((move & 32) == 0) {
                continue;  // not yet
            }
            if (client.read) {
                client.value = state;
            } else {
                state = client.value;
            }
            client.stage = 2;
        } else if (move & 64) {
            client.stage = 0;  // never answered
        } else {
            if (client.read) {
                out.reads.push_back(client.number);
            }
            out.seen.done(client.number, client.value);
            client.stage = 0;
        }
    }
    return out;
}

RC_GTEST_PROP(register_checker, accepts_every_history_that_happened_and_agrees_with_the_search,
              (const std::vector<std::uint8_t>& moves)) {
    auto real = happen(moves);
    RC_ASSERT(check_register(real.seen.operations()).outcome == verdict::linearizable);
    RC_ASSERT(check_by_search(real.seen.operations()).outcome == verdict::linearizable);
}

RC_GTEST_PROP(register_checker, judges_a_history_with_a_wrong_answer_as_the_search_does,
              (const std::vector<std::uint8_t>& moves, std::uint8_t which, std::uint8_t value)) {
    auto real = happen(moves);
    if (!real.reads.empty()) {
        auto number = real.reads[which % real.reads.size()];
        auto operations = real.seen.operations();
        operations[number].result = value % 8;
        auto zones = check_register(operations).outcome;
        RC_ASSERT(zones == check_by_search(operations).outcome);
        RC_TAG(zones == verdict::violated ? "violated" : "still right");
    }
}

// All orders of the operations, and all choices of those of unknown outcome: slow and plain.
bool some_order(std::vector<operation> left, std::uint64_t state) {
    auto first_end = operation::open;
    bool any_known = false;
    for (const auto& each : left) {
        if (each.ended == operation::outcome::done) {
            first_end = std::min(first_end, each.finished);
            any_known = true;
        }
    }
    for (std::size_t i = 0; any_known && i < left.size(); ++i) {
        auto one = left[i];
        bool known = one.ended == operation::outcome::done;
        if (one.began > first_end) {
            continue;
        }
        auto after = state;
        auto told = std::uint64_t{0};
        switch (one.what) {
            case operation::kind::read:
                told = state;
                break;
            case operation::kind::write:
                after = one.value;
                break;
            case operation::kind::compare_and_set:
                told = state == one.expected;
                after = told != 0 ? one.value : state;
                break;
            case operation::kind::erase:
                told = state != 0;
                after = 0;
                break;
        }
        if (known && one.what != operation::kind::write && told != one.result) {
            continue;
        }
        auto rest = left;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
        if (some_order(rest, after)) {
            return true;
        }
    }
    return !any_known;
}

RC_GTEST_PROP(search_checker, judges_as_all_orders_do, ()) {
    auto seen = history{};
    auto open = std::vector<std::size_t>{};
    auto moves = *rc::gen::inRange(1, 11);
    for (int i = 0; i < moves; ++i) {
        auto value = static_cast<std::uint64_t>(*rc::gen::inRange(1, 4));
        auto expected = static_cast<std::uint64_t>(*rc::gen::inRange(0, 4));
        auto what = *rc::gen::inRange(0, 6);
        if (what >= 4 && !open.empty()) {
            auto at = static_cast<std::size_t>(*rc::gen::inRange<std::size_t>(0, open.size()));
            auto number = open[at];
            open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
            bool reads = seen.operations()[number].what == operation::kind::read;
            seen.done(number, reads ? expected : expected % 2);
        } else {
            open.push_back(what == 0   ? seen.read(1)
                           : what == 1 ? seen.write(1, value)
                           : what == 2 ? seen.erase(1)
                                       : seen.compare_and_set(1, expected, value));
        }
    }
    auto judged = check_by_search(seen.operations()).outcome;
    bool possible = some_order(seen.operations(), 0);
    RC_ASSERT(judged == (possible ? verdict::linearizable : verdict::violated));
    RC_TAG(possible ? "possible" : "impossible");
}

TEST(order_checker, allows_gaps_and_refuses_steps_back_and_repeats) {
    auto good = order_checker{};
    good.received(1, 7, 1);
    good.received(1, 7, 2);
    good.received(1, 7, 9);
    good.received(2, 7, 1);
    good.received(1, 8, 1);
    EXPECT_FALSE(good.violation());
    auto twice = good;
    twice.received(1, 7, 9);
    EXPECT_EQ(twice.violation(), "receiver 1 got message 9 of sender 7 twice");
    auto back = good;
    back.received(1, 7, 3);
    EXPECT_EQ(back.violation(), "receiver 1 got message 3 of sender 7 after 9");
}

TEST(watch_checker, wants_every_end_told_once) {
    auto watches = watch_checker{};
    watches.watched(1, 10);
    watches.watched(1, 11);
    watches.watched(2, 10);
    watches.unwatched(2, 10);
    watches.ended(10);
    EXPECT_FALSE(watches.violation());
    EXPECT_EQ(watches.violation_at_end(), "watcher 1 did not hear of the end of 10");
    watches.told(1, 10);
    EXPECT_FALSE(watches.violation_at_end()) << "11 lives";
    auto twice = watches;
    twice.told(1, 10);
    EXPECT_EQ(twice.violation(), "watcher 1 heard of the end of 10 twice");
    auto unasked = watches;
    unasked.told(2, 10);
    EXPECT_EQ(unasked.violation(), "watcher 2 heard of the end of 10 and never watched it");
    watches.ended(11);
    auto excused = watches;
    excused.excuse(1);
    EXPECT_FALSE(excused.violation_at_end());
    excused.told(1, 11);
    EXPECT_FALSE(excused.violation_at_end());
    EXPECT_TRUE(watches.violation_at_end());
    watches.watcher_ended(1);
    EXPECT_FALSE(watches.violation_at_end());
}

TEST(leak_checker, finds_what_is_left_in_memory_and_nothing_else) {
    auto leaks = leak_checker{};
    auto kept = std::optional<task<errc>>{};
    {
        auto sim = simulation{};
        sim.add({.boot = streams::serve_echo});
        sim.run_for(1s);
        sim.crash(sim.node(0));
        EXPECT_EQ(leak_checker::left_by(sim), std::nullopt);
        kept = streams::write_all(nullptr, "a frame that nobody runs");
    }
    EXPECT_NE(leaks.left_in_memory(), std::nullopt);
    kept.reset();
    EXPECT_EQ(leaks.left_in_memory(), std::nullopt);
}

}  // namespace
}  // namespace cohort
