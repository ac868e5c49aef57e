#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cohort/testkit/faults.hpp>
#include <cohort/testkit/schedule.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort {

/// What a campaign runs on simulated nodes and how it is judged. One is made for every run.
class workload {
public:
    virtual ~workload() = default;

    /// Brings up a node, at first and after every restart.
    virtual void boot(simulated_node& node) = 0;
    /// Does something, or does nothing when the node is down.
    virtual void operate(simulation& whole, const scheduled_operation& operation) = 0;
    /// What is wrong with what has been seen so far. Called when faults end, and at the end.
    [[nodiscard]] virtual std::optional<std::string> check_safety() = 0;
    /// The nodes of `core` are well from now on, and what goes on between them. Asks them for
    /// something that must work now; `live` says whether it has.
    virtual void expect_life(simulation& whole, const std::vector<std::uint32_t>& core) = 0;
    [[nodiscard]] virtual bool live() = 0;
    /// What it still waits for, for the report.
    [[nodiscard]] virtual std::string waits_for() { return {}; }
    /// Rare things that happened, by name: what a campaign has never seen it has not tested.
    [[nodiscard]] virtual std::map<std::string, std::uint64_t> sometimes() const { return {}; }
};

using workload_maker = std::function<std::unique_ptr<workload>(const schedule&)>;

struct run_options {
    /// How long the healed core may take until it is live.
    duration life_within = std::chrono::minutes{2};
};

struct run_report {
    std::optional<std::string> failure = {};
    std::uint64_t trace_hash = 0;
    duration simulated{};  // true time
    duration node_time{};  // summed over nodes
    std::uint64_t events = 0;
    fault_driver::counts faults{};
    std::map<std::string, std::uint64_t> sometimes = {};
};

/// Runs a schedule: first the faults and operations, in which nothing wrong may be seen; then a
/// drawn majority of the nodes is healed, and must be live; then every node ends, and nothing of it
/// may be left.
[[nodiscard]] run_report run_schedule(const schedule& given, const workload_maker& make,
                                      run_options options = {});

}  // namespace cohort
