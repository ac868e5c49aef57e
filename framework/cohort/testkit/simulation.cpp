#include <cohort/testkit/simulation.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace cohort {
namespace {

constexpr std::uint64_t for_turns = 0x74'7572'6e73;
constexpr std::uint64_t for_shapes = 0x73'6861'7065;
// A node that has died ends in less, however much it has to take down.
constexpr int dead_turns_max = 100'000;

/// Sets the core that the thread runs, for a while.
class on_this_core {
public:
    explicit on_this_core(core& target) noexcept : outer_{std::exchange(current_core, &target)} {}
    on_this_core(const on_this_core&) = delete;
    on_this_core& operator=(const on_this_core&) = delete;
    ~on_this_core() { current_core = outer_; }

private:
    core* outer_;
};

}  // namespace

// -- a node ---------------------------------------------------------------------------------------

simulated_node::simulated_node(simulation& whole, node_options options)
    : whole_{whole}, options_{std::move(options)}, world_{whole.network(), options_.host} {
    world_.drive([this](std::uint32_t core) { turn(core); });
}

simulated_node::~simulated_node() = default;

void simulated_node::start() {
    whole_.network().trace(for_turns, index(), incarnation());
    system_ = std::make_unique<cohort::system>(world_, options_.runtime);
    if (options_.boot) {
        options_.boot(*this);
    }
    for (std::uint32_t core = 0; core < system_->cores(); ++core) {
        world_.turn_by(core, whole_.now() + cost());
    }
}

duration simulated_node::cost() noexcept {
    auto drawn = whole_.network().random().draw(for_turns, index(), turns_++);
    return between(drawn, options_.turn_cost / 2, options_.turn_cost * 3 / 2);
}

void simulated_node::turn(std::uint32_t id) {
    if (!system_) {
        return;
    }
    auto& runtime = system_->runtime();
    auto& core = runtime.at(id);
    auto here = on_this_core{core};
    if (options_.shuffled) {
        core.vary(whole_.network().random().draw(for_shapes, index(), turns_));
    }
    auto made = core.step();
    whole_.network().trace(for_turns, index() << 8 | id, core.counters().messages.value());
    // The node may have asked for its own end meanwhile; what comes next is for those that go on.
    if (made == core::progress::ended) {
        return;
    }
    auto now = whole_.now();
    if (made == core::progress::worked || core.has_work()) {
        world_.turn_by(id, now + cost());
    } else if (core.stopping()) {
        world_.turn_by(id, now + std::chrono::milliseconds{1});
    } else if (auto deadline = core.timers().next_deadline()) {
        if (auto when = world_.true_time(*deadline)) {
            world_.turn_by(id, std::max(*when, now + cost()));
        }
    }
    for (std::uint32_t other = 0; other < runtime.cores(); ++other) {
        if (other != id && runtime.at(other).has_work()) {
            world_.turn_by(other, now + cost());
        }
    }
}

void simulated_node::kick() {
    for (std::uint32_t id = 0; system_ && id < system_->cores(); ++id) {
        auto& core = system_->runtime().at(id);
        if (core.has_work() || system_->runtime().stopping()) {
            world_.turn_by(id, whole_.now());
        }
    }
}

// Takes down what has died, in no time: destructors run, and nobody hears of it.
void simulated_node::drain_dead() {
    auto& runtime = system_->runtime();
    runtime.request_stop();
    for (std::uint32_t id = 0; id < runtime.cores(); ++id) {
        auto& core = runtime.at(id);
        auto here = on_this_core{core};
        if (!core.stopping()) {
            core.begin_stop();
        }
    }
    for (int round = 0; round < dead_turns_max && !runtime.drained(); ++round) {
        for (std::uint32_t id = 0; id < runtime.cores(); ++id) {
            auto here = on_this_core{runtime.at(id)};
            static_cast<void>(runtime.at(id).step());
        }
    }
    if (!runtime.drained()) {
        runtime.on_event([](const runtime_event& event) {
            std::fprintf(stderr, "%s: %s\n", std::string{event.what}.c_str(), event.actor.c_str());
        });
        for (std::uint32_t id = 0; id < runtime.cores(); ++id) {
            auto& core = runtime.at(id);
            core.keeper().abandon_all(core);
        }
        COHORT_ASSERT(false, "every actor of a node that died can be taken down");
    }
}

