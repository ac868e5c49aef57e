#include "histogram.hpp"
#include "keys.hpp"
#include "response.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

namespace cohort::bench {

namespace {

TEST(histogram, answers_zero_when_nothing_was_recorded) {
    EXPECT_EQ(histogram().quantile(0.99), 0U);
}

TEST(histogram, finds_quantiles_within_one_percent) {
    histogram of;
    for (std::uint64_t i = 1; i <= 100'000; ++i) {
        of.record(i * 1000);
    }
    EXPECT_EQ(of.count(), 100'000U);
    EXPECT_EQ(of.max(), 100'000'000U);
    for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
        const double expected = fraction * 1e8;
        EXPECT_NEAR(static_cast<double>(of.quantile(fraction)), expected, expected * 0.01);
    }
    EXPECT_EQ(of.quantile(1), of.max());
}

TEST(histogram, is_exact_for_small_durations_and_takes_the_largest) {
    histogram of;
    of.record(0);
    of.record(127);
    EXPECT_EQ(of.quantile(0.5), 0U);
    EXPECT_EQ(of.quantile(1), 127U);
    of.record(UINT64_MAX);
    EXPECT_EQ(of.quantile(1), UINT64_MAX);
}

TEST(http_response, is_read_whole_and_leaves_the_next_one) {
    const std::string input = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX: y\r\n\r\nhelloHTTP/1.1";
    response out;
    ASSERT_EQ(parse_http(input, out), parse_state::complete);
    EXPECT_EQ(out.status, 200);
    EXPECT_EQ(out.body, "hello");
    EXPECT_EQ(out.bytes, input.size() - 8);
    EXPECT_FALSE(out.close);
}

TEST(http_response, is_incomplete_at_every_shorter_length) {
    const std::string input =
        "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    response out;
    for (std::size_t length = 0; length < input.size(); ++length) {
        EXPECT_EQ(parse_http(std::string_view(input).substr(0, length), out),
                  parse_state::incomplete);
    }
    ASSERT_EQ(parse_http(input, out), parse_state::complete);
    EXPECT_EQ(out.status, 503);
    EXPECT_TRUE(out.close);
}

TEST(http_response, without_a_length_it_can_trust_is_broken) {
    response out;
    for (const std::string fields :
         {"", "Content-Length: x\r\n", "Content-Length: -1\r\n", "Content-Length: 99999999999\r\n",
          "Content-Length: 1\r\nContent-Length: 1\r\n", "Transfer-Encoding: chunked\r\n",
          "no colon\r\n"}) {
        EXPECT_EQ(parse_http("HTTP/1.1 200 OK\r\n" + fields + "\r\nbody", out), parse_state::broken)
            << fields;
    }
}

TEST(http_response, with_a_bad_status_line_is_broken) {
    response out;
    for (const std::string line : {"HTTP/1.0 200 OK", "HTTP/1.1 20", "HTTP/1.1 999 No",
                                   "HTTP/1.1 100 Go", "HTTP/1.1 2000", "nonsense"}) {
        EXPECT_EQ(parse_http(line + "\r\nContent-Length: 0\r\n\r\n", out), parse_state::broken)
            << line;
    }
    EXPECT_EQ(parse_http(std::string(head_bytes_max + 1, 'x'), out), parse_state::broken);
}

TEST(resp_answer, is_a_value_nil_or_an_error) {
    response out;
    ASSERT_EQ(parse_resp("$3\r\nabc\r\n$-1\r\n", out), parse_state::complete);
    EXPECT_EQ(out.status, 200);
    EXPECT_EQ(out.body, "abc");
    EXPECT_EQ(out.bytes, 9U);
    ASSERT_EQ(parse_resp("$-1\r\n", out), parse_state::complete);
    EXPECT_EQ(out.status, 404);
    ASSERT_EQ(parse_resp("-ERR no\r\n", out), parse_state::complete);
    EXPECT_EQ(out.status, 500);
    EXPECT_EQ(parse_resp("$3\r\nab", out), parse_state::incomplete);
    EXPECT_EQ(parse_resp("$3\r\nabcde", out), parse_state::broken);
    EXPECT_EQ(parse_resp("$-2\r\n", out), parse_state::broken);
    EXPECT_EQ(parse_resp("what\r\n", out), parse_state::broken);
}

TEST(key_source, asks_for_every_key_equally_often_when_uniform) {
    random_source random{7};
    key_source keys{key_pattern::uniform, 10, 0.99};
    std::map<std::uint64_t, int> seen;
    for (int i = 0; i < 100'000; ++i) {
        ++seen[keys.next(random)];
    }
    ASSERT_EQ(seen.size(), 10U);
    for (const auto& [key, times] : seen) {
        EXPECT_NEAR(times, 10'000, 500) << key;
    }
}

TEST(key_source, asks_for_one_key_after_the_other_in_turn) {
    random_source random{7};
    key_source keys{key_pattern::turn, 3, 0.99};
    for (std::uint64_t i = 0; i < 9; ++i) {
        EXPECT_EQ(keys.next(random), i % 3);
    }
}

TEST(key_source, follows_the_power_law_when_zipf) {
    random_source random{7};
    key_source keys{key_pattern::zipf, 1000, 0.99};
    std::map<std::uint64_t, int> seen;
    for (int i = 0; i < 1'000'000; ++i) {
        const std::uint64_t key = keys.next(random);
        ASSERT_LT(key, 1000U);
        ++seen[key];
    }
    double zeta = 0;
    for (int rank = 1; rank <= 1000; ++rank) {
        zeta += std::pow(rank, -0.99);
    }
    EXPECT_NEAR(seen[0], 1e6 / zeta, 1e4);
    EXPECT_NEAR(seen[1], 1e6 / zeta * std::pow(2, -0.99), 1e4);
}

TEST(random_source, draws_poisson_gaps_of_the_asked_mean) {
    random_source random{7};
    double sum = 0;
    for (int i = 0; i < 100'000; ++i) {
        sum += random.exponential(1000);
    }
    EXPECT_NEAR(sum / 100'000, 0.001, 0.00005);
}

}  // namespace

}  // namespace cohort::bench
