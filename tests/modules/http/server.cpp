#include <cohort/http/server.hpp>

#include <gtest/gtest.h>

#include <cohort/http/percent.hpp>
#include <cohort/task/combinators.hpp>
#include <cohort/testkit/deterministic.hpp>

#include "script.hpp"

namespace cohort {
namespace {

using namespace script;  // NOLINT

// -- handlers ------------------------------------------------------------------------------------

struct book {
    std::vector<std::string> log;
    int running = 0;
    int running_most = 0;
    int cancelled = 0;
};

struct visit {
    explicit visit(book* in) : pages{in} {
        pages->running_most = std::max(pages->running_most, ++pages->running);
    }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit() {
        --pages->running;
        pages->cancelled += finished ? 0 : 1;
    }
    book* pages;
    bool finished = false;
};

task<response> after(request incoming, book* pages) {
    auto here = visit{pages};
    auto ms = std::stoi(std::string{incoming.path("ms")});
    co_await sleep_for{std::chrono::milliseconds{ms}};
    pages->log.emplace_back(std::string{name(incoming.method())} + std::to_string(ms));
    here.finished = true;
    co_return ok(std::to_string(ms));
}

task<void> sleep_in(book* pages) {
    auto here = visit{pages};
    co_await sleep_for{1h};
}

task<void> accept_in(book* pages) {
    auto here = visit{pages};
    auto listening = this_core().reactor().listen({"127.0.0.1", 0});
    static_cast<void>(co_await accept(**listening));
}

task<void> turn_in(book* pages) {
    auto here = visit{pages};
    for (;;) {
        co_await yield{};
    }
}

task<void> sleep_or_accept_or_turn(book* pages, bool busy) {
    auto here = visit{pages};
    if (busy) {
        co_await when_any(sleep_in(pages), accept_in(pages), turn_in(pages));
    } else {
        co_await when_any(sleep_in(pages), sleep_in(pages), sleep_in(pages));
    }
}

task<response> branches(request incoming, book* pages) {
    auto here = visit{pages};
    auto ended =
        co_await with_timeout(1h, sleep_or_accept_or_turn(pages, incoming.path("kind") == "mixed"));
    co_return ok(ended ? "ended" : "timed out");
}

response echo(request incoming) { return ok(std::string{incoming.path("word")}); }
response store(request incoming) { return ok(std::to_string(incoming.body().size())); }
response large(request incoming) {
    auto size = static_cast<std::size_t>(std::stoul(std::string{incoming.path("size")}));
    return ok(bytes{std::string(size, 'L')});
}
task<response> broken(request) {
    co_await sleep_for{1ms};
    throw std::runtime_error{"planned"};
}
response injects(request incoming) {
    return ok("never sent").header("X-Key", incoming.path("word"));
}
/// Waits for an even number of milliseconds and not at all for an odd one.
eventual_response sometimes(request incoming, book* pages) {
    auto ms = std::stoi(std::string{incoming.path("ms")});
    if (ms == 13) {
        throw std::runtime_error{"unlucky"};
    }
    if (ms % 2 == 0) {
        return after(std::move(incoming), pages);
    }
    pages->log.emplace_back("at once " + std::to_string(ms));
    return ok(std::to_string(ms));
}
response says_goodbye(request) { return ok("bye").close(); }

struct site {
    explicit site(http_options options = {}, deterministic_options world = {}) : node{world} {
        auto& added = node.system().use(http_server{std::move(options)});
        server = &added;
        added.route(GET, "/after/{ms}", after, &pages);
        added.route(PUT, "/after/{ms}", after, &pages);
        added.route(GET, "/sometimes/{ms}", sometimes, &pages);
        added.route(GET, "/branches/{kind}", branches, &pages);
        added.route(GET, "/echo/{word}", echo);
        added.route(PUT, "/store", store);
        added.route(GET, "/large/{size}", large);
        added.route(GET, "/broken", broken);
        added.route(GET, "/injects/{word}", injects);
        added.route(GET, "/bye", says_goodbye);
        node.system().runtime().on_event([this](const runtime_event& event) {
            events.push_back(std::string{event.what} + ": " + event.actor + ": " + event.detail);
        });
        auto started = node.system().start();
        EXPECT_TRUE(started) << started.error().message();
    }

