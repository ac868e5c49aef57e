#include <cohort/http/streaming.hpp>

#include <gtest/gtest.h>

#include <cohort/http/server.hpp>
#include <cohort/testkit/deterministic.hpp>

#include "script.hpp"

namespace cohort {
namespace {

using namespace script;  // NOLINT

struct story {
    int begun = 0;
    int ended = 0;
    std::size_t sent = 0;
};

/// Sends so many pieces, one every 10 ms.
response tell(request incoming, story* out) {
    auto count = std::stoi(std::string{incoming.path("count")});
    return streamed("text/event-stream", [out, count](body_sink to) -> task<void> {
        struct at_end {
            story* it;
            ~at_end() { ++it->ended; }
        } ends{out};
        ++out->begun;
        for (int i = 0; i < count; ++i) {
            if (!co_await to.write("data: " + std::to_string(i) + "\n\n")) {
                co_return;
            }
            co_await sleep_for{10ms};
        }
    });
}

response flood(request, story* out) {
    return streamed("text/plain", [out](body_sink to) -> task<void> {
        auto piece = std::string(10'000, 'x');
        while (co_await to.write(piece)) {
            out->sent += piece.size();
        }
    });
}

response fails(request) {
    return streamed("text/plain", [](body_sink to) -> task<void> {
        static_cast<void>(co_await to.write("half of"));
        throw std::runtime_error{"no more"};
    });
}

struct site {
    explicit site(http_options options = {}) : server{node.system().use(http_server{options})} {
        server.route(GET, "/tell/{count}", tell, &pages);
        server.route(GET, "/flood", flood, &pages);
        server.route(GET, "/fails", fails);
        node.system().runtime().on_event([](const runtime_event&) {});
        EXPECT_TRUE(node.system().start());
    }
    transcript& client(std::vector<step> script) {
        auto& out = *transcripts.emplace_back(std::make_unique<transcript>());
        static_cast<void>(node.system().spawn(run_script, server.local(), std::move(script), &out));
        return out;
    }

    story pages;
    std::vector<std::unique_ptr<transcript>> transcripts;
    deterministic node;
    http_server& server;
};

TEST(http_streaming, sends_pieces_while_they_are_made) {
    auto here = site{};
    auto& told = here.client({send(get("/tell/3")), read_to_end()});
    here.node.run_for(15ms);
    EXPECT_NE(told.received.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_NE(told.received.find("Content-Type: text/event-stream\r\n"), std::string::npos);
    EXPECT_NE(told.received.find("9\r\ndata: 0\n\n\r\n"), std::string::npos) << told.received;
    EXPECT_EQ(told.received.find("data: 2"), std::string::npos);
    EXPECT_TRUE(here.node.run_until([&] { return told.done; }));
    EXPECT_TRUE(told.received.ends_with("9\r\ndata: 2\n\n\r\n0\r\n\r\n")) << told.received;
    EXPECT_EQ(here.pages.ended, 1);
}

TEST(http_streaming, speaks_plainly_to_a_client_that_knows_no_chunks) {
    auto here = site{};
    auto& told = here.client({send("GET /tell/2 HTTP/1.0\r\nHost: h\r\n\r\n"), read_to_end()});
    EXPECT_TRUE(here.node.run_until([&] { return told.done; }));
    EXPECT_TRUE(told.received.ends_with("\r\n\r\ndata: 0\n\ndata: 1\n\n")) << told.received;
    EXPECT_EQ(told.received.find("chunked"), std::string::npos);
}

TEST(http_streaming, ends_when_the_client_leaves) {
    auto here = site{};
    here.client({send(get("/tell/1000000")), wait(1s), close()});
    EXPECT_TRUE(here.node.run_until([&] { return here.pages.ended == 1; }, 5s));
    here.node.run_for(1s);
    EXPECT_EQ(here.server.numbers().connections_open, 0U);
}

TEST(http_streaming, ends_in_order_when_the_server_stops) {
    auto here = site{};
    auto& told = here.client({send(get("/tell/1000000")), read_to_end()});
    here.node.run_for(1s);
    here.node.system().shutdown();
    EXPECT_TRUE(here.node.run_until([&] { return told.ended; }, 5s));
    EXPECT_TRUE(told.received.ends_with("0\r\n\r\n"));
    EXPECT_EQ(here.pages.ended, 1);
}

TEST(http_streaming, waits_for_a_client_that_does_not_read) {
    auto here = site{};
    here.client({send(get("/flood")), wait(10s), close()});
    here.node.run_for(5s);
    EXPECT_GT(here.pages.sent, 50'000U);
    EXPECT_LT(here.pages.sent, 400'000U);
}

TEST(http_streaming, gives_up_a_client_that_takes_nothing) {
    auto here = site{http_options{.write_stall_time = 2s}};
    here.client({send(get("/flood")), wait(1h)});
    here.node.run_for(10s);
    EXPECT_EQ(here.server.numbers().connections_open, 0U);
}

TEST(http_streaming, is_bounded_in_number) {
    auto here = site{http_options{.streams_max = 2}};
    for (int i = 0; i < 3; ++i) {
        here.client({send(get("/tell/100")), read_to_end()});
    }
    here.node.run_for(5s);
    int refused = 0;
    for (auto& each : here.transcripts) {
        refused += each->received.starts_with("HTTP/1.1 503") ? 1 : 0;
    }
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(here.pages.begun, 2);
}

TEST(http_streaming, that_fails_is_seen_to_be_cut_off) {
    auto here = site{};
    auto& told = here.client({send(get("/fails")), read_to_end()});
    EXPECT_TRUE(here.node.run_until([&] { return told.done; }));
    EXPECT_NE(told.received.find("half of"), std::string::npos);
    EXPECT_FALSE(told.received.ends_with("0\r\n\r\n"));
    EXPECT_EQ(here.server.numbers().handler_failures, 1U);
}

TEST(http_streaming, answers_head_with_a_head) {
    auto here = site{};
    auto& told = here.client({send("HEAD /tell/5 HTTP/1.1\r\nHost: h\r\n\r\n"), read_to_end()});
    EXPECT_TRUE(here.node.run_until([&] { return told.done; }));
    EXPECT_TRUE(told.received.ends_with("\r\n\r\n"));
    EXPECT_EQ(here.pages.begun, 0);
}

}  // namespace
}  // namespace cohort
