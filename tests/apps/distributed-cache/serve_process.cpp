#include <distributed-cache/sqlite_origin.hpp>

#include "origin_session.hpp"
#include "serving.hpp"
#include "temporary_folder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace cohort {
namespace {

void keep_row(const std::string& path, const std::string& key, const std::string& content) {
    auto origin = origin_session{sqlite_origin::open({.path = path}, origin_use::serve)};
    ASSERT_TRUE(origin.activate().has_value());
    ASSERT_TRUE(origin.store(key, content).has_value());
}

TEST(cohort_cache, reads_through_and_says_what_the_cache_did) {
    auto folder = temporary_folder{};
    keep_row(folder.file("cache.db"), "bash", "Package: bash\n");
    auto node = serving{folder.file("cache.db"), {"--node.name", "one"}};
    auto client = node.client();
    auto first = client.get("/cache-data/bash");
    EXPECT_EQ(first.status, 200);
    EXPECT_EQ(first.body, "Package: bash\n");
    EXPECT_EQ(first.headers["cache-status"], "cohort; fwd=miss; stored; detail=one");
    EXPECT_EQ(first.headers["content-type"], "text/plain; charset=utf-8");
    EXPECT_EQ(first.headers["age"], "0");
    auto second = client.get("/cache-data/bash");
    EXPECT_EQ(second.headers["cache-status"], "cohort; hit; detail=one");
    EXPECT_EQ(second.headers["etag"], first.headers["etag"]);
    EXPECT_EQ(node.metric("cohort_origin_queries_total"), 1);
    auto known = client.get("/cache-data/bash", "If-None-Match: " + first.headers["etag"] + "\r\n");
    EXPECT_EQ(known.status, 304);
    EXPECT_TRUE(known.body.empty());
    EXPECT_EQ(node.stop(), 0);
}

TEST(cohort_cache, answers_its_health_routes_on_both_ports) {
    auto folder = temporary_folder{};
    auto node = serving{folder.file("cache.db")};
    for (auto* path : {"/health", "/health/live", "/health/startup"}) {
        EXPECT_EQ(node.client().get(path).status, 200);
        EXPECT_EQ(node.admin().get(path).status, 200);
    }
    EXPECT_NE(node.admin().get("/config").body.find("cache.origin"), std::string::npos);
    EXPECT_EQ(node.client().get("/metrics").status, 404);
}

TEST(cohort_cache, asks_the_origin_once_for_a_thousand_concurrent_gets_of_a_cold_key) {
    auto limit = rlimit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    auto folder = temporary_folder{};
    keep_row(folder.file("cache.db"), "cold", "value");
    auto node = serving{folder.file("cache.db")};
    auto clients = std::vector<http_client>{};
    for (auto number = 0; number < 1000; ++number) {
        clients.push_back(node.client());
    }
    for (auto& client : clients) {
        client.send("GET /cache-data/cold HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for (auto& client : clients) {
        auto answer = client.receive();
        ASSERT_EQ(answer.status, 200) << answer.body;
        ASSERT_EQ(answer.body, "value");
    }
    EXPECT_EQ(node.metric("cohort_origin_queries_total"), 1);
    EXPECT_EQ(node.metric("cohort_cache_misses_total"), 1);
    EXPECT_EQ(node.metric("cohort_cache_hits_total"), 999);
}

TEST(cohort_cache, keeps_what_was_put_across_passivation_and_restart) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    auto tag = std::string{};
    {
        auto node = serving{path, {"--cache.idle_time", "5ms"}};
        auto client = node.client();
        auto made = client.put("/cache-data/key", "old");
        EXPECT_EQ(made.status, 201);
        auto changed = client.put("/cache-data/key", "new");
        EXPECT_EQ(changed.status, 204);
        EXPECT_NE(changed.headers["etag"], made.headers["etag"]);
        tag = changed.headers["etag"];
        while (node.metric("cohort_cache_entities") > 0) {
        }
        auto found = client.get("/cache-data/key");
        EXPECT_EQ(found.body, "new");
        EXPECT_EQ(found.headers["cache-status"], "cohort; fwd=miss; stored; detail=local");
        EXPECT_EQ(found.headers["etag"], tag);
        EXPECT_EQ(node.stop(), 0);
    }
    auto node = serving{path};
    auto client = node.client();
    auto found = client.get("/cache-data/key");
    EXPECT_EQ(found.body, "new");
    EXPECT_EQ(found.headers["etag"], tag);
    EXPECT_EQ(client.erase("/cache-data/key").status, 204);
    EXPECT_EQ(client.erase("/cache-data/key").status, 404);
    EXPECT_EQ(client.get("/cache-data/key").status, 404);
    EXPECT_EQ(node.stop(SIGINT), 0);
}

TEST(cohort_cache, keeps_acknowledged_writes_when_it_is_killed) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    {
        auto node = serving{path};
        auto client = node.client();
        for (auto number = 0; number < 100; ++number) {
            ASSERT_EQ(client.put(fmt::format("/cache-data/key{}", number), "value").status, 201);
        }
        EXPECT_EQ(node.stop(SIGKILL), -SIGKILL);
    }
    auto node = serving{path};
    auto client = node.client();
    for (auto number = 0; number < 100; ++number) {
        ASSERT_EQ(client.get(fmt::format("/cache-data/key{}", number)).status, 200);
    }
}

