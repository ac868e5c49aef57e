#include <cohort/http/router.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "requests.hpp"

namespace cohort {
namespace {

using kind = router::match::kind;

std::size_t route_number(const router& routes, method verb, std::string_view target) {
    auto incoming = get_request(target);
    auto found = routes.find(verb, incoming);
    return found.what == kind::route ? found.route : 99;
}

std::string refusal(router& routes, std::string_view pattern, method verb = GET) {
    auto added = routes.add(verb, pattern);
    return added ? "accepted" : std::string{added.error().text()};
}

TEST(router, finds_routes_by_method_and_path) {
    auto routes = router{};
    ASSERT_EQ(*routes.add(GET, "/"), 0u);
    ASSERT_EQ(*routes.add(GET, "/cache-data/{key}"), 1u);
    ASSERT_EQ(*routes.add(PUT, "/cache-data/{key}"), 2u);
    ASSERT_EQ(*routes.add(GET, "/health"), 3u);
    ASSERT_EQ(*routes.add(GET, "/health/live"), 4u);
    EXPECT_EQ(route_number(routes, GET, "/"), 0u);
    EXPECT_EQ(route_number(routes, GET, "/cache-data/bash"), 1u);
    EXPECT_EQ(route_number(routes, PUT, "/cache-data/bash"), 2u);
    EXPECT_EQ(route_number(routes, GET, "/health?verbose"), 3u);
    EXPECT_EQ(route_number(routes, GET, "/health/live"), 4u);
    EXPECT_EQ(route_number(routes, GET, "/health/"), 99u);
    EXPECT_EQ(route_number(routes, GET, "/cache-data/"), 99u);
    EXPECT_EQ(route_number(routes, GET, "/cache-data/a/b"), 99u);
    EXPECT_EQ(route_number(routes, GET, "/cache-data/a%2Fb"), 1u);
    EXPECT_EQ(route_number(routes, GET, "/Health"), 99u);
}

TEST(router, answers_head_with_get_unless_it_has_its_own_route) {
    auto routes = router{};
    ASSERT_TRUE(routes.add(GET, "/a"));
    ASSERT_TRUE(routes.add(GET, "/b"));
    ASSERT_TRUE(routes.add(HEAD, "/b"));
    EXPECT_EQ(route_number(routes, HEAD, "/a"), 0u);
    EXPECT_EQ(route_number(routes, HEAD, "/b"), 2u);
}

TEST(router, tells_a_wrong_method_from_a_wrong_path) {
    auto routes = router{};
    ASSERT_TRUE(routes.add(GET, "/a/{x}"));
    ASSERT_TRUE(routes.add(DELETE, "/a/{x}"));
    auto incoming = get_request("/a/1");
    auto wrong_method = routes.find(PUT, incoming);
    EXPECT_EQ(wrong_method.what, kind::no_method);
    EXPECT_EQ(wrong_method.allow, "GET, HEAD, DELETE");
    EXPECT_EQ(routes.find(method::other, incoming).what, kind::no_method);
    auto unknown = get_request("/a");
    EXPECT_EQ(routes.find(PUT, unknown).what, kind::no_path);
    EXPECT_EQ(router{}.find(GET, unknown).what, kind::no_path);
}

TEST(router, gives_parameters_by_name) {
    auto routes = router{};
    ASSERT_TRUE(routes.add(GET, "/shelf/{shelf}/book/{book}"));
    auto incoming = get_request("/shelf/a%2Fb/book/%00");
    auto found = routes.find(GET, incoming);
    ASSERT_EQ(found.what, kind::route);
    incoming.data().parameters = found.parameters;
    EXPECT_EQ(incoming.path("shelf"), "a/b");
    EXPECT_EQ(incoming.path("book"), std::string_view("\0", 1));
    EXPECT_DEATH(static_cast<void>(incoming.path("author")), "no parameter of this name");
}

TEST(router, prefers_a_literal_where_both_end_the_path) {
    auto routes = router{};
    ASSERT_EQ(*routes.add(GET, "/users/{id}"), 0u);
    ASSERT_EQ(*routes.add(GET, "/users/me"), 1u);
    EXPECT_EQ(route_number(routes, GET, "/users/me"), 1u);
    EXPECT_EQ(route_number(routes, GET, "/users/you"), 0u);
}

TEST(router, refuses_what_would_be_a_matter_of_luck) {
    auto routes = router{};
    ASSERT_TRUE(routes.add(GET, "/users/{id}"));
    EXPECT_EQ(refusal(routes, "/users/{id}"),
              "the route pattern /users/{id} already has a route for GET");
    EXPECT_EQ(refusal(routes, "/users/{name}"),
              "the route pattern /users/{name} calls the same parameter by another name than "
              "/users/{id}");
    EXPECT_EQ(refusal(routes, "/users/me/settings"),
              "the route pattern /users/me/settings overlaps with /users/{id}: a literal may stand "
              "beside a "
              "parameter only where both end their patterns");
    ASSERT_TRUE(routes.add(GET, "/a/b/c"));
    EXPECT_NE(refusal(routes, "/a/{x}/d").find("overlaps"), std::string::npos);
    EXPECT_NE(refusal(routes, "/a/{x}").find("overlaps"), std::string::npos);
    // A refused pattern leaves nothing behind.
    EXPECT_EQ(route_number(routes, GET, "/a/1/d"), 99u);
    EXPECT_EQ(refusal(routes, "/a/x/d"), "accepted");
    EXPECT_EQ(routes.size(), 3u);
}

TEST(router, refuses_malformed_patterns) {
    auto routes = router{};
    EXPECT_NE(refusal(routes, "a").find("slash"), std::string::npos);
    EXPECT_NE(refusal(routes, "").find("slash"), std::string::npos);
    for (const auto* pattern : {"/{}", "/{a", "/a}", "/x{a}", "/{a}{b}", "/{a}x"}) {
        EXPECT_NE(refusal(routes, pattern).find("malformed parameter"), std::string::npos)
            << pattern;
    }
    EXPECT_NE(refusal(routes, "/{a}/{a}").find("two parameters"), std::string::npos);
    EXPECT_NE(refusal(routes, "/a", method::other).find("needs a method"), std::string::npos);
}

RC_GTEST_PROP(router, finds_the_same_route_whatever_the_order_of_registration, ()) {
    auto segment = rc::gen::element<std::string>("a", "b", "{x}", "{y}");
    auto patterns = *rc::gen::container<std::vector<std::vector<std::string>>>(
        rc::gen::container<std::vector<std::string>>(segment));
    auto accepted = std::vector<std::string>{};
    auto routes = router{};
    for (const auto& parts : patterns) {
        auto pattern = std::string{};
        for (const auto& part : parts) {
            pattern += "/" + part;
        }
        if (pattern.empty()) {
            pattern = "/";
        }
        if (routes.add(GET, pattern)) {
            accepted.push_back(pattern);
        }
    }
    auto backwards = router{};
    for (auto at = accepted.rbegin(); at != accepted.rend(); ++at) {
        RC_ASSERT(backwards.add(GET, *at).has_value());
    }
    auto parts =
        *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>("a", "b", "c"));
    parts.resize(std::min<std::size_t>(parts.size(), request_limits{}.segment_count_max));
    auto target = std::string{};
    for (const auto& part : parts) {
        target += "/" + part;
    }
    auto incoming = get_request(target.empty() ? "/" : target);
    auto one = routes.find(GET, incoming);
    auto two = backwards.find(GET, incoming);
    RC_ASSERT(one.what == two.what);
    // And it is found exactly when some accepted pattern matches.
    auto matches = [&](const std::string& pattern) {
        auto rest = pattern == "/" ? std::string_view{} : std::string_view{pattern};
        for (const auto& part : parts) {
            if (rest.empty()) {
                return false;
            }
            rest.remove_prefix(1);
            auto own = rest.substr(0, rest.find('/'));
            if (own != part && own.front() != '{') {
                return false;
            }
            rest.remove_prefix(own.size());
        }
        return rest.empty();
    };
    RC_ASSERT(std::any_of(accepted.begin(), accepted.end(), matches) == (one.what == kind::route));
    if (one.what == kind::route) {
        RC_ASSERT(accepted[one.route] == accepted[accepted.size() - 1 - two.route]);
    }
}

}  // namespace
}  // namespace cohort