void simulated_node::take_down() {
    for (std::uint32_t id = 0; id < system_->cores(); ++id) {
        auto& core = system_->runtime().at(id);
        auto left = [&](std::size_t count, const char* what) {
            if (count != 0) {
                whole_.leaks_.push_back("node " + host() + ", core " + std::to_string(id) + ": " +
                                        std::to_string(count) + " " + what);
            }
        };
        for (std::uint32_t slot = 0; core.live_cells() != 0 && slot < core.slots_used(); ++slot) {
            if (auto& each = core.cell_at(slot); each.alive()) {
                left(1, ("actor: " + core.keeper().describe(core, each.main)).c_str());
            }
        }
        left(core.timers().armed(), "timers");
        left(core.pending().size(), "asks");
    }
    system_.reset();
    state.reset();
}

// -- the simulation -------------------------------------------------------------------------------

simulation::simulation(simulation_options options) : network_{options} {}

simulation::~simulation() {
    auto grace = duration{};
    for (auto& each : nodes_) {
        if (each->up()) {
            each->system().runtime().request_stop();
            grace = std::max(grace, each->options().runtime.stop_grace);
        }
    }
    auto all_drained = [&] {
        return std::all_of(nodes_.begin(), nodes_.end(), [](auto& each) {
            return !each->up() || each->system().runtime().drained();
        });
    };
    bool ended = run_until(all_drained, grace * 2 + std::chrono::minutes{2});
    COHORT_ASSERT(ended, "every actor of a simulated node ends when it is stopped");
    for (auto& each : nodes_) {
        if (each->up()) {
            each->system_.reset();
            each->state.reset();
        }
    }
}

simulated_node& simulation::add(node_options options) {
    if (options.host.empty()) {
        options.host = "10.0.0." + std::to_string(nodes_.size() + 1);
    }
    nodes_.push_back(std::make_unique<simulated_node>(*this, std::move(options)));
    nodes_.back()->start();
    return *nodes_.back();
}

void simulation::kick() {
    for (auto& each : nodes_) {
        each->kick();
    }
}

void simulation::after(duration length, std::function<void()> action) {
    network_.events().at(now() + length, [this, action = std::move(action)] {
        action();
        kick();
    });
}

void simulation::run_for(duration length) {
    auto limit = now() + length;
    kick();
    while (network_.events().run_next(limit)) {
    }
    network_.events().skip_to(limit);
}

bool simulation::run_until(const std::function<bool()>& done, duration limit) {
    auto end = now() + limit;
    kick();
    while (!done()) {
        if (!network_.events().run_next(end)) {
            network_.events().skip_to(end);
            return done();
        }
    }
    return true;
}

void simulation::run_until_idle() {
    kick();
    auto most = std::chrono::microseconds{1};
    while (network_.events().run_next(now() + most * 2)) {
    }
}

void simulation::crash(simulated_node& target, simulated_world::death how) {
    COHORT_ASSERT(target.up(), "what crashes is up");
    COHORT_ASSERT(current_core == nullptr, "a node crashes from outside");
    network_.trace(for_turns, target.index(), ~std::uint64_t{0});
    target.world().die(how);
    target.drain_dead();
    target.take_down();
}

bool simulation::stop(simulated_node& target, duration limit) {
    auto& runtime = target.system().runtime();
    target.system().shutdown();
    bool ended = run_until([&] { return runtime.drained(); }, limit);
    target.world().die(simulated_world::death::process);
    if (!ended) {
        target.drain_dead();
    }
    target.take_down();
    return ended;
}

void simulation::restart(simulated_node& target) {
    COHORT_ASSERT(!target.up(), "a node that is up is not started again");
    target.world().revive();
    target.start();
}

}  // namespace cohort
