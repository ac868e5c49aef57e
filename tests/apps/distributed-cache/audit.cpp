#include <distributed-cache/audit.hpp>

#include <gtest/gtest.h>

namespace cohort {
namespace {

audit_row row(std::uint64_t seq, std::uint32_t shard, std::uint64_t epoch, std::string writer) {
    return {.seq = seq,
            .what = audit_row::kind::store,
            .owner = {.space = "cache", .shard = shard, .epoch = epoch},
            .key = std::string{"k\0\xff", 3},
            .version = 7,
            .writer = std::move(writer)};
}

TEST(audit_line, is_json_whatever_the_key_and_the_writer_are) {
    EXPECT_EQ(audit_line(row(3, 1, 2, "a\"\n\\")),
              R"({"seq":3,"kind":"store","space":"cache","shard":1,"epoch":2,"key":"6b00ff",)"
              R"("version":7,"writer":"a\"\n\\"})");
}

TEST(audit_judge, finds_nothing_where_epochs_rise_shard_by_shard) {
    auto judge = audit_judge{};
    auto seq = std::uint64_t{0};
    for (auto [shard, epoch, writer] :
         {std::tuple{0U, 1U, "a"}, {1U, 9U, "b"}, {0U, 1U, "a"}, {0U, 3U, "b"}, {1U, 9U, "b"}}) {
        EXPECT_EQ(judge.take(row(++seq, shard, epoch, writer)), std::nullopt);
    }
    EXPECT_EQ(judge.rows(), 5U);
    EXPECT_EQ(judge.shards(), 2U);
    EXPECT_EQ(judge.violations(), 0U);
}

TEST(audit_judge, names_a_write_of_an_older_epoch) {
    auto judge = audit_judge{};
    EXPECT_EQ(judge.take(row(1, 4, 2, "a")), std::nullopt);
    EXPECT_EQ(judge.take(row(2, 4, 3, "b")), std::nullopt);
    EXPECT_EQ(judge.take(row(3, 4, 2, "a")),
              "row 3: shard 4 of cache was written with epoch 2 after epoch 3 in row 2");
    EXPECT_EQ(judge.take(row(4, 4, 3, "b")), std::nullopt);
    EXPECT_EQ(judge.violations(), 1U);
}

TEST(audit_judge, names_two_writers_that_take_turns_in_one_epoch) {
    auto judge = audit_judge{};
    EXPECT_EQ(judge.take(row(1, 0, 1, "a")), std::nullopt);
    EXPECT_EQ(judge.take(row(2, 0, 1, "b")), std::nullopt);  // "a" may have ended
    EXPECT_EQ(judge.take(row(3, 0, 1, "a")),
              "row 3: a wrote shard 0 of cache with epoch 1, which had passed to b in row 2");
    EXPECT_EQ(judge.violations(), 1U);
}

}  // namespace
}  // namespace cohort
