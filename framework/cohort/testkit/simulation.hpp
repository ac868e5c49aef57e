#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cohort/actor/system.hpp>
#include <cohort/world/simulated_world.hpp>

namespace cohort {

class simulation;
class simulated_node;

struct node_options {
    /// `10.0.0.<number>`, counted from 1, when empty.
    std::string host = {};
    runtime_options runtime = {.cores = 1};
    /// How much virtual time one turn of a core's loop costs, about.
    duration turn_cost = std::chrono::microseconds{1};
    /// Shuffles each core's run queue before every turn and ends slices early.
    bool shuffled = false;
    /// Brings up the node that it is given, at first and after every restart: uses extensions,
    /// starts the system, spawns actors.
    std::function<void(simulated_node&)> boot = {};
};

/// One node of a simulation: a machine with an address, a clock and files, and while it is up a
/// system on it.
class simulated_node {
public:
    simulated_node(simulation& whole, node_options options);
    simulated_node(const simulated_node&) = delete;
    simulated_node& operator=(const simulated_node&) = delete;
    ~simulated_node();

    [[nodiscard]] std::uint32_t index() const noexcept { return world_.index(); }
    [[nodiscard]] const std::string& host() const noexcept { return world_.host(); }
    [[nodiscard]] simulated_world& world() noexcept { return world_; }
    [[nodiscard]] simulation& whole() noexcept { return whole_; }
    [[nodiscard]] bool up() const noexcept { return system_ != nullptr; }
    /// Counts the starts.
    [[nodiscard]] std::uint32_t incarnation() const noexcept { return world_.incarnation(); }
    /// While the node is up.
    [[nodiscard]] cohort::system& system() noexcept {
        COHORT_ASSERT(system_ != nullptr, "a node that is down has no system");
        return *system_;
    }
    [[nodiscard]] node_options& options() noexcept { return options_; }

    /// What this incarnation owns beside its system; destroyed after it.
    std::shared_ptr<void> state;

private:
    friend class simulation;

    void start();
    void turn(std::uint32_t core);
    // Gives every core that has something to do a turn: after calls from outside.
    void kick();
    void drain_dead();
    void take_down();
    [[nodiscard]] duration cost() noexcept;

    simulation& whole_;
    node_options options_;
    simulated_world world_;
    std::unique_ptr<cohort::system> system_;
    std::uint64_t turns_ = 0;
};

/// N nodes in the calling thread, on virtual time, from one seed: the same seed and the same calls
/// give the same run, to the last byte, which `trace_hash` shows.
///
///     auto sim = cohort::simulation{{.seed = 7}};
///     auto& left = sim.add({.boot = bring_up});
///     auto& right = sim.add({.boot = bring_up});
///     sim.run_for(1s);
///     sim.crash(right);
///     sim.run_for(10s);
///     sim.restart(right);
///
/// Thread: one. Two simulations at once need two threads.
class simulation {
public:
    explicit simulation(simulation_options options = {});
    simulation(const simulation&) = delete;
    simulation& operator=(const simulation&) = delete;
    /// Stops every actor of every node and asserts that they end.
    ~simulation();

    /// Adds a node and boots it.
    simulated_node& add(node_options options = {});
    [[nodiscard]] simulated_node& node(std::size_t index) noexcept { return *nodes_[index]; }
    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] simulated_network& network() noexcept { return network_; }

    // -- time -----------------------------------------------------------------------------------

    /// True time, which no node sees.
    [[nodiscard]] time_point now() const noexcept { return network_.now(); }
    /// Calls `action` after a while of true time; it may do to nodes whatever a test may.
    void after(duration length, std::function<void()> action);
    void run_for(duration length);
    /// Runs until `done()`; returns false when `limit` of true time passed before.
    bool run_until(const std::function<bool()>& done, duration limit = std::chrono::seconds{60});
    /// Runs until nothing is left to do now but wait.
    void run_until_idle();

    // -- faults of nodes; those of links are the network's, those of clocks the worlds' ---------

    /// The node is gone at once: no message is sent, no destructor is heard of. Its peers hear from
    /// the machine when only the process died.
    void crash(simulated_node& target,
               simulated_world::death how = simulated_world::death::process);
    /// Coordinated shutdown. Returns false when it was not over after `limit`; the node is down
    /// either way.
    bool stop(simulated_node& target, duration limit = std::chrono::minutes{2});
    /// Boots a node that is down, on its old address and disk.
    void restart(simulated_node& target);

    // -- what happened --------------------------------------------------------------------------

    [[nodiscard]] std::uint64_t trace_hash() const noexcept { return network_.trace_hash(); }
    /// What nodes left behind when they went down: tasks, timers, asks.
    [[nodiscard]] const std::vector<std::string>& leaks() const noexcept { return leaks_; }

private:
    friend class simulated_node;
    void kick();

    simulated_network network_;
    std::vector<std::unique_ptr<simulated_node>> nodes_;
    std::vector<std::string> leaks_;
};

}  // namespace cohort
