#include <distributed-cache/import.hpp>
#include <distributed-cache/sqlite_origin.hpp>

#include "origin_session.hpp"
#include "temporary_folder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace cohort {
namespace {

/// Feeds a text to an import, in pieces, and keeps what it is told.
struct import_probe {
    std::string input;
    std::size_t piece = 100;
    std::uint64_t interrupt_after = ~std::uint64_t{0};
    std::uint64_t asked = 0;
    std::vector<std::uint64_t> refused_lines;

    import_hooks hooks() {
        return {
            .read = [this](std::span<char> into) -> result<std::size_t> {
                auto bytes = std::min({piece, into.size(), input.size()});
                std::copy_n(input.begin(), bytes, into.begin());
                input.erase(0, bytes);
                return bytes;
            },
            .interrupted = [this] { return asked++ >= interrupt_after; },
            .refused =
                [this](const import_refusal& refusal) { refused_lines.push_back(refusal.line); },
            .progress = [](std::uint64_t, std::uint64_t) {}};
    }
};

std::string line(int number) {
    return fmt::format("{{\"key\":\"key{}\",\"value\":\"value{}\"}}\n", number, number);
}

std::string lines(int first, int last) {
    auto text = std::string{};
    for (auto number = first; number <= last; ++number) {
        text += line(number);
    }
    return text;
}

origin_session importing(sqlite_origin_options options = {.path = ":memory:"}) {
    auto origin = origin_session{sqlite_origin::open(std::move(options), origin_use::import)};
    EXPECT_TRUE(origin.activate().has_value());
    return origin;
}

import_report import_text(import_probe& probe, origin_session& origin,
                          import_options options = {}) {
    return run_import(probe.hooks(), *ndjson_format(), *origin, options);
}

TEST(import, writes_every_row_and_says_what_became_of_it) {
    auto origin = importing();
    auto first = import_probe{.input = lines(1, 30)};
    auto report = import_text(first, origin, {.rows_per_commit = 7});
    EXPECT_FALSE(report.failure.has_value());
    EXPECT_EQ(report.added, 30U);
    EXPECT_EQ(report.line, 30U);
    auto version = origin.load("key5")->version;

    auto second = import_probe{.input = lines(21, 40) + "{\"key\":\"key1\",\"value\":\"new\"}"};
    report = import_text(second, origin);
    EXPECT_EQ(report.added, 10U);
    EXPECT_EQ(report.unchanged, 10U);
    EXPECT_EQ(report.replaced, 1U);
    EXPECT_EQ(origin.load("key1")->content, "new");
    EXPECT_EQ(origin.load("key5")->version, version);
}

TEST(import, stops_at_the_first_refused_line_and_keeps_what_came_before) {
    auto origin = importing();
    auto probe = import_probe{.input = lines(1, 10) + "broken\n" + lines(12, 20)};
    auto report = import_text(probe, origin, {.rows_per_commit = 4});
    EXPECT_EQ(report.added, 10U);
    EXPECT_EQ(report.refused, 1U);
    EXPECT_EQ(report.line, 11U);
    EXPECT_EQ(probe.refused_lines, std::vector<std::uint64_t>{11});
    EXPECT_TRUE(origin.load("key10").has_value());
    EXPECT_EQ(origin.load("key12").error(), errc::not_found);
}

TEST(import, goes_on_after_refused_lines_when_told_to) {
    auto origin = importing({.path = ":memory:", .content_bytes_max = 20});
    auto probe = import_probe{.input = line(1) + "broken\n" + line(3) + "{\"key\":\"" +
                                       std::string(513, 'k') +
                                       "\",\"value\":1}\n{\"key\":\"large\",\"value\":\"" +
                                       std::string(21, 'x') + "\"}\n" + line(6)};
    auto report = import_text(probe, origin, {.skip_bad = true});
    EXPECT_EQ(report.added, 3U);
    EXPECT_EQ(report.refused, 3U);
    EXPECT_EQ(probe.refused_lines, (std::vector<std::uint64_t>{2, 4, 5}));
}

TEST(import, keeps_what_came_before_an_interrupt_and_can_be_continued) {
    auto origin = importing();
    auto probe = import_probe{.input = lines(1, 30), .interrupt_after = 17};
    auto report = import_text(probe, origin, {.rows_per_commit = 5});
    EXPECT_TRUE(report.interrupted);
    EXPECT_EQ(report.added, 17U);
    EXPECT_EQ(report.line, 17U);
    auto again = import_probe{.input = lines(1, 30)};
    report = import_text(again, origin);
    EXPECT_FALSE(report.interrupted);
    EXPECT_EQ(report.unchanged, 17U);
    EXPECT_EQ(report.added, 13U);
}

TEST(import, keeps_what_came_before_an_input_that_cannot_be_read) {
    auto origin = importing();
    auto probe = import_probe{.input = lines(1, 3)};
    auto hooks = probe.hooks();
    hooks.read = [&, take = hooks.read](std::span<char> into) -> result<std::size_t> {
        return probe.input.empty() ? result<std::size_t>{error{errc::storage, "I/O error"}}
                                   : take(into);
    };
    auto report = run_import(hooks, *ndjson_format(), *origin, {});
    EXPECT_EQ(report.failure->text(), "I/O error");
    EXPECT_EQ(report.added, 3U);
    EXPECT_TRUE(origin.load("key3").has_value());
}

TEST(import, takes_back_the_batch_in_which_the_origin_failed) {
    auto folder = temporary_folder{};
    auto origin = importing({.path = folder.file("cache.db"), .file_bytes_max = 40 * 4096});
    auto text = lines(1, 25);
    text += "{\"key\":\"large\",\"value\":\"" + std::string(300'000, 'x') + "\"}\n";
    auto probe = import_probe{.input = text, .piece = 1000};
    auto report = import_text(probe, origin, {.skip_bad = true, .rows_per_commit = 10});
    ASSERT_TRUE(report.failure.has_value());
    EXPECT_EQ(report.failure->code(), errc::storage);
    EXPECT_EQ(report.added, 20U);
    EXPECT_EQ(report.line, 20U);
    EXPECT_TRUE(origin.load("key20").has_value());
    EXPECT_EQ(origin.load("key21").error(), errc::not_found);
}

TEST(import, leaves_whole_batches_when_its_process_is_killed) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    int reached[2];
    ASSERT_EQ(::pipe(reached), 0);
    auto child = ::fork();
    if (child == 0) {
        auto origin = importing({.path = path});
        auto probe = import_probe{.input = lines(1, 1000)};
        auto hooks = probe.hooks();
        hooks.interrupted = [&] {
            if (probe.asked++ == 57 && ::write(reached[1], "x", 1) == 1) {
                ::pause();  // in the middle of a batch, until the parent kills us
            }
            return false;
        };
        static_cast<void>(run_import(hooks, *ndjson_format(), *origin, {.rows_per_commit = 10}));
        ::_exit(1);
    }
    auto mark = ' ';
    ASSERT_EQ(::read(reached[0], &mark, 1), 1);
    ::kill(child, SIGKILL);
    auto status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    auto origin = importing({.path = path});
    for (auto number = 1; number <= 60; ++number) {
        auto row = origin.load(fmt::format("key{}", number));
        ASSERT_EQ(row.has_value(), number <= 50) << number;
        if (row) {
            EXPECT_EQ(row->content, fmt::format("value{}", number));
        }
    }
    auto again = import_probe{.input = lines(1, 1000), .piece = 5000};
    auto report = import_text(again, origin);
    EXPECT_EQ(report.unchanged, 50U);
    EXPECT_EQ(report.added, 950U);
    ::close(reached[0]);
    ::close(reached[1]);
}

}  // namespace
}  // namespace cohort