    /// Starts a client; `run` or `finish` let it go on.
    transcript& client(std::vector<step> script) {
        auto& out = *transcripts.emplace_back(std::make_unique<transcript>());
        static_cast<void>(
            node.system().spawn(run_script, server->local(), std::move(script), &out));
        return out;
    }
    transcript& talk(std::vector<step> script, duration limit = 5min) {
        auto& out = client(std::move(script));
        EXPECT_TRUE(node.run_until([&] { return out.done; }, limit)) << "the client waits forever";
        return out;
    }
    [[nodiscard]] std::uint64_t open() { return server->numbers().connections_open; }

    book pages;
    std::vector<std::string> events;
    std::vector<std::unique_ptr<transcript>> transcripts;
    deterministic node;
    http_server* server = nullptr;
};

// -- requests and answers ------------------------------------------------------------------------

TEST(http_server, answers_requests_on_one_connection) {
    auto here = site{};
    auto& told = here.talk({send(get("/echo/a%2Fb")), read(1), send(put("/store", "12345")),
                            read(2), send(get("/echo/libstdc++6")), read(3)});
    auto answers = told.answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].body, "a/b");
    EXPECT_EQ(answers[1].body, "5");
    EXPECT_EQ(answers[2].body, "libstdc++6");
    EXPECT_TRUE(answers[0].says("\r\nDate: "));
    EXPECT_FALSE(answers[0].says("Connection"));
    EXPECT_FALSE(told.ended);
    EXPECT_EQ(here.server->numbers().requests, 3u);
    EXPECT_EQ(here.server->numbers().answers[1], 3u);
}

TEST(http_server, answers_sixteen_pipelined_gets_side_by_side_and_in_order) {
    auto here = site{};
    auto all = std::string{};
    for (int index = 16; index > 0; --index) {
        all += get("/after/" + std::to_string(index * 10));
    }
    auto before = here.node.now();
    auto answers = here.talk({send(all), read(16)}).answers();
    ASSERT_EQ(answers.size(), 16u);
    for (std::size_t index = 0; index < 16; ++index) {
        EXPECT_EQ(answers[index].body, std::to_string((16 - index) * 10));
    }
    EXPECT_EQ(here.pages.running_most, 16);
    EXPECT_EQ(here.pages.log.front(), "GET10") << "the last was done first";
    EXPECT_LT(here.node.now() - before, 200ms);
}

TEST(http_server, runs_at_most_sixteen_requests_of_a_connection) {
    auto here = site{};
    auto all = std::string{};
    for (int index = 0; index < 100; ++index) {
        all += get("/after/5");
    }
    EXPECT_EQ(here.talk({send(all), read(100)}).answers().size(), 100u);
    EXPECT_EQ(here.pages.running_most, 16);
}

TEST(http_server, runs_other_methods_alone) {
    auto here = site{};
    auto all = get("/after/30") + get("/after/10") + put("/after/20", "") + get("/after/1") +
               put("/after/2", "") + put("/after/1", "");
    auto answers = here.talk({send(all), read(6)}).answers();
    EXPECT_EQ(answers.size(), 6u);
    EXPECT_EQ(here.pages.log,
              (std::vector<std::string>{"GET10", "GET30", "PUT20", "GET1", "PUT2", "PUT1"}));
}

TEST(http_server, answers_at_once_what_need_not_wait_and_still_in_order) {
    auto here = site{};
    auto all = get("/sometimes/1") + get("/sometimes/20") + get("/sometimes/3") +
               get("/sometimes/10") + get("/sometimes/13") + put("/store", "abc") +
               get("/sometimes/5");
    auto answers = here.talk({send(all), read(7)}).answers();
    ASSERT_EQ(answers.size(), 7u);
    for (auto [index, body] : {std::pair{0, "1"}, {1, "20"}, {2, "3"}, {3, "10"}, {5, "3"}}) {
        EXPECT_EQ(answers[static_cast<std::size_t>(index)].body, body);
    }
    EXPECT_EQ(answers[4].status, 500);
    EXPECT_EQ(here.events,
              (std::vector<std::string>{"route handler failed: /sometimes/{ms}: unlucky"}));
    EXPECT_EQ(here.pages.log,
              (std::vector<std::string>{"at once 1", "at once 3", "GET10", "GET20", "at once 5"}));
}

