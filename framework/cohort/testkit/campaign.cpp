#include <cohort/testkit/campaign.hpp>

#include <algorithm>

#include <cohort/testkit/checkers/leaks.hpp>

namespace cohort {
namespace {

constexpr std::uint64_t for_healing = 0x68'6561'6c73;

// Nodes that are to be healed: more than half, drawn.
std::vector<std::uint32_t> draw_core(const schedule& given) {
    auto nodes = given.swarm.nodes;
    auto random = keyed_random{given.seed}.stream(for_healing);
    auto all = std::vector<std::uint32_t>(nodes);
    for (std::uint32_t i = 0; i < nodes; ++i) {
        all[i] = i;
    }
    for (std::uint32_t i = nodes; i > 1; --i) {
        std::swap(all[i - 1], all[below(random.draw(0, 0, i), i)]);
    }
    auto most = nodes / 2 + 1;
    all.resize(most + below(random.draw(1, 0, 0), nodes - most + 1));
    std::sort(all.begin(), all.end());
    return all;
}

// One run; its parts are destroyed in the order in which they use each other.
class run {
public:
    run(const schedule& given, const workload_maker& make)
        : given_{given}, work_{make(given)}, sim_{{.seed = given.seed,
                                                   .delay_min = given.swarm.delay_min,
                                                   .delay_max = given.swarm.delay_max,
                                                   .stream_buffer = given.swarm.stream_buffer,
                                                   .give_up = given.swarm.give_up}} {
        for (std::uint32_t i = 0; i < given.swarm.nodes; ++i) {
            // Blocking work that was made slow is waited for.
            sim_.add({.runtime = {.cores = given.swarm.cores,
                                  .stop_grace = 5min,
                                  .shutdown_grace = 6min},
                      .shuffled = given.swarm.shuffled,
                      .boot = [this](simulated_node& node) { work_->boot(node); }});
        }
        faults_.emplace(sim_, given.faults);
        for (const auto& each : given.operations) {
            sim_.after(each.at, [this, each] { work_->operate(sim_, each); });
        }
    }

    run(const run&) = delete;
    run& operator=(const run&) = delete;
    // What failed is not asked to end in order, and no fault comes to it any more.
    ~run() {
        for (std::size_t i = 0; i < sim_.size(); ++i) {
            if (sim_.node(i).up()) {
                sim_.crash(sim_.node(i));
            }
        }
    }

    std::optional<std::string> judge(const run_options& options) {
        sim_.run_for(given_.length);
        if (auto wrong = work_->check_safety()) {
            return wrong;
        }
        auto core = draw_core(given_);
        faults_->heal(core);
        work_->expect_life(sim_, core);
        if (!sim_.run_until([this] { return work_->live(); }, options.life_within)) {
            auto what = work_->waits_for();
            return "the healed nodes are not live" + (what.empty() ? what : ": " + what);
        }
        if (auto wrong = work_->check_safety()) {
            return wrong;
        }
        return take_down();
    }

    void report_to(run_report& out) {
        out.trace_hash = sim_.trace_hash();
        out.events = sim_.network().events().count();
        out.simulated = sim_.now() - began_;
        out.node_time = out.simulated * given_.swarm.nodes;
        out.faults = faults_->begun();
        out.sometimes = work_->sometimes();
    }

private:
    // Half of the nodes end in order, the others at once.
    std::optional<std::string> take_down() {
        for (std::size_t i = 0; i < sim_.size(); ++i) {
            auto& node = sim_.node(i);
            if (!node.up()) {
                continue;
            }
            node.world().go_on();
            node.world().set_clock_rate(0);
            if (i % 2 != 0) {
                sim_.crash(node);
            } else if (!sim_.stop(node, 15min)) {
                return "node " + node.host() + " does not end";
            }
        }
        return leak_checker::left_by(sim_);
    }

    const schedule& given_;
    std::unique_ptr<workload> work_;
    simulation sim_;
    std::optional<fault_driver> faults_;
    time_point began_ = sim_.now();
};

}  // namespace

run_report run_schedule(const schedule& given, const workload_maker& make, run_options options) {
    auto out = run_report{};
    auto memory = leak_checker{};
    {
        auto whole = run{given, make};
        out.failure = whole.judge(options);
        whole.report_to(out);
    }
    if (!out.failure) {
        out.failure = memory.left_in_memory();
    }
    return out;
}

}  // namespace cohort