TEST(cohort_cache, goes_on_after_it_was_stopped_and_continued) {
    auto folder = temporary_folder{};
    auto node = serving{folder.file("cache.db")};
    auto client = node.client();
    ASSERT_EQ(client.put("/cache-data/key", "value").status, 201);
    node.process().kill(SIGSTOP);
    node.process().kill(SIGCONT);
    // A node that takes this for its end closes its port within these.
    for (auto count = 0; count < 300; ++count) {
        ASSERT_EQ(client.get("/cache-data/key").body, "value");
    }
    EXPECT_EQ(node.stop(), 0);
}

TEST(cohort_cache, takes_keys_of_any_bytes_decoded_once) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    keep_row(path, "libstdc++6", "a library");
    keep_row(path, std::string{"a/b\0%41", 7}, "odd");
    auto node = serving{path};
    EXPECT_EQ(node.client().get("/cache-data/libstdc++6").body, "a library");
    EXPECT_EQ(node.client().get("/cache-data/libstdc%2B%2B6").body, "a library");
    EXPECT_EQ(node.client().get("/cache-data/a%2Fb%00%2541").body, "odd");
    EXPECT_EQ(node.client().get("/cache-data/6f9619ff-8b86-d011-b42d-00cf4fc964ff").status, 404);
}

TEST(cohort_cache, refuses_bad_requests_with_a_reason_of_one_line) {
    auto folder = temporary_folder{};
    auto node = serving{folder.file("cache.db"), {"--cache.content_max", "1000"}};
    auto expect = [](http_answer answer, int status) {
        EXPECT_EQ(answer.status, status) << answer.body;
        EXPECT_FALSE(answer.body.empty()) << status;
        EXPECT_LE(std::count(answer.body.begin(), answer.body.end(), '\n'), 1) << answer.body;
    };
    expect(node.client().get("/cache-data/unknown"), 404);
    expect(node.client().get("/no-such-route"), 404);
    expect(node.client().get("/cache-data/" + std::string(513, 'k')), 400);
    expect(node.client().put("/cache-data/" + std::string(513, 'k'), "x"), 400);
    expect(node.client().get("/cache-data/" + std::string(9000, 'k')), 414);
    expect(node.client().get("/cache-data/bad%zz"), 400);
    expect(node.client().put("/cache-data/key", std::string(1001, 'x')), 413);
    auto broken = node.client();
    broken.send("this is no request\r\n\r\n");
    expect(broken.receive(), 400);
    EXPECT_TRUE(broken.ended());
    EXPECT_EQ(node.client().put("/cache-data/key", std::string(1000, 'x')).status, 201);
}

