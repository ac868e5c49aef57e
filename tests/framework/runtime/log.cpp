#include <cohort/runtime/log.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <sstream>
#include <sys/stat.h>
#include <thread>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <cohort/runtime/detail/utf8.hpp>
#include <cohort/runtime/json_text.hpp>

namespace cohort {
namespace {

// 2026-11-22T05:16:07.008009Z
constexpr auto moment = wall_time{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + 5h +
                                  16min + 7s + 8ms + 9us + 10ns};

std::string line(log_format format, std::string_view message,
                 std::initializer_list<log_field> fields = {}, const log_limits& limits = {}) {
    return format_log_line(format, limits, moment, log_level::info, message, fields);
}

std::string logfmt(std::string_view message, std::initializer_list<log_field> fields = {}) {
    return line(log_format::logfmt, message, fields)
        .substr(std::string{"ts=2026-11-22T05:16:07.008009Z "}.size());
}

TEST(json_text, is_valid_json_whatever_it_is_made_of) {
    EXPECT_EQ(json_text("plain"), "\"plain\"");
    EXPECT_EQ(json_text("a \"word\"\\\n\x01\x7f"), R"("a \"word\"\\\n\u0001\u007f")");
    EXPECT_EQ(json_text("caf\xc3\xa9 \xc2\x85"), "\"caf\xc3\xa9 \\u0085\"");
    EXPECT_EQ(json_text("broken \xff\xc3"), "\"broken \xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(log, writes_logfmt) {
    EXPECT_EQ(line(log_format::logfmt, "peer is slow",
                   {{"peer", "10.0.0.1:2551"},
                    {"bytes", 12},
                    {"share", 0.5},
                    {"up", true},
                    {"took", 250ms}}),
              "ts=2026-11-22T05:16:07.008009Z level=info msg=\"peer is slow\" peer=10.0.0.1:2551 "
              "bytes=12 "
              "share=0.5 up=true took=0.25");
}

TEST(log, writes_json) {
    EXPECT_EQ(
        line(log_format::json, "peer is slow",
             {{"peer", std::string{"a\"b"}},
              {"bytes", -12},
              {"huge", ~std::uint64_t{0}},
              {"up", false}}),
        R"({"ts":"2026-11-22T05:16:07.008009Z","level":"info","msg":"peer is slow","peer":"a\"b",)"
        R"("bytes":-12,"huge":18446744073709551615,"up":false})");
}

TEST(log, writes_times_before_1970) {
    auto text = format_log_line(log_format::logfmt, {}, wall_time{-1ns}, log_level::error, "x", {});
    EXPECT_EQ(text, "ts=1969-12-31T23:59:59.999999Z level=error msg=x");
}

TEST(log, lets_nothing_from_outside_forge_a_line_or_a_field) {
    EXPECT_EQ(logfmt("one\nlevel=error\r\ttwo"), R"(level=info msg="one\nlevel=error\r\ttwo")");
    EXPECT_EQ(logfmt("x", {{"a", "b=c"}, {"d", ""}, {"e", "\""}, {"f", "\\"}}),
              R"(level=info msg=x a="b=c" d="" e="\"" f="\\")");
    EXPECT_EQ(logfmt("\x1b[2J\x7f"), R"(level=info msg="\u001b[2J\u007f")");
    EXPECT_EQ(logfmt("\xc2\x9b"), R"(level=info msg="\u009b")");
    EXPECT_EQ(logfmt(std::string_view{"\0", 1}), R"(level=info msg="\u0000")");
    EXPECT_EQ(logfmt("x", {{"a b=c\n", 1}, {"", 2}, {"level", 3}}),
              "level=info msg=x a_b_c_=1 _=2 _level=3");
}

TEST(log, keeps_utf8_and_replaces_what_is_not) {
    EXPECT_EQ(logfmt("Z\xc3\xbcrich \xf0\x9f\x98\x80"),
              "level=info msg=\"Z\xc3\xbcrich \xf0\x9f\x98\x80\"");
    EXPECT_EQ(logfmt("a\xff"), "level=info msg=\"a\xef\xbf\xbd\"");
    EXPECT_EQ(logfmt("\xc3"), "level=info msg=\"\xef\xbf\xbd\"");
    EXPECT_EQ(detail::utf8_length("\xc0\xaf"), 0U) << "overlong";
    EXPECT_EQ(detail::utf8_length("\xe0\x80\xaf"), 0U) << "overlong";
    EXPECT_EQ(detail::utf8_length("\xed\xa0\x80"), 0U) << "a surrogate";
    EXPECT_EQ(detail::utf8_length("\xf4\x90\x80\x80"), 0U) << "behind the last character";
    EXPECT_EQ(detail::utf8_length("\xe2\x82\xac"), 3U);
}

TEST(log, has_no_numbers_that_json_lacks) {
    EXPECT_EQ(logfmt("x", {{"a", std::numeric_limits<double>::quiet_NaN()},
                           {"b", -std::numeric_limits<double>::infinity()}}),
              R"(level=info msg=x a="nan" b="-inf")");
}

TEST(log, cuts_long_texts_between_characters_and_leaves_out_fields_of_long_lines) {
    auto limits = log_limits{.text_bytes_max = 4, .line_bytes_max = 80};
    EXPECT_TRUE(line(log_format::logfmt, "abc\xc3\xbc", {}, limits).ends_with("msg=\"abc...\""));
    EXPECT_TRUE(line(log_format::logfmt, "abcd", {}, limits).ends_with("msg=abcd"));
    EXPECT_TRUE(line(log_format::logfmt, "abcde", {}, limits).ends_with("msg=\"abcd...\""));
    auto full =
        line(log_format::json, "m",
             {{"a", 1}, {"a_name_that_is_much_too_long", 2}, {"b", 3}, {"another_long_name", 4}},
             limits);
    EXPECT_TRUE(full.ends_with(R"("a":1,"b":3,"fields_left_out":2})")) << full;
}

TEST(log, asks_the_clock_only_for_lines_that_are_written) {
    auto lines = std::vector<std::string>{};
    auto asked = 0;
    auto clock = [&] {
        ++asked;
        return moment;
    };
    auto log = logger{{.level = log_level::warning}, clock, [&](std::string_view text) {
                          lines.emplace_back(text);
                      }};
    log.info("quiet");
    EXPECT_EQ(asked, 0);
    log.error("loud", {{"code", 5}});
    EXPECT_EQ(asked, 1);
    log.set_level(log_level::trace);
    log.trace("quiet");
    log.set_level(log_level::off);
    log.error("never");
    EXPECT_FALSE(log.enabled(log_level::off));
    log.set_level(log_level::info);
    log.write(wall_time{}, log_level::info, "own time");
    EXPECT_EQ(lines, (std::vector<std::string>{
                         "ts=2026-11-22T05:16:07.008009Z level=error msg=loud code=5",
                         "ts=2026-11-22T05:16:07.008009Z level=trace msg=quiet",
                         "ts=1970-01-01T00:00:00.000000Z level=info msg=\"own time\""}));
    EXPECT_EQ(asked, 2);
}

TEST(log, appends_to_a_file_and_says_when_it_cannot) {
    auto path = testing::TempDir() + "cohort_log_" + std::to_string(::getpid());
    for (auto text : {"first", "second"}) {
        auto log = logger::open({.file = path}, [] { return moment; });
        ASSERT_TRUE(log.has_value());
        (*log)->info(text);
    }
    auto content = std::stringstream{};
    content << std::ifstream{path}.rdbuf();
    std::remove(path.c_str());
    EXPECT_EQ(content.str(),
              "ts=2026-11-22T05:16:07.008009Z level=info msg=first\n"
              "ts=2026-11-22T05:16:07.008009Z level=info msg=second\n");
    auto refused = logger::open({.file = "/proc/none/such"}, [] { return moment; });
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error(), errc::storage);
}

TEST(log, writes_to_standard_error_without_a_file) {
    testing::internal::CaptureStderr();
    auto log = logger::open({}, [] { return moment; });
    ASSERT_TRUE(log.has_value());
    (*log)->info("{} is not a format");
    log->reset();  // by then it is written
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "ts=2026-11-22T05:16:07.008009Z level=info msg=\"{} is not a format\"\n");
}

TEST(log, lets_nobody_wait_for_a_reader_that_reads_nothing) {
    constexpr int lines = 6000;
    auto path = testing::TempDir() + "cohort_log_fifo_" + std::to_string(::getpid());
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    auto reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
    ASSERT_GE(reader, 0);
    auto log = logger::open({.file = path, .queued_lines_max = 100}, [] { return moment; });
    ASSERT_TRUE(log.has_value());
    for (int i = 0; i < lines; ++i) {
        (*log)->info(std::string(100, 'x'));  // far more than a pipe holds
    }
    auto lost = (*log)->lost();
    EXPECT_GT(lost, 0U);
    auto said = std::string{};
    auto reading = std::thread{[&] {
        auto bytes = std::array<char, 4096>{};
        ::fcntl(reader, F_SETFL, 0);
        for (auto got = ::read(reader, bytes.data(), bytes.size()); got > 0;
             got = ::read(reader, bytes.data(), bytes.size())) {
            said.append(bytes.data(), static_cast<std::size_t>(got));
        }
    }};
    log->reset();
    reading.join();
    ::close(reader);
    std::remove(path.c_str());
    EXPECT_NE(said.find("level=warning msg=\"lines of the log were lost\" count="),
              std::string::npos);
    EXPECT_LT(std::count(said.begin(), said.end(), '\n'), lines);
}

TEST(log_every, admits_a_burst_in_every_interval_and_counts_the_rest) {
    auto gate = log_every{1s, 2};
    auto start = time_point{};
    EXPECT_EQ(gate.admit(start), 0U);
    EXPECT_EQ(gate.admit(start + 1ms), 0U);
    EXPECT_EQ(gate.admit(start + 2ms), std::nullopt);
    EXPECT_EQ(gate.admit(start + 999ms), std::nullopt);
    EXPECT_EQ(gate.admit(start + 1s), 2U);
    EXPECT_EQ(gate.admit(start + 1s), 0U);
    EXPECT_EQ(gate.admit(start + 1s), std::nullopt);
}

RC_GTEST_PROP(log_property, writes_one_line_of_valid_utf8_whatever_it_is_given,
              (const std::string& message, const std::string& key, const std::vector<char>& raw)) {
    auto value = std::string_view{raw.data(), raw.size()};
    for (auto format : {log_format::logfmt, log_format::json}) {
        auto text = std::string_view{};
        auto whole = line(format, message, {{key, value}});
        for (text = whole; !text.empty();) {
            auto length = detail::utf8_length(text);
            RC_ASSERT(length > 0U);
            RC_ASSERT(static_cast<unsigned char>(text.front()) >= 0x20);
            text.remove_prefix(length);
        }
    }
}

}  // namespace
}  // namespace cohort
