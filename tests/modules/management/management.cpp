#include <cohort/management/management.hpp>

#include <gtest/gtest.h>

#include <cohort/testkit/deterministic.hpp>

#include "../http/script.hpp"

namespace cohort {
namespace {

using script::answer;

/// Starts when it is told to, and votes as it is told to.
class slow_module final : public extension {
public:
    explicit slow_module(bool* votes) : votes_{votes} {}
    [[nodiscard]] std::string_view name() const noexcept override { return "slow"; }
    [[nodiscard]] result<void> start(system&) override { return {}; }
    [[nodiscard]] task<void> stop() override { co_await sleep_for{5s}; }
    [[nodiscard]] bool ready() const noexcept override { return *votes_; }

private:
    bool* votes_;
};

struct house {
    house() {
        admin = &node.system().use(management{});
        auto schema = config_schema{};
        schema.add(config_key<bool>{.name = "verbose", .help = "says more"});
        admin->show(config{schema});
        admin->show(metrics);
        admin->route(POST, "/echo", [](request incoming) { return ok(incoming.take_body()); });
        node.system().use(slow_module{&ready});
        auto started = node.system().start();
        EXPECT_TRUE(started) << started.error().message();
    }
    answer ask(std::string bytes) {
        auto out = script::transcript{};
        static_cast<void>(node.system().spawn(
            script::run_script, admin->local(),
            std::vector{script::send(std::move(bytes)), script::read(1)}, &out));
        EXPECT_TRUE(node.run_until([&] { return out.done; }));
        auto answers = out.answers();
        return answers.empty() ? answer{} : answers.front();
    }

    bool ready = true;
    metrics_registry metrics{1};
    deterministic node;
    management* admin = nullptr;
};

TEST(management, says_whether_the_node_lives_and_takes_requests) {
    auto here = house{};
    EXPECT_EQ(here.admin->local().host, "127.0.0.1");
    EXPECT_EQ(here.ask(script::get("/health")).status, 200);
    EXPECT_EQ(here.ask(script::get("/health/startup")).body, "started\n");
    here.ready = false;
    auto refused = here.ask(script::get("/health"));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.body, "not ready\n");
    EXPECT_EQ(here.ask(script::get("/health/live")).status, 200);
}

TEST(management, can_be_watched_while_the_rest_of_the_node_stops) {
    auto here = house{};
    here.node.system().shutdown();
    here.node.run_for(1s);
    EXPECT_EQ(here.ask(script::get("/health")).status, 503);
    EXPECT_EQ(here.ask(script::get("/health/live")).status, 200);
}

TEST(management, shows_configuration_and_metrics) {
    auto here = house{};
    auto shown = here.ask(script::get("/config"));
    EXPECT_EQ(shown.status, 200);
    EXPECT_NE(shown.body.find("verbose"), std::string::npos);
    auto scraped = here.ask(script::get("/metrics"));
    EXPECT_TRUE(scraped.says("Content-Type: text/plain; version=0.0.4"));
    EXPECT_NE(scraped.body.find("cohort_http_requests_total{server=\"admin\"} 2\n"),
              std::string::npos)
        << scraped.body;
    EXPECT_NE(scraped.body.find("core=\"0\""), std::string::npos)
        << "the runtime's own figures are there";
}

TEST(management, takes_routes_of_the_application) {
    auto here = house{};
    EXPECT_EQ(here.ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi").body, "hi");
}

}  // namespace
}  // namespace cohort
