// Peers that were let in and then say what cannot be: their connection is closed, and nobody else
// notices. Each is a seed for fuzzing:
//
//     COHORT_RECORD=tests/fuzz/corpus test_remoting --gtest_filter=remoting_attackers*

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include <fuzz/attacker.hpp>

namespace cohort::conversation {
namespace {

std::string written(const frame& it) {
    auto out = byte_buffer{};
    write_frame(it, out);
    return std::string{out.view()};
}

void save(const std::string& name, const script& lines) {
    const auto* folder = std::getenv("COHORT_RECORD");
    if (folder == nullptr) {
        return;
    }
    auto out =
        std::string(1, static_cast<char>((lines.calls ? 0 : 1) | (lines.on == lane::data ? 0 : 2)));
    for (const auto& each : lines.frames) {
        auto body = each.substr(sizeof(std::uint32_t));
        out.push_back(static_cast<char>(body.size()));
        out.push_back(static_cast<char>(body.size() >> 8U));
        out += body;
    }
    auto path = std::filesystem::path{folder} / "fuzz_peer" / ("attacks_with_" + name);
    auto file = std::ofstream{path, std::ios::binary};
    file << out;
    EXPECT_TRUE(file.good()) << path;
}

std::uint64_t closed_after(const std::string& name, script lines) {
    save(name, lines);
    return play(std::move(lines)).bad_bytes;
}

TEST(remoting_attackers, are_left_alone_while_they_are_in_order) {
    EXPECT_EQ(closed_after("a_ping", {.calls = true, .frames = {written({.correlation = 1})}}), 0U);
}

TEST(remoting_attackers, are_closed_when_they_give_credit_that_was_not_used) {
    auto credit = written({.kind = frame_kind::credit, .total = 1});
    EXPECT_EQ(closed_after("credit", {.calls = true, .frames = {credit}}), 1U);
}

TEST(remoting_attackers, are_closed_when_they_call_and_send_an_answer) {
    auto reply = written({.kind = frame_kind::reply, .correlation = 1});
    EXPECT_EQ(closed_after("an_answer", {.calls = true, .frames = {reply}}), 1U);
}

TEST(remoting_attackers, are_closed_when_they_were_called_and_send_a_message) {
    auto tell = written({.kind = frame_kind::tell, .payload = "x"});
    EXPECT_EQ(closed_after("a_message", {.calls = false, .frames = {tell}}), 1U);
}

TEST(remoting_attackers, are_closed_when_chunks_are_no_message) {
    auto inner = written({.kind = frame_kind::ping, .correlation = 1}).substr(4);
    auto chunk = written({.kind = frame_kind::chunk,
                          .stream = 1,
                          .total = static_cast<std::uint32_t>(inner.size()),
                          .payload = inner});
    EXPECT_EQ(closed_after("chunks_of_a_ping", {.calls = true, .frames = {chunk}}), 1U);
}

TEST(remoting_attackers, are_closed_when_a_chunked_message_is_too_long) {
    auto chunk =
        written({.kind = frame_kind::chunk, .stream = 1, .total = 128 * 1024 + 1, .payload = "x"});
    EXPECT_EQ(closed_after("a_long_message", {.calls = true, .frames = {chunk}}), 1U);
}

TEST(remoting_attackers, are_closed_when_a_frame_is_none) {
    auto unknown = std::string{"\1\0\0\0\x7f", 5};
    EXPECT_EQ(closed_after("an_unknown_frame", {.calls = true, .frames = {unknown}}), 1U);
    auto nothing = std::string(4, '\0');
    EXPECT_EQ(closed_after("an_empty_frame", {.calls = false, .frames = {nothing}}), 1U);
}

TEST(remoting_attackers, are_told_of_failures_though_they_take_no_message_of_any_size) {
    auto request = written({.kind = frame_kind::request,
                            .correlation = 1,
                            .remaining_us = 1000,
                            .payload = "of no known type"});
    auto numbers = play({.calls = true, .frames = {request}, .message_bytes_max = 0});
    EXPECT_EQ(numbers.bad_bytes, 0U);
}

}  // namespace
}  // namespace cohort::conversation
