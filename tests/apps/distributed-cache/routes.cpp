#include <distributed-cache/routes.hpp>

#include "cache_node.hpp"

#include <cohort/http/server.hpp>
#include <cohort/management/management.hpp>
#include <cohort/testkit/co_test.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

namespace cohort {
namespace {

/// A node of the cache that listens, and clients over streams in memory.
class listening {
public:
    explicit listening(http_options http = {}, cache_items_options limits = {.node_name = "here"},
                       cache_origin_options database = {})
        : cache_{std::move(limits), 2, 1, std::move(database)}, routes_{cache_.items()} {
        auto& system = cache_.node().system();
        server_ = &system.use(http_server{std::move(http)});
        add_cache_routes(*server_, &routes_);
        add_health_routes(*server_, system);
        cache_.begin();
    }

    [[nodiscard]] cache_node& cache() { return cache_; }

    /// Sends requests on one connection and gives everything that comes back until the server
    /// closes.
    std::string talk(std::string requests) {
        auto received = std::string{};
        cache_.run([&]() -> task<void> {
            auto socket = co_await connect(server_->local());
            CO_ASSERT_TRUE(socket);
            for (auto rest = std::as_bytes(std::span{requests}); !rest.empty();) {
                auto buffers = std::array{rest};
                auto written = co_await write_some(**socket, buffers);
                CO_ASSERT_TRUE(written.code == errc::ok);
                rest = rest.subspan(written.bytes);
            }
            (*socket)->end_writing();
            for (auto room = std::array<std::byte, 1024>{};;) {
                auto read = co_await read_some(**socket, room);
                if (read.code != errc::ok) {
                    co_return;
                }
                received.append(reinterpret_cast<const char*>(room.data()), read.bytes);
            }
        });
        return received;
    }

private:
    cache_node cache_;
    cache_routes routes_;
    http_server* server_ = nullptr;
};

std::string ask(std::string_view verb, std::string_view path, std::string_view headers = "") {
    return fmt::format("{} {} HTTP/1.1\r\nHost: h\r\n{}\r\n", verb, path, headers);
}
std::string put(std::string_view path, std::string_view body) {
    return ask("PUT", path, fmt::format("Content-Length: {}\r\n", body.size())) + std::string{body};
}

/// How often a text stands in another.
std::size_t count(std::string_view text, std::string_view what) {
    auto found = std::size_t{0};
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) {
        ++found;
    }
    return found;
}

void expect_in_order(std::string_view text, std::initializer_list<std::string_view> parts) {
    auto at = std::size_t{0};
    for (auto part : parts) {
        auto found = text.find(part, at);
        ASSERT_NE(found, text.npos) << "\"" << part << "\" is missing behind " << at << " in\n"
                                    << text;
        at = found + part.size();
    }
}

TEST(cache_routes, put_get_and_delete_a_key) {
    auto node = listening{};
    auto said = node.talk(ask("GET", "/cache-data/key") + put("/cache-data/key", "one") +
                          ask("GET", "/cache-data/key") + put("/cache-data/key", "two") +
                          ask("GET", "/cache-data/key") + ask("DELETE", "/cache-data/key") +
                          ask("DELETE", "/cache-data/key") + ask("GET", "/cache-data/key"));
    expect_in_order(
        said, {"404 Not Found", "Cache-Status: cohort; fwd=miss; detail=here", "no such key",
               "201 Created", "ETag: \"1\"", "200 OK", "Content-Type: text/plain; charset=utf-8",
               "ETag: \"1\"", "Age: 0", "Cache-Status: cohort; hit; detail=here", "one",
               "204 No Content", "ETag: \"2\"", "200 OK", "ETag: \"2\"", "two", "204 No Content",
               "404 Not Found", "404 Not Found"});
}

TEST(cache_routes, say_how_old_an_answer_is) {
    auto node = listening{};
    node.talk(put("/cache-data/key", "value"));
    node.cache().node().run_for(std::chrono::seconds{7});
    expect_in_order(node.talk(ask("GET", "/cache-data/key")), {"200 OK", "Age: 7", "value"});
}

TEST(cache_routes, answer_304_to_a_caller_that_has_the_content) {
    auto node = listening{};
    auto said = node.talk(put("/cache-data/key", "value") +
                          ask("GET", "/cache-data/key", "If-None-Match: \"9\", W/\"1\"\r\n") +
                          put("/cache-data/key", "new") +
                          ask("GET", "/cache-data/key", "If-None-Match: \"1\"\r\n"));
    expect_in_order(said,
                    {"201 Created", "304 Not Modified", "ETag: \"1\"", "204", "200 OK", "new"});
}

TEST(cache_routes, answer_head_without_the_content) {
    auto node = listening{};
    auto said = node.talk(put("/cache-data/key", "value") + ask("HEAD", "/cache-data/key"));
    expect_in_order(said, {"201 Created", "200 OK", "Content-Length: 5"});
    EXPECT_EQ(said.find("value"), said.npos);
}

TEST(cache_routes, send_bytes_that_are_no_text_as_bytes) {
    auto node = listening{};
    auto content = std::string{"\xff\x00\x01", 3};
    auto said = node.talk(put("/cache-data/key", content) + ask("GET", "/cache-data/key"));
    expect_in_order(said, {"Content-Type: application/octet-stream", content});
}

TEST(cache_routes, refuse_a_key_that_breaks_the_rules_whatever_the_method) {
    auto node = listening{};
    auto path = "/cache-data/" + std::string(513, 'k');
    auto said = node.talk(ask("GET", path) + put(path, "x") + ask("DELETE", path) +
                          ask("GET", "/cache-data/"));
    EXPECT_EQ(count(said, "HTTP/1.1 400 Bad Request"), 3U);
    EXPECT_EQ(count(said, "HTTP/1.1 404 Not Found"), 1U);
    EXPECT_EQ(count(said, "the key has 513 bytes, 512 are allowed"), 3U);
    EXPECT_EQ(node.cache().origin().counters().queries(), 0U);
}

TEST(cache_routes, answer_504_when_the_origin_takes_longer_than_the_deadline) {
    // The worker alone takes 20 us and more in each direction.
    auto node = listening{{.request_time = std::chrono::microseconds{15}}};
    expect_in_order(node.talk(ask("GET", "/cache-data/key")), {"HTTP/1.1 504 "});
}

TEST(cache_routes, answer_503_and_when_to_come_back_under_overload) {
    auto node = listening{{}, {.node_name = "here"}, {.waiting_max = 1}};
    node.cache().warm_up(16);
    auto requests = std::string{};
    for (auto number = 0; number < 16; ++number) {
        requests += ask("GET", fmt::format("/cache-data/key{}", number));
    }
    auto said = node.talk(requests);
    EXPECT_EQ(count(said, "HTTP/1.1 404"), 1U);
    EXPECT_EQ(count(said, "HTTP/1.1 503"), 15U);
    EXPECT_EQ(count(said, "Retry-After: 1\r\n"), 15U);
}

TEST(cache_routes, tell_health) {
    auto node = listening{};
    auto said = node.talk(ask("GET", "/health") + ask("GET", "/health/live") +
                          ask("GET", "/health/startup"));
    EXPECT_EQ(count(said, "HTTP/1.1 200 OK"), 3U);
}

}  // namespace
}  // namespace cohort
