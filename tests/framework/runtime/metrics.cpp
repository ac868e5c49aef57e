#include <cohort/runtime/metrics.hpp>

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace cohort {
namespace {

TEST(metrics, writes_each_metric_with_help_and_type_once) {
    auto registry = metrics_registry{2};
    registry.counter("requests_total", "Requests.", {{"method", "GET"}}).on(0).add(2);
    registry.counter("requests_total", "Requests.", {{"method", "GET"}}).on(1).add(3);
    registry.counter("requests_total", "Requests.", {{"method", "PUT"}}).on(1).add(100'000);
    registry.gauge("depth", "Mailbox depth.").on(0).set(1.5);
    registry.gauge("depth", "Mailbox depth.").on(1).add(-3);
    EXPECT_EQ(registry.scrape(),
              "# HELP depth Mailbox depth.\n"
              "# TYPE depth gauge\n"
              "depth -1.5\n"
              "# HELP requests_total Requests.\n"
              "# TYPE requests_total counter\n"
              "requests_total{method=\"GET\"} 5\n"
              "requests_total{method=\"PUT\"} 100000\n");
}

TEST(metrics, cumulates_buckets_over_all_shards) {
    auto registry = metrics_registry{2};
    const auto bounds = std::vector<double>{0.1, 1, 10};
    auto& delays = registry.histogram("delay_seconds", "Delay.", bounds, {{"core", "all"}});
    delays.on(0).observe(0.1);  // a bound belongs to its bucket
    delays.on(0).observe(0.5);
    delays.on(1).observe(100.0);
    delays.on(1).observe(250ms);
    EXPECT_EQ(registry.scrape(),
              "# HELP delay_seconds Delay.\n"
              "# TYPE delay_seconds histogram\n"
              "delay_seconds_bucket{core=\"all\",le=\"0.1\"} 1\n"
              "delay_seconds_bucket{core=\"all\",le=\"1\"} 3\n"
              "delay_seconds_bucket{core=\"all\",le=\"10\"} 3\n"
              "delay_seconds_bucket{core=\"all\",le=\"+Inf\"} 4\n"
              "delay_seconds_sum{core=\"all\"} 100.85\n"
              "delay_seconds_count{core=\"all\"} 4\n");
}

TEST(metrics, counts_what_is_not_a_number_without_spoiling_the_sum) {
    auto registry = metrics_registry{1};
    auto& delays = registry.histogram("x", "X.", std::vector<double>{1});
    delays.on(0).observe(std::numeric_limits<double>::quiet_NaN());
    delays.on(0).observe(0.5);
    EXPECT_NE(registry.scrape().find(
                  "x_bucket{le=\"1\"} 1\nx_bucket{le=\"+Inf\"} 2\nx_sum 0.5\nx_count 2\n"),
              std::string::npos);
}

TEST(metrics, escapes_labels_and_help) {
    auto registry = metrics_registry{1};
    registry.gauge("g", "back\\slash\nand \"quote\"", {{"key", "a\\b\"c\nd\xff"}}).on(0).set(1);
    EXPECT_EQ(registry.scrape(),
              "# HELP g back\\\\slash\\nand \"quote\"\n"
              "# TYPE g gauge\n"
              "g{key=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\"} 1\n");
}

TEST(metrics, writes_numbers_as_prometheus_reads_them) {
    auto registry = metrics_registry{1};
    auto& value = registry.gauge("g", "G.");
    auto shown = [&](double number) {
        value.on(0).set(number);
        auto text = registry.scrape();
        return text.substr(text.rfind(' ') + 1);
    };
    EXPECT_EQ(shown(std::numeric_limits<double>::infinity()), "+Inf\n");
    EXPECT_EQ(shown(-std::numeric_limits<double>::infinity()), "-Inf\n");
    EXPECT_EQ(shown(std::numeric_limits<double>::quiet_NaN()), "NaN\n");
    EXPECT_EQ(shown(0.1), "0.1\n");
    EXPECT_EQ(shown(-3e9), "-3000000000\n");
    EXPECT_EQ(shown(1e300), "1e+300\n");
}

TEST(metrics, asks_collectors_at_every_scrape_until_their_token_is_dropped) {
    auto registry = metrics_registry{1};
    registry.counter("total", "T.", {{"from", "registry"}}).on(0).add();
    auto calls = 0;
    auto token = registry.collect([&](metrics_writer& out) {
        ++calls;
        out.counter("total", "T.", {{"from", "collector"}}, 7);
        out.gauge("age", "A.", {}, calls);
        const auto bounds = std::vector<double>{1, 2};
        const auto counts = std::vector<std::uint64_t>{3, 0, 4};
        out.histogram("spread", "S.", {}, bounds, counts, 12.5);
    });
    static_cast<void>(registry.scrape());
    EXPECT_EQ(registry.scrape(),
              "# HELP age A.\n# TYPE age gauge\nage 2\n"
              "# HELP spread S.\n# TYPE spread histogram\n"
              "spread_bucket{le=\"1\"} 3\nspread_bucket{le=\"2\"} 3\nspread_bucket{le=\"+Inf\"} 7\n"
              "spread_sum 12.5\nspread_count 7\n"
              "# HELP total T.\n# TYPE total counter\n"
              "total{from=\"registry\"} 1\ntotal{from=\"collector\"} 7\n");
    token.reset();
    EXPECT_EQ(registry.scrape().find("age"), std::string::npos);
    EXPECT_EQ(calls, 2);
}

TEST(metrics, lets_a_token_outlive_its_registry) {
    auto token = std::shared_ptr<void>{};
    {
        auto registry = metrics_registry{1};
        token = registry.collect([](metrics_writer&) {});
    }
    token.reset();
}

TEST(metrics, bounds_the_number_of_series) {
    auto registry = metrics_registry{1, 2};
    for (auto key : {"a", "b", "c", "d", "a"}) {
        registry.counter("c", "C.", {{"key", key}}).on(0).add();
    }
    EXPECT_EQ(
        registry.scrape(),
        "# HELP c C.\n# TYPE c counter\nc{key=\"a\"} 2\nc{key=\"b\"} 1\nc{key=\"other\"} 2\n");
}

TEST(metrics, divides_octaves_evenly) {
    EXPECT_EQ(log_linear_bounds(1, 8), (std::vector<double>{1, 2, 4, 8}));
    EXPECT_EQ(log_linear_bounds(1, 4, 2), (std::vector<double>{1, 1.5, 2, 3, 4}));
    EXPECT_EQ(log_linear_bounds(1, 5), (std::vector<double>{1, 2, 4, 5}));
    EXPECT_EQ(log_linear_bounds(2, 2), (std::vector<double>{2}));
}

TEST(metrics, stops_a_program_that_breaks_the_rules) {
    auto registry = metrics_registry{1};
    static_cast<void>(registry.counter("good_total", "G."));
    EXPECT_DEATH(static_cast<void>(registry.gauge("good_total", "G.")), "has one type");
    EXPECT_DEATH(static_cast<void>(registry.gauge("bad-name", "B.")), "name follows");
    EXPECT_DEATH(static_cast<void>(registry.gauge("1st", "B.")), "name follows");
    EXPECT_DEATH(static_cast<void>(registry.gauge("g", "G.", {{"le", "1"}})),
                 "label's name follows");
    EXPECT_DEATH(static_cast<void>(registry.gauge("g", "G.", {{"a", "1"}, {"a", "2"}})),
                 "occurs once");
    EXPECT_DEATH(static_cast<void>(registry.counter("good_total", "G.").on(1)), "no more shards");
    EXPECT_DEATH(static_cast<void>(registry.histogram("h", "H.", std::vector<double>{1, 1})),
                 "rise");
}

RC_GTEST_PROP(metrics_property, puts_every_observation_into_the_right_buckets,
              (const std::vector<std::int16_t>& values)) {
    auto registry = metrics_registry{3};
    const auto bounds = std::vector<double>{-100, 0, 100, 10'000};
    auto& spread = registry.histogram("h", "H.", bounds);
    auto shard = 0U;
    for (auto value : values) {
        spread.on(shard++ % 3).observe(static_cast<double>(value));
    }
    auto text = registry.scrape();
    for (auto bound : bounds) {
        auto expected =
            std::count_if(values.begin(), values.end(), [&](auto value) { return value <= bound; });
        auto line = "h_bucket{le=\"" + std::to_string(static_cast<int>(bound)) + "\"} " +
                    std::to_string(expected) + "\n";
        RC_ASSERT(text.find(line) != std::string::npos);
    }
    RC_ASSERT(text.find("h_count " + std::to_string(values.size()) + "\n") != std::string::npos);
}

}  // namespace
}  // namespace cohort