TEST(cohort_cache, answers_sixteen_pipelined_requests_in_order_without_a_stall) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    for (auto number = 0; number < 16; ++number) {
        keep_row(path, fmt::format("key{}", number), fmt::format("value{}", number));
    }
    auto node = serving{path};
    auto client = node.client();
    auto batch = std::string{};
    for (auto number = 0; number < 16; ++number) {
        batch += fmt::format("GET /cache-data/key{} HTTP/1.1\r\nHost: h\r\n\r\n", number);
    }
    auto best = std::chrono::nanoseconds::max();
    for (auto round = 0; round < 5; ++round) {
        auto begun = std::chrono::steady_clock::now();
        client.send(batch);
        for (auto number = 0; number < 16; ++number) {
            EXPECT_EQ(client.receive().body, fmt::format("value{}", number));
        }
        best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - begun);
    }
    // A delayed acknowledgement that Nagle's algorithm waits for would cost 40 ms in every round.
    EXPECT_LT(best, std::chrono::milliseconds{10});
}

std::size_t descriptors_of(pid_t process) {
    auto folder = std::filesystem::directory_iterator{fmt::format("/proc/{}/fd", process)};
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

std::size_t resident_kib(pid_t process) {
    auto status = std::ifstream{fmt::format("/proc/{}/status", process)};
    for (auto line = std::string{}; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) {
            return std::strtoul(line.c_str() + 6, nullptr, 10);
        }
    }
    return 0;
}

TEST(cohort_cache, is_as_it_was_after_ten_thousand_broken_requests) {
    auto folder = temporary_folder{};
    auto node = serving{folder.file("cache.db")};
    auto break_it = [&](int times) {
        for (auto number = 0; number < times; ++number) {
            auto client = node.client();
            client.send(number % 2 == 0
                            ? "GET /cache-data/x HTTP/1.1\r\nbad header\r\n\r\n"
                            : "\x16\x03\x01 no http \r\n\r\nGET /cache-data/x HTTP/1.1\r\n\r\n");
            EXPECT_EQ(client.receive().status, 400);
            EXPECT_TRUE(client.ended());
        }
    };
    break_it(200);
    auto settled = [&] {
        while (node.metric("cohort_http_connections_open{server=\"http\"}") > 1) {
        }
    };
    settled();
    auto descriptors = descriptors_of(node.process().process());
    auto memory = resident_kib(node.process().process());
    break_it(10'000);
    settled();
    EXPECT_LE(descriptors_of(node.process().process()), descriptors + descriptors / 20 + 1);
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
    EXPECT_LE(resident_kib(node.process().process()), memory + memory / 20);
#else
    static_cast<void>(memory);
#endif
    EXPECT_EQ(node.metric("cohort_origin_queries_total"), 0);
}

TEST(cohort_cache, is_refused_its_origin_while_an_import_fills_it) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    auto import = sqlite_origin::open({.path = path}, origin_use::import);
    ASSERT_TRUE(import.has_value());
    auto node = program{with_origin(path, {})};
    EXPECT_EQ(node.wait(), 1);
    EXPECT_NE(node.printed().find("an import is filling the origin"), std::string::npos);
}

TEST(cohort_cache, is_refused_a_port_that_another_node_has) {
    auto folder = temporary_folder{};
    auto first = serving{folder.file("cache.db")};
    auto second = program{{"--port", std::to_string(first.port()), "--admin-port", "0", "--origin",
                           "sqlite:" + folder.file("cache.db")}};
    EXPECT_EQ(second.wait(), 1);
    EXPECT_NE(second.printed().find("cannot start"), std::string::npos);
    EXPECT_EQ(first.client().get("/health").status, 200);
}

TEST(cohort_cache, explains_its_options_and_refuses_unknown_ones_by_name) {
    auto help = program{{"--help"}};
    EXPECT_EQ(help.wait(), 0);
    EXPECT_NE(help.printed().find("cohort-cache import"), std::string::npos);
    EXPECT_NE(help.printed().find("--origin"), std::string::npos);
    auto print = program{{"--port", "9123", "--print-config"}};
    EXPECT_EQ(print.wait(), 0);
    EXPECT_NE(print.printed().find("9123"), std::string::npos);
    EXPECT_NE(print.printed().find("flag --port"), std::string::npos);
    auto unknown = program{{"--prot", "9123"}};
    EXPECT_EQ(unknown.wait(), 2);
    EXPECT_NE(unknown.printed().find("prot"), std::string::npos);
}

}  // namespace
}  // namespace cohort
