#include <cohort/cluster_routes/cluster_routes.hpp>

#include <gtest/gtest.h>

#include <cohort/testkit/deterministic.hpp>

#include "../http/script.hpp"

namespace cohort {
namespace {

using namespace script;  // NOLINT

struct lone_node {
    lone_node() {
        auto& system = node.system();
        server = &system.use(http_server{});
        auto& network = system.use(remoting{{.listen = {"127.0.0.1", 2551}}});
        members = &system.use(
            cluster{network, {.seeds = {{"127.0.0.1", 2551}}, .roles = {"a \"role\""}}});
        members->declare({.name = "things", .shards = 4});
        system.use(cluster_routes{*members, *server});
        EXPECT_TRUE(system.start());
    }
    transcript& client(std::vector<step> script) {
        auto& out = *transcripts.emplace_back(std::make_unique<transcript>());
        static_cast<void>(
            node.system().spawn(run_script, server->local(), std::move(script), &out));
        return out;
    }

    std::vector<std::unique_ptr<transcript>> transcripts;
    deterministic node;
    http_server* server = nullptr;
    cluster* members = nullptr;
};

TEST(cluster_routes, show_members_and_shards) {
    auto here = lone_node{};
    EXPECT_TRUE(here.node.run_until([&] { return here.members->ready(); }));
    here.node.run_for(10s);
    auto& told =
        here.client({send(get("/cluster/members")), send(get("/cluster/shards")), read(2)});
    EXPECT_TRUE(here.node.run_until([&] { return told.done; }, 1s));
    auto answers = told.answers();
    ASSERT_EQ(answers.size(), 2U);
    for (auto* part : {"\"standing\":\"member\"", "\"address\":\"127.0.0.1:2551\"",
                       "\"phase\":\"ready\"", "\"votes\":true", "\"roles\":[\"a \\\"role\\\"\"]"}) {
        EXPECT_NE(answers[0].body.find(part), std::string::npos) << part << answers[0].body;
    }
    EXPECT_NE(answers[1].body.find("\"owners\":[0,0,0,0]"), std::string::npos) << answers[1].body;
}

TEST(cluster_routes, send_events_while_something_happens) {
    auto here = lone_node{};
    auto& told = here.client({send(get("/cluster/events")), read_to_end()});
    EXPECT_TRUE(here.node.run_until([&] { return here.members->ready(); }));
    here.node.run_for(1min);
    EXPECT_NE(told.received.find("event: snapshot\ndata: {"), std::string::npos) << told.received;
    EXPECT_NE(told.received.find("event: view\ndata: {"), std::string::npos) << told.received;
    EXPECT_NE(told.received.find("{\"what\":\"ready\""), std::string::npos) << told.received;
    EXPECT_NE(told.received.find("\"standing\":\"member\""), std::string::npos) << told.received;
    EXPECT_NE(told.received.find("\r\n:\n\n\r\n"), std::string::npos);
    EXPECT_FALSE(told.ended);
    here.node.system().shutdown();
    EXPECT_TRUE(here.node.run_until([&] { return told.ended; }, 60s));
}

}  // namespace
}  // namespace cohort
