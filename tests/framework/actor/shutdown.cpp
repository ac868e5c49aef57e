#include <gtest/gtest.h>

#include <cohort/testkit/simulation.hpp>

namespace cohort {
namespace {

/// An extension that takes so long to stop, or for ever.
struct phase final : extension {
    phase(std::vector<duration>* out, duration length, unsigned of_all)
        : lasted{out}, takes{length}, weight{of_all} {}

    [[nodiscard]] std::string_view name() const noexcept override { return "phase"; }
    [[nodiscard]] result<void> start(system&) override { return {}; }
    [[nodiscard]] unsigned stop_weight() const noexcept override { return weight; }
    [[nodiscard]] task<void> stop() override {
        struct at_end {
            std::vector<duration>* out;
            time_point began;
            ~at_end() { out->push_back(this_core().now() - began); }
        } note{lasted, this_core().now()};
        co_await sleep_for{takes};
    }
    std::vector<duration>* lasted;
    duration takes;
    unsigned weight;
};

runtime_options with_grace(duration grace, duration drain_delay = {}) {
    return {.cores = 1, .stop_grace = 5s, .shutdown_grace = grace, .drain_delay = drain_delay};
}

TEST(shutdown, a_phase_that_hangs_does_not_take_the_time_of_those_behind_it) {
    auto lasted = std::vector<duration>{};
    auto sim = simulation{};
    auto& node = sim.add({.runtime = with_grace(35s), .boot = [&](simulated_node& it) {
                              it.system().use(phase{&lasted, 1h, 1});
                              it.system().use(phase{&lasted, 1h, 3});
                              it.system().use(phase{&lasted, 1h, 2});
                              ASSERT_TRUE(it.system().start());
                          }});
    auto began = sim.now();
    EXPECT_TRUE(sim.stop(node));
    EXPECT_LE(sim.now() - began, 36s);
    ASSERT_EQ(lasted.size(), 3U);
    EXPECT_NEAR(std::chrono::duration<double>(lasted[0]).count(), 10, 0.1);
    EXPECT_NEAR(std::chrono::duration<double>(lasted[1]).count(), 15, 0.1);
    EXPECT_NEAR(std::chrono::duration<double>(lasted[2]).count(), 5, 0.1);
}

TEST(shutdown, what_a_phase_does_not_need_is_shared_by_those_behind_it) {
    auto lasted = std::vector<duration>{};
    auto sim = simulation{};
    auto& node = sim.add({.runtime = with_grace(35s), .boot = [&](simulated_node& it) {
                              it.system().use(phase{&lasted, 1h, 1});
                              it.system().use(phase{&lasted, 1h, 1});
                              it.system().use(phase{&lasted, 10ms, 8});
                              ASSERT_TRUE(it.system().start());
                          }});
    EXPECT_TRUE(sim.stop(node));
    ASSERT_EQ(lasted.size(), 3U);
    EXPECT_NEAR(std::chrono::duration<double>(lasted[1]).count(), 15, 0.1);
    EXPECT_NEAR(std::chrono::duration<double>(lasted[2]).count(), 15, 0.1);
}

TEST(shutdown, the_node_is_not_ready_at_once_and_goes_on_for_the_drain_delay) {
    auto lasted = std::vector<duration>{};
    auto sim = simulation{};
    auto& node = sim.add({.runtime = with_grace(35s, 5s), .boot = [&](simulated_node& it) {
                              it.system().use(phase{&lasted, 1ms, 1});
                              ASSERT_TRUE(it.system().start());
                          }});
    EXPECT_TRUE(node.system().ready());
    node.system().shutdown();
    EXPECT_FALSE(node.system().ready());
    sim.run_for(4900ms);
    EXPECT_TRUE(lasted.empty());
    sim.run_for(200ms);
    EXPECT_EQ(lasted.size(), 1U);
}

}  // namespace
}  // namespace cohort
