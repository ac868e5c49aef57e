#pragma once

#include <gtest/gtest.h>

#include <cohort/task/combinators.hpp>
#include <cohort/testkit/deterministic.hpp>

namespace cohort::testkit {

struct unit_message {};
using test_protocol = protocol<unit_message>;
using test_context = context<test_protocol>;
using test_body = behavior<test_protocol> (*)(test_context);

/// Runs a test's coroutine as an actor of a deterministic node until it returns; 10 minutes of
/// virtual time are the limit.
inline void run_co_test(test_body body) {
    auto node = deterministic{};
    bool ended = false;
    auto reason = exit_reason::stopped;
    auto failed = std::string{};
    node.system().runtime().on_event([&](const runtime_event& event) {
        if (event.what == "actor failed" && event.actor.starts_with("test@")) {
            failed = event.detail;
        }
    });
    static_cast<void>(node.system().spawn_on_with(
        0, {.name = "test", .on_exit = [&](exit_reason why) { ended = true, reason = why; }},
        body));
    EXPECT_TRUE(node.run_until([&] { return ended; }, std::chrono::minutes{10}))
        << "the test's coroutine did not end";
    EXPECT_NE(reason, exit_reason::failed) << failed;
}

}  // namespace cohort::testkit

/// A test whose body is a coroutine: an actor on the deterministic runtime, with its context as
/// `self`.
///
///     CO_TEST(counter, counts) {
///         auto target = self.spawn(count, 0);
///         auto value = co_await target.ask<get>(1s);
///         CO_ASSERT_TRUE(value);
///         EXPECT_EQ(*value, 0);
///     }
#define CO_TEST(suite, name)                                                              \
    static ::cohort::behavior<::cohort::testkit::test_protocol> co_test_##suite##_##name( \
        ::cohort::testkit::test_context self);                                            \
    TEST(suite, name) { ::cohort::testkit::run_co_test(&co_test_##suite##_##name); }      \
    static ::cohort::behavior<::cohort::testkit::test_protocol> co_test_##suite##_##name( \
        [[maybe_unused]] ::cohort::testkit::test_context self)

/// ASSERT_* returns, which a coroutine cannot; these end the coroutine instead.
#define CO_ASSERT_TRUE(condition)                       \
    if (bool co_holds = static_cast<bool>(condition)) { \
    } else {                                            \
        EXPECT_TRUE(co_holds) << #condition;            \
        co_return;                                      \
    }
#define CO_ASSERT_FALSE(condition) CO_ASSERT_TRUE(!(condition))
#define CO_ASSERT_EQ(left, right)                                 \
    {                                                             \
        auto&& co_left = left;                                    \
        auto&& co_right = right;                                  \
        bool co_equal = co_left == co_right;                      \
        if (!co_equal) {                                          \
            EXPECT_EQ(co_left, co_right) << #left " and " #right; \
            co_return;                                            \
        }                                                         \
    }
