#include <cohort/world/result.hpp>

#include <gtest/gtest.h>

namespace cohort {
namespace {

TEST(result, holds_a_value_or_an_error) {
    auto good = result<std::string>{"value"};
    auto bad = result<std::string>{errc::timeout};
    EXPECT_TRUE(good.has_value());
    EXPECT_EQ(*good, "value");
    ASSERT_FALSE(bad.has_value());
    EXPECT_EQ(bad.error(), errc::timeout);
    bad = std::move(good);
    EXPECT_EQ(*bad, "value");
}

TEST(result, says_whether_a_failed_request_ran) {
    EXPECT_EQ(error{errc::timeout}.executed(), executed::maybe);
    EXPECT_EQ(error{errc::overloaded}.executed(), executed::no);
}

TEST(result, prints_the_chain_of_causes) {
    auto cause = error{errc::storage, "disk full", "origin"};
    auto failure = error{errc::unavailable, "cannot store", "entity", cause};
    EXPECT_EQ(failure.message(),
              "unavailable: cannot store (entity), because storage: disk full (origin)");
}

TEST(result, stops_the_process_when_the_wrong_side_is_read) {
    auto bad = result<int>{errc::timeout};
    EXPECT_DEATH(static_cast<void>(bad.value()), "holds an error was read");
}

}  // namespace
}  // namespace cohort
