#include <cohort/testkit/deterministic.hpp>

#include <algorithm>

namespace cohort {

deterministic::deterministic(deterministic_options options)
    : world_{options.world}, turn_cost_{options.turn_cost},
      system_{world_, runtime_options{.cores = options.cores}} {}

deterministic::~deterministic() {
    auto& node = system_.runtime();
    node.request_stop();
    auto end = world_.now() + node.options().stop_grace * 2;
    while (!node.drained() && world_.now() < end) {
        step(end);
    }
    COHORT_ASSERT(node.drained(), "every actor of a simulated node ends when it is stopped");
    // Streams that actors let go of still tell their peers.
    while (world_.run_due()) {
    }
}

// One step of every core, starting with one drawn from the seed.
bool deterministic::step_cores() {
    auto& node = system_.runtime();
    auto count = node.cores();
    auto first = static_cast<std::uint32_t>(world_.random() % count);
    bool worked = false;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto& each = node.at((first + i) % count);
        auto* outer = std::exchange(current_core, &each);
        worked |= each.step() == core::progress::worked;
        worked |= each.has_work();
        current_core = outer;
    }
    return worked;
}

// Runs what can run; when nothing can, jumps to the next instant at which something will, but not
// beyond the limit. Returns false when the limit was reached.
bool deterministic::step(time_point limit) {
    bool worked = world_.run_due();
    worked |= step_cores();
    if (worked) {
        world_.advance(turn_cost_);
        return world_.now() < limit;
    }
    auto next = limit;
    if (auto event = world_.next_event()) {
        next = std::min(next, *event);
    }
    auto& node = system_.runtime();
    for (std::uint32_t i = 0; i < node.cores(); ++i) {
        if (auto timer = node.at(i).timers().next_deadline()) {
            next = std::min(next, std::max(*timer, world_.now() + turn_cost_));
        }
    }
    if (next > world_.now()) {
        world_.advance(next - world_.now());
    }
    return world_.now() < limit;
}

void deterministic::run_for(duration length) {
    auto limit = world_.now() + length;
    while (step(limit)) {
    }
}

bool deterministic::run_until(const std::function<bool()>& done, duration limit) {
    auto end = world_.now() + limit;
    while (!done()) {
        if (!step(end)) {
            return done();
        }
    }
    return true;
}

void deterministic::run_until_idle() {
    while (world_.run_due() || step_cores()) {
        world_.advance(turn_cost_);
    }
}

}  // namespace cohort