behavior<silent> count_turns(context<silent> self, int* turns) {
    for (;; ++*turns) {
        co_await self.yield();
    }
}

TEST(http_server, gives_others_their_turn_between_requests_that_need_not_wait) {
    auto turns = 0;
    auto seen = std::vector<int>{};
    auto out = transcript{};
    auto node = deterministic{};
    auto& server = node.system().use(http_server{});
    server.route(GET, "/", [&turns, &seen](request) {
        seen.push_back(turns);
        return no_content();
    });
    ASSERT_TRUE(node.system().start());
    auto all = std::string{};
    for (int index = 0; index < 50; ++index) {
        all += get("/");
    }
    static_cast<void>(node.system().spawn(count_turns, &turns));
    static_cast<void>(
        node.system().spawn(run_script, server.local(), std::vector{send(all), read(50)}, &out));
    ASSERT_TRUE(node.run_until([&] { return out.done; }));
    ASSERT_EQ(seen.size(), 50u);
    for (std::size_t index = 16; index < seen.size(); ++index) {
        EXPECT_GT(seen[index], seen[index - 16]) << "more than 16 in one turn";
    }
}

TEST(http_server, tells_what_it_does_not_have) {
    auto here = site{};
    auto answers = here.talk({send(get("/nowhere") + "DELETE /store HTTP/1.1\r\nHost: h\r\n\r\n" +
                                   "BREW /store HTTP/1.1\r\nHost: h\r\n\r\n" +
                                   "OPTIONS /store HTTP/1.1\r\nHost: h\r\n\r\n" +
                                   "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
                              read(5)})
                       .answers();
    ASSERT_EQ(answers.size(), 5u);
    EXPECT_EQ(answers[0].status, 404);
    EXPECT_EQ(answers[0].body, "nothing is at this path\n");
    EXPECT_EQ(answers[1].status, 405);
    EXPECT_TRUE(answers[1].says("\r\nAllow: PUT\r\n"));
    EXPECT_EQ(answers[2].status, 501);
    EXPECT_EQ(answers[3].status, 204);
    EXPECT_TRUE(answers[3].says("\r\nAllow: PUT, OPTIONS\r\n"));
    EXPECT_EQ(answers[4].status, 204);
}

TEST(http_server, answers_head_without_a_body) {
    auto here = site{};
    auto& told = here.talk(
        {send("HEAD /echo/word HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), read_to_end()});
    auto answers = told.answers(true);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_TRUE(answers[0].says("\r\nContent-Length: 4\r\n"));
}

TEST(http_server, follows_the_client_about_keeping_the_connection) {
    auto here = site{};
    auto& closes =
        here.talk({send(get("/echo/a", "Connection: close\r\n") + get("/echo/b")), read_to_end()});
    ASSERT_EQ(closes.answers().size(), 1u) << "nothing is answered behind the last request";
    EXPECT_TRUE(closes.answers()[0].says("\r\nConnection: close\r\n"));
    EXPECT_TRUE(closes.ended);
    auto& old = here.talk({send("GET /echo/a HTTP/1.0\r\n\r\n"), read_to_end()});
    EXPECT_TRUE(old.answers().at(0).says("\r\nConnection: close\r\n"));
    auto& kept = here.talk({send("GET /echo/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), read(1),
                            send(get("/echo/b")), read(2)});
    EXPECT_TRUE(kept.answers().at(0).says("\r\nConnection: keep-alive\r\n"));
    EXPECT_EQ(kept.answers().size(), 2u);
}

TEST(http_server, closes_behind_an_answer_that_says_so) {
    auto here = site{};
    auto& told =
        here.talk({send(get("/after/5") + get("/bye") + get("/after/1000")), read_to_end()});
    EXPECT_EQ(told.answers().size(), 2u);
    EXPECT_TRUE(told.ended);
    here.node.run_for(2s);
    EXPECT_EQ(here.open(), 0u);
    EXPECT_EQ(here.pages.cancelled, 1);
}

TEST(http_server, begins_nothing_behind_an_answer_that_closes_at_once) {
    auto here = site{};
    auto& told = here.talk({send(get("/bye") + get("/after/1000")), read_to_end()});
    EXPECT_EQ(told.answers().size(), 1u);
    EXPECT_EQ(here.pages.running_most, 0);
}

TEST(http_server, goes_on_after_a_handler_that_throws) {
    auto here = site{};
    auto answers =
        here.talk({send(get("/broken") + get("/injects/a%0d%0aSet-Cookie:%20b") + get("/echo/a")),
                   read(3)})
            .answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].status, 500);
    EXPECT_EQ(answers[0].body, "the handler of this route failed\n");
    EXPECT_EQ(answers[1].status, 500);
    EXPECT_FALSE(answers[1].says("Set-Cookie"));
    EXPECT_EQ(answers[2].status, 200);
    EXPECT_EQ(here.server->numbers().handler_failures, 2u);
    EXPECT_EQ(here.events.at(1), "route handler failed: /broken: planned");
}

TEST(http_server, sends_large_bodies_whole) {
    auto here = site{};
    auto answers =
        here.talk({send(get("/large/300000") + get("/echo/a") + get("/large/20000")), read(3)})
            .answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].body, std::string(300000, 'L'));
    EXPECT_EQ(answers[1].body, "a");
    EXPECT_EQ(answers[2].body.size(), 20000u);
}

TEST(http_server, asks_for_the_body_of_a_client_that_waits) {
    auto here = site{};
    auto head = std::string{
        "PUT /store HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"};
    auto& told = here.talk({send(get("/after/20") + head), read(2), send("abc"), read(3)});
    auto answers = told.answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].body, "20") << "the interim answer keeps its place";
    EXPECT_EQ(answers[1].status, 100);
    EXPECT_EQ(answers[2].body, "3");
}

