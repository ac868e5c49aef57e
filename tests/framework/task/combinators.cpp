#include <cohort/testkit/co_test.hpp>

namespace cohort {
namespace {

task<int> value_after(duration wait, int value) {
    co_await sleep_for{wait};
    co_return value;
}

task<int> fail_after(duration wait) {
    co_await sleep_for{wait};
    throw std::runtime_error{"planned"};
}

struct flag {
    bool* raised;
    explicit flag(bool* target) : raised{target} {}
    flag(const flag&) = delete;
    flag& operator=(const flag&) = delete;
    ~flag() { *raised = true; }
};

task<void> forever(bool* destroyed) {
    auto guard = flag{destroyed};
    co_await sleep_for{1h};
}

CO_TEST(when_all, gives_every_value_after_the_longest_wait) {
    auto before = self.now();
    auto values =
        co_await when_all(value_after(30ms, 1), value_after(10ms, 2), value_after(20ms, 3));
    EXPECT_EQ(values, (std::tuple{1, 2, 3}));
    EXPECT_LT(self.now() - before, 40ms);
}

CO_TEST(when_all, cancels_the_rest_and_rethrows_the_first_exception) {
    bool destroyed = false;
    auto caught = std::string{};
    auto before = self.now();
    try {
        co_await when_all(forever(&destroyed), fail_after(5ms));
    } catch (const std::runtime_error& failure) {
        caught = failure.what();
    }
    EXPECT_EQ(caught, "planned");
    EXPECT_TRUE(destroyed);
    EXPECT_LT(self.now() - before, 1s);
}

CO_TEST(when_any, gives_the_first_and_ends_the_others) {
    bool destroyed = false;
    auto first = co_await when_any(forever(&destroyed), value_after(5ms, 7));
    CO_ASSERT_EQ(first.index(), 1U);
    EXPECT_EQ(std::get<1>(first), 7);
    EXPECT_TRUE(destroyed);
}

CO_TEST(with_timeout, gives_the_value_or_a_timeout) {
    auto value = co_await with_timeout(1s, value_after(5ms, 7));
    CO_ASSERT_TRUE(value);
    EXPECT_EQ(*value, 7);
    auto late = co_await with_timeout(5ms, value_after(1s, 7));
    CO_ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error(), errc::timeout);
}

struct note {
    int number;
};
using notes = protocol<note>;

task<int> next_note(context<notes> self) {
    auto message = co_await self.receive();
    co_return message.get_if<note>()->number;
}

behavior<notes> impatient(context<notes> self, std::vector<int>* seen) {
    while (seen->size() < 3) {
        auto number = co_await with_timeout(10ms, next_note(self));
        seen->push_back(number ? *number : -1);
    }
}

CO_TEST(when_any, loses_no_message_of_a_receive_that_lost) {
    auto seen = std::vector<int>{};
    auto target = self.spawn(impatient, &seen);
    co_await self.sleep(15ms);
    target.tell(note{1});
    target.tell(note{2});
    co_await self.sleep(50ms);
    EXPECT_EQ(seen, (std::vector<int>{-1, 1, 2}));
}

CO_TEST(start, runs_a_task_beside_the_actor) {
    bool destroyed = false;
    struct owner {
        static behavior<notes> run(context<notes> self, bool* flag_) {
            self.start(forever(flag_));
            co_await self.sleep(20ms);
        }
    };
    static_cast<void>(self.spawn(owner::run, &destroyed));
    co_await self.sleep(10ms);
    EXPECT_FALSE(destroyed);
    co_await self.sleep(30ms);
    EXPECT_TRUE(destroyed);
}

CO_TEST(run_on, gives_the_result_of_blocking_work) {
    auto pool = self.core().world().start_worker("test");
    auto value = co_await run_on(*pool, [] { return 42; });
    EXPECT_EQ(value, 42);
    auto caught = false;
    try {
        co_await run_on(*pool, [] { throw std::runtime_error{"planned"}; });
    } catch (const std::runtime_error&) {
        caught = true;
    }
    EXPECT_TRUE(caught);
}

}  // namespace
}  // namespace cohort
