#pragma once

#include <functional>
#include <utility>

#include <cohort/testkit/simulation.hpp>

namespace cohort {

struct deterministic_options {
    simulation_options world = {};
    unsigned cores = 1;
    /// How much virtual time one turn of a core's loop costs, about.
    duration turn_cost = std::chrono::microseconds{1};
};

/// A node on virtual time, in the calling thread: actors, timers, streams and workers run as they
/// do in a real node, in an order drawn from the seed. A `simulation` of one node.
///
///     auto node = cohort::deterministic{};
///     auto target = node.system().spawn(counter, 0);
///     node.run_for(1s);
class deterministic {
public:
    explicit deterministic(deterministic_options options = {})
        : simulation_{options.world}, node_{&simulation_.add({.host = "127.0.0.1",
                                                              .runtime = {.cores = options.cores},
                                                              .turn_cost = options.turn_cost})} {}

    [[nodiscard]] simulated_world& world() noexcept { return node_->world(); }
    [[nodiscard]] cohort::system& system() noexcept { return node_->system(); }
    [[nodiscard]] time_point now() const noexcept { return node_->world().now(); }

    /// Runs until virtual time has moved by `length`.
    void run_for(duration length) { simulation_.run_for(length); }
    /// Runs until `done()`; returns false when `limit` of virtual time passed before.
    bool run_until(const std::function<bool()>& done, duration limit = std::chrono::seconds{60}) {
        return simulation_.run_until(done, limit);
    }
    /// Runs until nothing is left to do but wait for timers.
    void run_until_idle() { simulation_.run_until_idle(); }

    /// Asks an actor from outside and runs until the answer is there.
    template <class M, class P, class... Args>
    result<reply_value<M>> ask(const ref<P>& target, duration within, Args&&... fields) {
        auto answer = system().ask<M>(target, within, std::forward<Args>(fields)...);
        bool came = run_until(
            [&] { return answer.wait_for(duration::zero()) == std::future_status::ready; },
            within + std::chrono::seconds{1});
        if (!came) {
            return errc::timeout;
        }
        return answer.get();
    }

private:
    simulation simulation_;
    simulated_node* node_;
};

}  // namespace cohort
