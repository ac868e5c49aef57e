#include <cohort/actor/system.hpp>

#include <algorithm>
#include <cstdio>

#include <cohort/runtime/observe.hpp>
#include <cohort/task/combinators.hpp>

namespace cohort {
namespace {

// An actor that fails is stopped by default: that must not go unseen where nobody connected a log.
void print_failures(runtime& node) {
    auto& world = node.world();
    auto log = logger::open({.level = log_level::error, .queued_lines_max = 0},
                            [&world] { return world.wall_now(); });
    COHORT_ASSERT(log.has_value(), "standard error needs no opening");
    log_runtime_events(node, std::move(*log));
}

}  // namespace

system::system(runtime_options options)
    : own_world_{make_real_world()}, world_{own_world_.get()},
      runtime_{std::make_unique<cohort::runtime>(*world_, lifecycle_, std::move(options))} {
    print_failures(*runtime_);
}

system::system(cohort::world& world, runtime_options options)
    : world_{&world},
      runtime_{std::make_unique<cohort::runtime>(*world_, lifecycle_, std::move(options))} {
    print_failures(*runtime_);
}

system::~system() {
    shutting_down_ = true;  // a signal that comes now has nothing left to start
    runtime_->request_stop();
    join();
    // Actors may hold what extensions own.
    runtime_.reset();
    extensions_.clear();
}

void system::run_here(core& target, const std::function<void(core&)>& action) {
    auto* outer = std::exchange(current_core, &target);
    try {
        action(target);
    } catch (...) {
        current_core = outer;
        throw;
    }
    current_core = outer;
}

result<void> system::start() {
    COHORT_ASSERT(!started_, "a system is started once");
    started_ = true;
    if (!world_->simulated()) {
        runtime_->start();
    }
    for (auto& module : extensions_) {
        auto outcome = module->start(*this);
        if (!outcome) {
            return error{outcome.error().code(), std::string{module->name()} + " could not start",
                         "system", outcome.error()};
        }
        ++extensions_started_;
    }
    return {};
}

namespace {

task<void> stop_extension(extension* module, cohort::runtime* node, duration share) {
    // One that fails to stop must not keep the others from it.
    try {
        auto ended = co_await with_timeout(share, module->stop());
        if (!ended) {
            node->report(
                {"shutdown phase timed out", std::string{module->name()}, ended.error().message()});
        }
    } catch (const std::exception& failure) {
        node->report({"shutdown phase failed", std::string{module->name()}, failure.what(),
                      event_kind::failure});
    }
}

behavior<detail::silent> stop_in_order(context<detail::silent>, std::vector<extension*> modules,
                                       cohort::runtime* node) {
    const auto& options = node->options();
    // What is left at the end is for actors that end slowly.
    auto until = after(this_core().now(), options.shutdown_grace - options.stop_grace);
    co_await sleep_for{options.drain_delay};
    auto weights = 0U;
    for (const auto* module : modules) {
        weights += module->stop_weight();
    }
    for (auto* module : modules) {
        auto left = std::max(until - this_core().now(), duration::zero());
        co_await stop_extension(module, node, left / weights * module->stop_weight());
        weights -= module->stop_weight();
    }
}

}  // namespace

void system::shutdown() {
    if (shutting_down_.exchange(true)) {
        return;
    }
    auto modules = std::vector<extension*>{};
    for (auto i = extensions_started_.load(); i-- > 0;) {
        modules.push_back(extensions_[i].get());
    }
    runtime_->post(0, [modules = std::move(modules), node = runtime_.get()](core& here) mutable {
        // However it ends, the node does then.
        detail::spawn_kept(
            here, nullptr,
            {.name = "shutdown", .on_exit = [node](exit_reason) { node->request_stop(); }},
            &stop_in_order, std::move(modules), node);
    });
}

int system::join() {
    if (runtime_) {
        runtime_->join();
    }
    return runtime_ && !runtime_->failed_because().empty() ? 1 : 0;
}

int system::run() {
    install_crash_handler();
    // The handler comes first: threads inherit the blocked signals.
    world_->on_termination([this] { shutdown(); });
    auto started = start();
    if (!started) {
        std::fprintf(stderr, "%s\n", started.error().message().c_str());
        shutdown();
        join();
        return 1;
    }
    return join();
}

bool system::ready() const noexcept {
    if (shutting_down_ || extensions_started_ != extensions_.size()) {
        return false;
    }
    for (const auto& module : extensions_) {
        if (!module->ready()) {
            return false;
        }
    }
    return true;
}

}  // namespace cohort
