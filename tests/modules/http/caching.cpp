#include <cohort/http/caching.hpp>

#include <gtest/gtest.h>

#include <cohort/http/percent.hpp>
#include <rapidcheck/gtest.h>

#include "requests.hpp"

namespace cohort {
namespace {

bool matches(std::string_view list, std::string_view tag) {
    return matches_etag(get_request("/", "If-None-Match: " + std::string{list} + "\r\n"), tag);
}

TEST(caching, compares_entity_tags_weakly) {
    auto tag = etag(42);
    EXPECT_EQ(tag, "\"2a\"");
    EXPECT_EQ(etag(~std::uint64_t{0}), "\"ffffffffffffffff\"");
    EXPECT_TRUE(matches("\"2a\"", tag));
    EXPECT_TRUE(matches("W/\"2a\"", tag));
    EXPECT_TRUE(matches("\"x\", \"a,b\" , W/\"2a\"", tag));
    EXPECT_TRUE(matches("*", tag));
    EXPECT_TRUE(matches(",, \"2a\",", tag));
    EXPECT_FALSE(matches("\"2\"", tag));
    EXPECT_FALSE(matches("2a", tag));
    EXPECT_FALSE(matches("\"2a", tag));
    EXPECT_FALSE(matches("\"x\" \"2a\"", tag));
    EXPECT_FALSE(matches("\"x\",\"2a\"junk", "\"2b\""));
    EXPECT_FALSE(matches("", tag));
    EXPECT_FALSE(matches_etag(get_request("/"), tag));
    EXPECT_TRUE(
        matches_etag(get_request("/", "If-None-Match: \"1\"\r\nIf-None-Match: \"2a\"\r\n"), tag));
}

TEST(caching, says_what_the_cache_did_and_where) {
    EXPECT_EQ(cache_hit("node-1"), "cohort; hit; detail=node-1");
    EXPECT_EQ(cache_miss("node-1:2551"), "cohort; fwd=miss; stored; detail=node-1:2551");
    EXPECT_EQ(cache_miss("n", false), "cohort; fwd=miss; detail=n");
    EXPECT_EQ(cache_hit("10.0.0.1:2551"), "cohort; hit; detail=\"10.0.0.1:2551\"");
    EXPECT_EQ(cache_hit("a\"\\\r"), "cohort; hit; detail=\"a\\\"\\\\?\"");
    EXPECT_EQ(cache_hit(""), "cohort; hit; detail=\"\"");
}

TEST(caching, counts_age_in_whole_seconds) {
    EXPECT_EQ(age(1999ms), "1");
    EXPECT_EQ(age(-5s), "0");
    EXPECT_EQ(age(0s), "0");
}

RC_GTEST_PROP(percent, decodes_what_it_encoded, (const std::string& key)) {
    auto out = std::string{};
    auto encoded = percent_encode(key);
    RC_ASSERT(percent_decode(encoded, out));
    RC_ASSERT(out == key);
    RC_ASSERT(get_request("/k/" + encoded).segment(1) == key);
}

}  // namespace
}  // namespace cohort