// -- what goes wrong -----------------------------------------------------------------------------

TEST(http_server, answers_what_came_before_a_broken_request_and_nothing_behind_it) {
    auto here = site{};
    auto& told =
        here.talk({send(get("/after/20") + get("/echo/b") + "BROKEN\r\n\r\n" + get("/echo/c")),
                   read_to_end()});
    auto answers = told.answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].body, "20");
    EXPECT_EQ(answers[1].body, "b");
    EXPECT_EQ(answers[2].status, 400);
    EXPECT_EQ(answers[2].body, "the request line is malformed\n");
    EXPECT_TRUE(answers[2].says("\r\nConnection: close\r\n"));
    EXPECT_EQ(here.server->numbers().requests, 2u);
    EXPECT_EQ(here.server->numbers().broken_requests, 1u);
    here.node.run_for(2s);
    EXPECT_EQ(here.open(), 0u);
}

TEST(http_server, tells_the_limit_that_a_request_breaks) {
    auto here = site{{.limits = {.body_bytes_max = 1000}}};
    auto status_for = [&](std::string request) {
        auto answers = here.talk({send(std::move(request)), read_to_end()}).answers();
        EXPECT_EQ(answers.size(), 1u);
        return answers.empty() ? 0 : answers[0].status;
    };
    EXPECT_EQ(status_for(get("/echo/" + std::string(9000, 'a'))), 414);
    EXPECT_EQ(status_for(get("/echo/a", "A: " + std::string(17000, 'a') + "\r\n")), 431);
    EXPECT_EQ(status_for(put("/store", std::string(200'000, 'x'))), 413);
    EXPECT_EQ(status_for("GET / HTTP/3.0\r\n\r\n"), 505);
    here.node.run_for(2s);
    EXPECT_EQ(here.open(), 0u);
}

TEST(http_server, ends_a_handler_whose_time_is_over) {
    auto here = site{{.request_time = 100ms}};
    auto answers =
        here.talk({send(get("/after/50") + get("/after/5000") + get("/echo/a")), read(3)})
            .answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].status, 200);
    EXPECT_EQ(answers[1].status, 504);
    EXPECT_TRUE(answers[1].says("Executed: maybe"));
    EXPECT_EQ(answers[2].status, 200);
    EXPECT_EQ(here.pages.cancelled, 1);
    EXPECT_EQ(here.server->numbers().timeouts, 1u);
}

TEST(http_server, ends_a_handler_with_the_tasks_that_it_waits_for) {
    for (const auto* kind : {"sleeping", "mixed"}) {
        auto here = site{{.request_time = 20ms}};
        auto path = std::string{"/branches/"} + kind;
        auto answers = here.talk({send(get(path) + get(path) + get("/echo/a")), read(3)}).answers();
        ASSERT_EQ(answers.size(), 3u) << kind;
        EXPECT_EQ(answers[0].status, 504) << kind;
        EXPECT_EQ(answers[1].status, 504) << kind;
        EXPECT_EQ(answers[2].status, 200) << kind;
        EXPECT_EQ(here.pages.cancelled, 10) << kind;
        EXPECT_EQ(here.pages.running, 0) << kind;
        EXPECT_EQ(here.server->numbers().timeouts, 2u) << kind;
        here.node.run_for(2min);
        EXPECT_EQ(here.open(), 0u) << kind;
        EXPECT_EQ(here.node.system().runtime().at(0).timers().armed(), 0u)
            << "no timer is left of what was cancelled";
    }
}

TEST(http_server, gives_a_head_its_time_and_a_silent_connection_its_own) {
    auto here = site{};
    auto start = here.node.now();
    auto& slow = here.talk({send("GET /ec"), wait(6s), send("ho/a HTTP/1.1\r\n"), read_to_end()});
    ASSERT_EQ(slow.answers().size(), 1u);
    EXPECT_EQ(slow.answers()[0].status, 408);
    EXPECT_GT(slow.ended_at - start, 10s);
    EXPECT_LT(slow.ended_at - start, 11s);
    start = here.node.now();
    auto& silent_client = here.talk({send(get("/echo/a")), read_to_end()});
    EXPECT_EQ(silent_client.answers().size(), 1u);
    EXPECT_GT(silent_client.ended_at - start, 60s);
    EXPECT_LT(silent_client.ended_at - start, 61s);
    EXPECT_EQ(here.server->numbers().timeouts, 1u);
}

TEST(http_server, gives_a_body_time_as_long_as_it_moves) {
    auto here = site{};
    auto script = std::vector{send("PUT /store HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n")};
    for (int index = 0; index < 7; ++index) {
        script.push_back(wait(5s));
        script.push_back(send("x"));
    }
    auto slow = script;
    slow.push_back(send("x"));
    slow.push_back(read(1));
    EXPECT_EQ(here.talk(slow).answers().at(0).body, "8");
    script.push_back(read_to_end());
    EXPECT_EQ(here.talk(script).answers().at(0).status, 408);
}

TEST(http_server, lets_go_of_a_client_that_reads_nothing) {
    auto here = site{};
    auto all = std::string{};
    for (int index = 0; index < 50; ++index) {
        all += get("/large/100000");
    }
    auto& told = here.client({send(all), wait(10min)});
    here.node.run_for(20s);
    EXPECT_TRUE(told.connected);
    EXPECT_EQ(here.open(), 1u);
    EXPECT_LT(here.server->numbers().requests, 50u) << "nobody composes answers without end";
    here.node.run_for(20s);
    EXPECT_EQ(here.open(), 0u);
}

TEST(http_server, cancels_what_runs_for_a_client_that_has_gone) {
    auto here = site{};
    here.talk({send(get("/after/20000") + get("/after/30000")), wait(10ms), close()});
    here.node.run_for(500ms);
    EXPECT_EQ(here.pages.running, 2) << "it may have closed only its half";
    here.node.run_for(1s);
    EXPECT_EQ(here.pages.cancelled, 2);
    EXPECT_EQ(here.open(), 0u);
}

TEST(http_server, answers_a_client_that_ended_only_its_half) {
    auto here = site{};
    auto& told = here.talk({send(get("/after/200")), end_writing(), read_to_end()});
    EXPECT_EQ(told.answers().at(0).body, "200");
    auto& short_one = here.talk({send(get("/echo/a") + "GET /ec"), end_writing(), read_to_end()});
    ASSERT_EQ(short_one.answers().size(), 2u);
    EXPECT_EQ(short_one.answers()[1].body, "the request ended too early\n");
}

TEST(http_server, answers_503_over_its_limit_of_connections) {
    auto here = site{{.connections_max = 2}};
    here.client({send(get("/echo/a")), wait(5s)});
    here.client({send(get("/echo/a")), wait(5s)});
    here.node.run_for(1s);
    auto& third = here.talk({send(get("/echo/a")), read_to_end()});
    EXPECT_EQ(third.answers().at(0).status, 503);
    EXPECT_EQ(here.server->numbers().connections_refused, 1u);
    here.node.run_for(6s);
    EXPECT_EQ(here.talk({send(get("/echo/a")), read(1)}).answers().at(0).status, 200);
}

TEST(http_server, finishes_what_runs_before_it_stops) {
    auto here = site{};
    auto& busy = here.client({send(get("/after/300") + get("/after/200")), read_to_end()});
    auto& waiting = here.client({send(get("/echo/a")), read_to_end()});
    here.node.run_for(100ms);
    here.node.system().shutdown();
    here.node.run_for(100ms);
    EXPECT_TRUE(waiting.ended);
    EXPECT_FALSE(busy.ended);
    auto& late = here.client({send(get("/echo/a")), read_to_end()});
    here.node.run_for(100ms);
    EXPECT_FALSE(late.connected);
    here.node.run_until([&] { return busy.done; });
    auto answers = busy.answers();
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_TRUE(answers[1].says("\r\nConnection: close\r\n"));
    EXPECT_EQ(answers[1].body, "200");
    here.node.run_for(2s);
    EXPECT_EQ(here.open(), 0u);
}

TEST(http_server, does_not_start_with_patterns_that_conflict) {
    auto node = deterministic{};
    auto& server = node.system().use(http_server{});
    server.route(GET, "/users/{id}/posts", echo);
    server.route(GET, "/users/me", echo);
    auto started = node.system().start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message().find("/users/me overlaps with /users/{id}/posts"),
              std::string::npos)
        << started.error().message();
}

TEST(http_server, keeps_a_closure_for_as_long_as_its_calls_run) {
    auto node = deterministic{};
    auto& server = node.system().use(http_server{});
    {
        auto greeting = std::string{"a greeting that is too long for a string's own memory"};
        server.route(GET, "/", [greeting](request) -> task<response> {
            co_await sleep_for{10ms};
            co_return ok(greeting);
        });
    }
    ASSERT_TRUE(node.system().start());
    auto out = transcript{};
    static_cast<void>(node.system().spawn(run_script, server.local(),
                                          std::vector{send(get("/")), read(1)}, &out));
    ASSERT_TRUE(node.run_until([&] { return out.done; }));
    EXPECT_TRUE(out.answers().at(0).body.starts_with("a greeting"));
}

TEST(http_server, answers_every_request_once_and_in_order_whatever_the_schedule) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        auto here = site{{}, {.world = {.seed = seed}, .cores = 2}};
        auto expected = std::vector<std::vector<std::string>>(3);
        auto clients = std::vector<transcript*>{};
        for (auto& words : expected) {
            auto script = std::vector<step>{};
            for (int burst = 0; burst < 3; ++burst) {
                auto all = std::string{};
                for (auto count = here.node.world().random() % 24; count > 0; --count) {
                    auto pick = std::to_string(here.node.world().random() % 40);
                    auto kind = here.node.world().random() % 5;
                    pick += kind == 4 && pick == "13" ? "0" : "";
                    words.push_back(kind == 3 ? "3" : pick);
                    all += kind == 0   ? get("/echo/" + pick)
                           : kind == 4 ? get("/sometimes/" + pick)
                           : kind == 1 ? get("/after/" + pick)
                           : kind == 2 ? put("/after/" + pick, "x")
                                       : put("/store", "abc");
                }
                script.push_back(send(all));
                script.push_back(wait(std::chrono::milliseconds{here.node.world().random() % 50}));
            }
            script.push_back(read(words.size()));
            clients.push_back(&here.client(std::move(script)));
        }
        for (std::size_t index = 0; index < clients.size(); ++index) {
            ASSERT_TRUE(here.node.run_until([&] { return clients[index]->done; }, 5min))
                << "seed " << seed;
            auto bodies = std::vector<std::string>{};
            for (auto& each : clients[index]->answers()) {
                bodies.push_back(each.body);
            }
            ASSERT_EQ(bodies, expected[index]) << "seed " << seed;
        }
    }
}

}  // namespace
}  // namespace cohort
