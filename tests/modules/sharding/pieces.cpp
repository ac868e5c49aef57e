#include <gtest/gtest.h>

#include <cohort/sharding/detail/flight.hpp>
#include <cohort/sharding/shard_map.hpp>

#include <vector>

namespace cohort {
namespace {

TEST(shard_map, comes_to_the_same_answer_everywhere) {
    // Fixed for ever: nodes of different builds have to agree.
    EXPECT_EQ(shard_of("a", 1024), 923U);
    EXPECT_EQ(shard_of("key-42", 1024), 610U);
    EXPECT_EQ(shard_of("\xff\xfe", 1024), 347U);
}

TEST(shard_map, spreads_keys_over_shards_and_shards_over_cores) {
    auto shards = std::vector<int>(64);
    for (int key = 0; key < 64'000; ++key) {
        ++shards[shard_of(std::to_string(key), 64)];
    }
    for (auto count : shards) {
        EXPECT_GT(count, 850);
        EXPECT_LT(count, 1150);
    }
    for (std::uint32_t cores : {1U, 2U, 3U, 8U}) {
        auto homes = std::vector<int>(cores);
        for (std::uint32_t shard = 0; shard < 1024; ++shard) {
            ++homes[home_core(shard, cores)];
        }
        for (auto count : homes) {
            EXPECT_GT(count, 1024 / static_cast<int>(cores) * 3 / 4);
        }
    }
}

TEST(turned_away, refuses_the_rest_of_a_round_and_lets_the_next_one_in) {
    auto door = detail::turned_away{};
    EXPECT_FALSE(door.refuses(1, 1));
    door.note(1, 1);
    EXPECT_TRUE(door.refuses(1, 1));
    EXPECT_FALSE(door.refuses(2, 1)) << "another stream";
    EXPECT_TRUE(door.refuses(1, 1));
    EXPECT_FALSE(door.refuses(1, 2));
    EXPECT_FALSE(door.refuses(1, 2));
}

TEST(turned_away, keeps_a_bounded_number_of_streams) {
    auto door = detail::turned_away{};
    for (std::uint64_t stream = 1; stream <= 100; ++stream) {
        door.note(stream, 5);
    }
    EXPECT_FALSE(door.refuses(1, 5));
    EXPECT_TRUE(door.refuses(100, 5));
}

}  // namespace
}  // namespace cohort
