#include <gtest/gtest.h>

#include "sums.hpp"

namespace cohort::sim {
namespace {

TEST(sums, join_their_ranges_in_whatever_order_they_come) {
    auto total = sums{"kv", "abc"};
    for (auto seed : {5, 1, 3, 2, 9, 4}) {
        EXPECT_FALSE(total.has(static_cast<std::uint64_t>(seed)));
        total.add(static_cast<std::uint64_t>(seed), {});
        EXPECT_TRUE(total.has(static_cast<std::uint64_t>(seed)));
    }
    ASSERT_EQ(total.ranges.size(), 2U);
    EXPECT_EQ(total.ranges[0], (std::pair<std::uint64_t, std::uint64_t>{1, 6}));
    EXPECT_EQ(total.ranges[1], (std::pair<std::uint64_t, std::uint64_t>{9, 10}));
    EXPECT_EQ(total.seeds, 6U);
}

TEST(sums, survive_being_written_and_read) {
    auto total = sums{"kv", "abc"};
    auto report = run_report{.simulated = 90s, .node_time = 270s, .events = 12};
    report.faults[0] = 3;
    report.sometimes["rare"] = 1;
    total.add(1, report);
    total.add(2, report);
    total.cpu_seconds = 0.5;
    auto read = sums::parse(total.json());
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->json(), total.json());
    EXPECT_EQ(read->faults.at("crash"), 6U);
    EXPECT_EQ(read->sometimes.at("rare"), 2U);
    EXPECT_DOUBLE_EQ(read->simulated_seconds, 180);
    EXPECT_FALSE(sums::parse("{}"));
    EXPECT_FALSE(sums::parse("{"));
}

}  // namespace
}  // namespace cohort::sim
