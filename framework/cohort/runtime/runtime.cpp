#include <cohort/runtime/runtime.hpp>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace cohort {
namespace {

// Runs inside a crash handler: prints what can be read without locks.
void print_crash_context(int descriptor) noexcept {
    auto* here = current_core;
    if (here == nullptr) {
        return;
    }
    char line[256];
    auto* running = here->current();
    auto length = std::snprintf(line, sizeof line, "cohort: node %s, core %u, %s",
                                here->owner().options().node_name.c_str(), here->id(),
                                running != nullptr ? "running " : "between slices\n");
    [[maybe_unused]] auto ignored = ::write(descriptor, line, static_cast<std::size_t>(length));
    if (running != nullptr) {
        auto text = here->keeper().describe(*here, *running) + "\n";
        ignored = ::write(descriptor, text.data(), text.size());
    }
}

}  // namespace

runtime::runtime(cohort::world& world, cell_keeper& keeper, runtime_options options)
    : world_{world}, keeper_{keeper}, options_{std::move(options)} {
    auto count = options_.cores == 0 ? world_.processors() : options_.cores;
    COHORT_ASSERT(count >= 1 && count <= cores_max, "a node has 1 to 255 cores");
    if (count == 1 || count > world_.processors()) {
        options_.spin_max = duration::zero();
    }
    for (std::uint32_t id = 0; id < count; ++id) {
        cores_.push_back(std::make_unique<core>(*this, id, count));
        cores_.back()->spin_time_ = options_.spin_max;
    }
    for (std::uint32_t from = 0; from < count; ++from) {
        for (std::uint32_t to = 0; to < count; ++to) {
            if (from == to) {
                continue;
            }
            rings_.push_back(std::make_unique<byte_ring>(byte_ring::capacity_for(count)));
            cores_[from]->links_[to].out = rings_.back().get();
            cores_[from]->links_[to].peer = cores_[to].get();
            cores_[to]->links_[from].in = rings_.back().get();
        }
    }
    set_crash_context_printer(&print_crash_context);
}

runtime::~runtime() {
    request_stop();
    join();
    if (!drained()) {
        drain_here();
    }
    cores_.clear();
}

void runtime::drain_here() noexcept {
    auto on_each = [&](auto action) {
        for (auto& each : cores_) {
            auto* outer = std::exchange(current_core, each.get());
            action(*each);
            current_core = outer;
        }
    };
    // Before the first turn, so that nothing begins now that never ran.
    on_each([&](core& here) { keeper_.stop_all(here); });
    for (bool worked = true; worked && !drained();) {
        worked = false;
        on_each([&](core& here) { worked |= here.step() == core::progress::worked; });
    }
    if (!drained()) {
        on_each([&](core& here) { keeper_.abandon_all(here); });
    }
}

void runtime::start() {
    for (auto& each : cores_) {
        auto thread = world_.start_thread("core-" + std::to_string(each->id()),
                                          [target = each.get()] { target->run(); });
        COHORT_ASSERT(thread.has_value(), "a real world starts threads");
        threads_.push_back(std::move(*thread));
    }
    if (options_.slow_slice > duration::zero()) {
        auto thread = world_.start_thread("watchdog", [this] { watch(); });
        COHORT_ASSERT(thread.has_value(), "a real world starts threads");
        watchdog_ = std::move(*thread);
    }
}

void runtime::request_stop() noexcept {
    if (!stopping_.exchange(true)) {
        for (auto& each : cores_) {
            each->wake_if_sleeping();
            each->reactor().wake();
        }
    }
}

void runtime::fail(std::string why) {
    if (!failed_.exchange(true)) {
        failed_because_ = std::move(why);
    }
    request_stop();
}

void runtime::core_drained() noexcept { ++drained_cores_; }

void runtime::join() {
    for (auto& thread : threads_) {
        thread->join();
    }
    ended_ = true;
    threads_.clear();
    watchdog_.reset();
}

// Samples what each core is running. A core that shows the same slice at two samples in a row has
// been in it for at least the distance between them.
void runtime::watch() {
    struct sample {
        std::uint64_t turns = 0;
        bool running = false;
        int times = 0;
    };
    constexpr int stuck_after = 100;
    auto last = std::vector<sample>(cores_.size());
    bool any_busy = false;
    while (!ended_) {
        // An idle node is looked at rarely, so that watching costs nothing.
        auto slice = options_.slow_slice;
        world_.pause(any_busy ? slice / 2 : std::max(slice, duration{100ms}));
        any_busy = false;
        for (std::size_t i = 0; i < cores_.size(); ++i) {
            auto seen = sample{cores_[i]->slices_seen(), cores_[i]->running_seen(), 0};
            any_busy = any_busy || seen.running || seen.turns != last[i].turns;
            if (seen.running && last[i].running && seen.turns == last[i].turns) {
                seen.times = last[i].times + 1;
            }
            if (seen.times == 2) {
                cores_[i]->mark_slow();
            } else if (seen.times == stuck_after) {
                report({"stuck core", "core " + std::to_string(i), "one slice does not end"});
            }
            last[i] = seen;
        }
    }
}

}  // namespace cohort
