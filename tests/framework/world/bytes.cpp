#include <cohort/world/bytes.hpp>

#include <gtest/gtest.h>

namespace cohort {
namespace {

TEST(bytes, share_their_memory_between_copies_and_slices) {
    auto whole = bytes{"hello world"};
    auto copy = whole;
    auto part = whole.slice(6, 5);
    EXPECT_EQ(copy.data(), whole.data());
    EXPECT_EQ(part.data(), whole.data() + 6);
    whole = bytes{};
    copy = bytes{};
    EXPECT_EQ(part, "world");
}

TEST(bytes, adopt_a_long_string_without_copying_it) {
    auto text = std::string(1000, 'x');
    const auto* memory = text.data();
    auto value = bytes::adopt(std::move(text));
    EXPECT_EQ(value.data(), memory);
    EXPECT_EQ(value.size(), 1000u);
}

TEST(bytes, are_empty_after_a_move_and_by_default) {
    auto value = bytes{"text"};
    auto other = std::move(value);
    EXPECT_TRUE(value.empty());  // NOLINT: the state after a move is promised
    EXPECT_EQ(value, bytes{});
    EXPECT_EQ(other, "text");
    EXPECT_EQ(bytes{""}.size(), 0u);
}

TEST(bytes, are_filled_in_place) {
    auto value =
        bytes::make(3, [](std::span<char> room) { room[0] = 'a', room[1] = '\0', room[2] = 'c'; });
    EXPECT_EQ(value, std::string_view("a\0c", 3));
    EXPECT_TRUE(bytes::make(0, [](std::span<char>) { FAIL() << "nothing to fill"; }).empty());
}

TEST(bytes, refuse_a_slice_behind_their_end) {
    EXPECT_DEATH(static_cast<void>(bytes{"abc"}.slice(2, 2)), "reaches behind");
}

}  // namespace
}  // namespace cohort
