#include "cache_node.hpp"

#include <cohort/testkit/co_test.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>

namespace cohort {
namespace {

TEST(cache_entity, loads_a_key_once_and_answers_from_memory_afterwards) {
    auto cache = cache_node{};
    cache.run([&]() -> task<void> {
        auto stored = co_await cache.put("bash", "a shell");
        CO_ASSERT_TRUE(stored);
        EXPECT_TRUE(stored->created);
        auto found = co_await cache.get("bash");
        CO_ASSERT_TRUE(found);
        EXPECT_TRUE(found->present);
        EXPECT_TRUE(found->hit);
        EXPECT_TRUE(found->text);
        EXPECT_EQ(found->content, "a shell");
        EXPECT_EQ(found->version, stored->version);
    });
    EXPECT_EQ(cache.origin().counters().loads, 0U);
}

TEST(cache_entity, asks_the_origin_once_for_a_thousand_gets_of_a_cold_key) {
    auto cache = cache_node{};
    auto misses = 0;
    auto body = [&]() -> task<void> {
        auto found = co_await cache.get("cold");
        CO_ASSERT_TRUE(found);
        EXPECT_FALSE(found->present);
        misses += found->hit ? 0 : 1;
    };
    for (auto request = 0U; request < 1000; ++request) {
        cache.start(body, request % 2);
    }
    cache.finish();
    EXPECT_EQ(cache.origin().counters().queries(), 1U);
    EXPECT_EQ(misses, 1);
    EXPECT_EQ(cache.figures().hits, 999U);
    EXPECT_EQ(cache.figures().entities, 1U);
}

TEST(cache_entity, takes_many_requests_at_once_for_a_popular_key) {
    auto cache = cache_node{};
    auto answered = 0;
    auto body = [&]() -> task<void> {
        auto found = co_await cache.get("popular");
        CO_ASSERT_TRUE(found);
        ++answered;
    };
    for (auto request = 0U; request < 10'000; ++request) {
        cache.start(body, request % 2);
    }
    cache.finish();
    EXPECT_EQ(answered, 10'000);
    EXPECT_EQ(cache.origin().counters().queries(), 1U);
}

TEST(cache_entity, leaves_when_idle_and_comes_back_with_what_was_put) {
    auto cache = cache_node{{.times = {.idle = std::chrono::seconds{10}}}};
    cache.run([&]() -> task<void> {
        auto stored = co_await cache.put("key", "new");
        CO_ASSERT_TRUE(stored);
    });
    EXPECT_EQ(cache.figures().entities, 1U);
    EXPECT_EQ(cache.figures().content_bytes, 3U);
    cache.node().run_for(std::chrono::seconds{11});
    EXPECT_EQ(cache.figures().entities, 0U);
    EXPECT_EQ(cache.figures().content_bytes, 0U);
    cache.run([&]() -> task<void> {
        auto found = co_await cache.get("key");
        CO_ASSERT_TRUE(found);
        EXPECT_FALSE(found->hit);
        EXPECT_EQ(found->content, "new");
    });
    EXPECT_EQ(cache.origin().counters().loads, 1U);
}

TEST(cache_entity, remembers_an_absent_key_for_a_while) {
    auto cache = cache_node{{.times = {.absent = std::chrono::seconds{1}}}};
    cache.run([&]() -> task<void> {
        for (auto expected_hit : {false, true}) {
            auto found = co_await cache.get("nothing");
            CO_ASSERT_TRUE(found);
            EXPECT_FALSE(found->present);
            EXPECT_EQ(found->hit, expected_hit);
        }
    });
    EXPECT_EQ(cache.origin().counters().loads, 1U);
}

TEST(cache_entity, asks_again_about_an_absent_key_that_is_asked_for_all_the_time) {
    auto cache = cache_node{{.times = {.absent = std::chrono::seconds{1}}}};
    cache.run([&]() -> task<void> {
        for (auto request = 0; request < 25; ++request) {
            auto found = co_await cache.get("nothing");
            CO_ASSERT_TRUE(found);
            co_await sleep_for{std::chrono::milliseconds{100}};
        }
    });
    EXPECT_EQ(cache.origin().counters().loads, 3U);
}

TEST(cache_entity, erases_and_says_whether_there_was_anything) {
    auto cache = cache_node{};
    cache.run([&]() -> task<void> {
        auto nothing = co_await cache.erase("key");
        EXPECT_EQ(nothing.error(), errc::not_found);
        auto stored = co_await cache.put("key", "value");
        CO_ASSERT_TRUE(stored);
        auto erased = co_await cache.erase("key");
        EXPECT_TRUE(erased);
        auto found = co_await cache.get("key");
        CO_ASSERT_TRUE(found);
        EXPECT_FALSE(found->present);
    });
    EXPECT_EQ(cache.origin().counters().loads, 0U);
}

TEST(cache_entity, knows_text_from_other_bytes) {
    auto cache = cache_node{};
    cache.run([&]() -> task<void> {
        auto cases = std::map<std::string, bool>{{"plain", true},
                                                 {"\xc3\xa4", true},
                                                 {std::string{"a\0b", 3}, false},
                                                 {"\xff\xfe", false},
                                                 {"", true}};
        for (const auto& [content, text] : cases) {
            auto stored = co_await cache.put("key", content);
            CO_ASSERT_TRUE(stored);
            auto found = co_await cache.get("key");
            CO_ASSERT_TRUE(found);
            EXPECT_EQ(found->text, text) << content;
        }
    });
}

TEST(cache_entity, drops_work_whose_deadline_has_passed_before_it_reaches_the_origin) {
    auto cache = cache_node{};
    cache.run([&]() -> task<void> {
        auto at_once = co_await cache.items().ask("key", {this_core().now(), 0}, get_item{});
        EXPECT_EQ(at_once.error(), errc::timeout);
        EXPECT_EQ(at_once.error().executed(), executed::no);
    });
    EXPECT_EQ(cache.origin().counters().queries(), 0U);
}

TEST(cache_entity, refuses_content_that_the_origin_refuses_and_keeps_the_old) {
    auto cache = cache_node{{}, 1, 1, {.database = {.content_bytes_max = 10}}};
    cache.run([&]() -> task<void> {
        auto stored = co_await cache.put("key", "fits");
        CO_ASSERT_TRUE(stored);
        auto refused = co_await cache.put("key", "is far too long");
        EXPECT_EQ(refused.error(), errc::too_large);
        auto found = co_await cache.get("key");
        CO_ASSERT_TRUE(found);
        EXPECT_EQ(found->content, "fits");
    });
}

TEST(cache_items, keeps_the_number_of_keys_by_asking_the_least_recently_used_to_leave) {
    auto cache = cache_node{{.keys_max = 10}, 1};
    cache.run([&]() -> task<void> {
        for (auto number = 0; number < 50; ++number) {
            auto stored = co_await cache.put(fmt::format("key{}", number), "value");
            CO_ASSERT_TRUE(stored);
            auto favourite = co_await cache.get("key0");
            CO_ASSERT_TRUE(favourite);
            EXPECT_TRUE(favourite->hit);
        }
    });
    cache.node().run_for(std::chrono::seconds{1});
    EXPECT_EQ(cache.figures().entities, 10U);
    EXPECT_EQ(cache.figures().evicted, 40U);
}

TEST(cache_items, keeps_the_bytes_in_memory_below_the_limit) {
    auto cache = cache_node{{.content_bytes_max = 1000}, 1};
    cache.run([&]() -> task<void> {
        for (auto number = 0; number < 50; ++number) {
            auto stored = co_await cache.put(fmt::format("key{}", number), std::string(100, 'x'));
            CO_ASSERT_TRUE(stored);
        }
        auto huge = co_await cache.put("huge", std::string(5000, 'x'));
        EXPECT_TRUE(huge);
    });
    cache.node().run_for(std::chrono::seconds{1});
    EXPECT_LE(cache.figures().content_bytes, 1000U);
}

TEST(cache_items, refuses_new_keys_when_all_that_are_there_are_busy) {
    auto cache = cache_node{{.keys_max = 4}, 1};
    auto overloaded = 0;
    auto number = 0;
    auto body = [&]() -> task<void> {
        auto found = co_await cache.get(fmt::format("key{}", number++));
        overloaded += !found && found.error() == errc::overloaded ? 1 : 0;
    };
    for (auto request = 0; request < 100; ++request) {
        cache.start(body);
    }
    cache.finish();
    EXPECT_EQ(overloaded, 100 - 4 - 1 - 16);
}

TEST(cache_items, refuses_calls_over_the_origins_limit_as_certainly_not_executed) {
    auto cache = cache_node{{}, 1, 1, {.waiting_max = 5}};
    cache.warm_up(20);
    auto refused = 0;
    auto number = 0;
    auto body = [&]() -> task<void> {
        auto found = co_await cache.get(fmt::format("key{}", number++));
        if (!found) {
            EXPECT_EQ(found.error(), errc::overloaded);
            EXPECT_EQ(found.error().executed(), executed::no);
            ++refused;
        }
    };
    for (auto request = 0; request < 20; ++request) {
        cache.start(body);
    }
    cache.finish();
    EXPECT_EQ(refused, 15);
    EXPECT_EQ(cache.origin().refused(), 15U);
    EXPECT_EQ(cache.origin().waiting(), 0U);
}

TEST(cache_items, show_what_an_entity_at_rest_knows_and_count_it_as_a_hit) {
    auto cache = cache_node{{}, 1};
    cache.run([&]() -> task<void> {
        EXPECT_EQ(cache.items().peek("key"), nullptr);
        auto stored = co_await cache.put("key", "value");
        CO_ASSERT_TRUE(stored);
        auto hits = cache.figures().hits;
        const auto* known = cache.items().peek("key");
        CO_ASSERT_TRUE(known != nullptr);
        EXPECT_EQ(known->content, "value");
        EXPECT_EQ(known->version, stored->version);
        EXPECT_EQ(cache.figures().hits, hits + 1);
        auto erased = co_await cache.erase("key");
        EXPECT_TRUE(erased);
        EXPECT_EQ(cache.items().peek("key"), nullptr) << "that there is nothing is never shown";
        EXPECT_EQ(cache.figures().hits, hits + 1);
    });
}

TEST(cache_items, show_nothing_while_a_request_waits_or_is_worked_on) {
    auto cache = cache_node{{}, 1};
    cache.run([&]() -> task<void> {
        auto stored = co_await cache.put("key", "old");
        CO_ASSERT_TRUE(stored);
        EXPECT_NE(cache.items().peek("key"), nullptr);
        auto waiting = cache.put("key", "new");
        EXPECT_EQ(cache.items().peek("key"), nullptr) << "the entity has not seen it yet";
        co_await yield{};
        EXPECT_EQ(cache.items().peek("key"), nullptr) << "the origin has not answered yet";
        stored = co_await waiting;
        CO_ASSERT_TRUE(stored);
        const auto* known = cache.items().peek("key");
        CO_ASSERT_TRUE(known != nullptr);
        EXPECT_EQ(known->content, "new");
    });
}

TEST(cache_items, show_nothing_of_a_key_that_lives_on_another_core) {
    auto cache = cache_node{};
    auto shown = 0;
    auto body = [&]() -> task<void> {
        auto stored = co_await cache.put("key", "value");
        CO_ASSERT_TRUE(stored);
        shown += cache.items().peek("key") != nullptr ? 1 : 0;
    };
    cache.run(body, 0);
    cache.run(body, 1);
    EXPECT_EQ(shown, 1);
}

TEST(cache_items, tell_many_keys_apart) {
    auto cache = cache_node{{.times = {.idle = std::chrono::seconds{10}}}, 1};
    cache.run([&]() -> task<void> {
        for (auto round = 0; round < 3; ++round) {
            for (auto number = 0; number < 1500; ++number) {
                auto key = fmt::format("key{}", number);
                if (round == 0) {
                    auto stored = co_await cache.put(key, key);
                    CO_ASSERT_TRUE(stored);
                }
                const auto* known = cache.items().peek(key);
                CO_ASSERT_TRUE(known != nullptr);
                CO_ASSERT_EQ(known->content, std::string_view{key});
            }
        }
    });
    cache.node().run_for(std::chrono::seconds{14});
    EXPECT_EQ(cache.figures().entities, 0U);
    cache.run([&]() -> task<void> {
        EXPECT_EQ(cache.items().peek("key7"), nullptr);
        auto found = co_await cache.get("key7");
        CO_ASSERT_TRUE(found);
        EXPECT_EQ(found->content, "key7");
    });
}

TEST(cache_items, stay_while_they_are_read_without_messages) {
    auto cache = cache_node{{.times = {.idle = std::chrono::seconds{10}}}, 1};
    cache.run([&]() -> task<void> {
        auto stored = co_await cache.put("key", "value");
        CO_ASSERT_TRUE(stored);
        for (auto count = 0; count < 8; ++count) {
            co_await sleep_for{std::chrono::seconds{7}};
            EXPECT_NE(cache.items().peek("key"), nullptr);
        }
    });
    cache.node().run_for(std::chrono::milliseconds{9'900});
    EXPECT_EQ(cache.figures().entities, 1U);
    cache.node().run_for(std::chrono::milliseconds{3'000});
    EXPECT_EQ(cache.figures().entities, 0U);
}

TEST(cache_items, keep_the_keys_that_are_read_without_messages) {
    auto cache = cache_node{{.keys_max = 10}, 1};
    cache.run([&]() -> task<void> {
        for (auto number = 0; number < 50; ++number) {
            auto stored = co_await cache.put(fmt::format("key{}", number), "value");
            CO_ASSERT_TRUE(stored);
            EXPECT_NE(cache.items().peek("key0"), nullptr);
        }
    });
    EXPECT_EQ(cache.figures().evicted, 40U);
}

/// Any mix of requests from two cores, with times so short that entities come and go all the while:
/// every request is answered, and an answer is the newest content that was acknowledged before.
RC_GTEST_PROP(entities, answers_every_request_with_the_newest_content, (std::uint64_t seed)) {
    auto cache = cache_node{
        {.keys_max = 3,
         .times = {.idle = std::chrono::milliseconds{3}, .absent = std::chrono::milliseconds{2}}},
        2,
        seed};
    auto newest = std::map<std::string, std::string>{};
    auto answered = 0;
    auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
        rc::gen::tuple(rc::gen::inRange(0, 4), rc::gen::inRange(0, 6), rc::gen::inRange(0, 5)));
    auto body = [&]() -> task<void> {
        auto number = 0;
        for (auto [verb, which, pause] : steps) {
            auto key = fmt::format("key{}", which);
            if (verb == 0) {
                auto content = fmt::format("content{}", ++number);
                auto stored = co_await cache.put(key, content);
                CO_ASSERT_TRUE(stored);
                newest[key] = content;
            } else if (verb == 1) {
                auto erased = co_await cache.erase(key);
                EXPECT_EQ(erased.has_value(), newest.erase(key) == 1);
            } else {
                if (const auto* known = cache.items().peek(key)) {
                    CO_ASSERT_EQ(known->content, std::string_view{newest[key]});
                }
                auto found = co_await cache.get(key);
                CO_ASSERT_TRUE(found);
                CO_ASSERT_EQ(found->present, newest.contains(key));
                if (found->present) {
                    CO_ASSERT_EQ(found->content, std::string_view{newest[key]});
                }
            }
            ++answered;
            co_await sleep_for{std::chrono::milliseconds{pause}};
        }
    };
    cache.run(body, 0);
    RC_ASSERT(answered == static_cast<int>(steps.size()));
}

/// Many at once on few keys while entities leave after almost every request: nobody is forgotten.
RC_GTEST_PROP(entities, loses_no_request_when_entities_leave, (std::uint64_t seed)) {
    auto cache = cache_node{
        {.keys_max = 2,
         .times = {.idle = std::chrono::milliseconds{1}, .absent = std::chrono::milliseconds{1}}},
        2,
        seed};
    auto answered = 0;
    auto next = 0;
    auto body = [&]() -> task<void> {
        auto mine = next++;
        for (auto round = 0; round < 10; ++round) {
            auto key = fmt::format("key{}", (mine + round) % 4);
            auto found = co_await cache.get(key);
            CO_ASSERT_TRUE(found);
            ++answered;
            co_await sleep_for{std::chrono::microseconds{300 * mine}};
        }
    };
    for (auto client = 0U; client < 12; ++client) {
        cache.start(body, client % 2);
    }
    cache.finish();
    RC_ASSERT(answered == 120);
}

/// Whatever else goes on: what is shown is what the entity answers to a request of this instant.
RC_GTEST_PROP(entities, show_what_a_request_would_be_answered, (std::uint64_t seed)) {
    auto shown = 0;
    auto cache = cache_node{
        {.keys_max = 6,
         .times = {.idle = std::chrono::milliseconds{3}, .absent = std::chrono::milliseconds{2}}},
        2,
        seed};
    auto next = 0;
    auto body = [&]() -> task<void> {
        auto mine = next++;
        for (auto round = 0; round < 30; ++round) {
            auto draw = cache.node().world().random();
            auto key = fmt::format("key{}", draw % 5);
            if (draw / 8 % 4 == 0) {
                auto stored = co_await cache.put(key, fmt::format("{} {}", mine, round));
                CO_ASSERT_TRUE(stored);
            } else if (draw / 8 % 16 == 1) {
                static_cast<void>(co_await cache.erase(key));
            } else if (const auto* known = cache.items().peek(key)) {
                auto copy = *known;
                auto found = co_await cache.get(key);
                CO_ASSERT_TRUE(found);
                CO_ASSERT_TRUE(found->hit && found->present);
                CO_ASSERT_EQ(found->content, copy.content);
                CO_ASSERT_EQ(found->version, copy.version);
                CO_ASSERT_TRUE(found->epoch == copy.epoch && found->text == copy.text);
                ++shown;
            }
            co_await sleep_for{std::chrono::microseconds{draw / 64 % 2000}};
        }
    };
    for (auto client = 0U; client < 8; ++client) {
        cache.start(body, client % 2);
    }
    cache.finish();
    RC_CLASSIFY(shown > 0);
}

}  // namespace
}  // namespace cohort
