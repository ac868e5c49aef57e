#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cohort/runtime/core.hpp>

namespace cohort {

struct runtime_options {
    /// Cores of the node, 1 to 255; 0 takes every processor the process may use.
    unsigned cores = 0;
    /// How long an idle core looks for work of other cores before it sleeps, at most. Off by itself
    /// when there are fewer processors than cores, and on a single core.
    duration spin_max = std::chrono::microseconds{50};
    /// A slice longer than this is reported; zero turns the watchdog off.
    duration slow_slice = std::chrono::milliseconds{10};
    /// How long stopping waits for operations that ignore cancellation.
    duration stop_grace = std::chrono::seconds{10};
    /// Coordinated shutdown in all, `drain_delay` and `stop_grace` included. Each extension has its
    /// share of it, so that one that hangs does not take the time of those behind it.
    duration shutdown_grace = std::chrono::seconds{55};
    /// How long the node goes on as before once it was told to end, but for saying that it is not
    /// ready: until those who send it requests have noticed.
    duration drain_delay{};
    std::string node_name = "node";
};

enum class event_kind : std::uint8_t {
    notice,   ///< something an operator may want to know
    warning,  ///< something that may become a failure
    failure,  ///< an exception that the program did not catch, or what ends the node
};

/// Something the runtime, or a module, noticed, for the log.
struct runtime_event {
    std::string_view what;
    std::string actor;
    std::string detail;
    event_kind kind = event_kind::warning;
};

/// The cores of one node.
///
/// In a real world `start` gives each core a thread; in a simulated one the simulation calls `turn`
/// of the cores itself.
class runtime {
public:
    runtime(cohort::world& world, cell_keeper& keeper, runtime_options options);
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    /// Stops and joins when that was not done. The actors of cores that nobody ran end in the
    /// calling thread, without being run.
    ~runtime();

    [[nodiscard]] cohort::world& world() const noexcept { return world_; }
    [[nodiscard]] cell_keeper& keeper() const noexcept { return keeper_; }
    [[nodiscard]] const runtime_options& options() const noexcept { return options_; }
    [[nodiscard]] std::uint32_t cores() const noexcept {
        return static_cast<std::uint32_t>(cores_.size());
    }
    [[nodiscard]] core& at(std::uint32_t id) noexcept { return *cores_[id]; }

    void start();
    /// Asks every core to stop its actors and then to end. Any thread; idempotent.
    void request_stop() noexcept;
    /// Waits until every core has ended. Not from a core.
    void join();

    /// Runs `action(core&)` on a core, from any thread. Dropped, destroyed without being run, when
    /// the core has ended.
    template <class Action>
    void post(std::uint32_t core_id, Action action) {
        using record_type = ring_action<Action>;
        auto* record = new (::operator new(sizeof(record_type))) record_type(std::move(action));
        record->size = sizeof(record_type);
        record->boxed = true;
        record->apply = &record_type::run;
        cores_[core_id]->post_external(record);
    }

    /// Events for the log; called on cores and on the watchdog's thread. Set before `start`; takes
    /// the place of the listener before. A system begins with one that writes failures to standard
    /// error, see `log_runtime_events`.
    void on_event(std::function<void(const runtime_event&)> listener) {
        listener_ = std::move(listener);
    }
    void report(const runtime_event& event) const {
        if (listener_) {
            listener_(event);
        }
    }

    /// Stops the node because of a failure that nobody handled. Any thread.
    void fail(std::string why);
    /// The first reason given to `fail`, empty when there was none. After `join`.
    [[nodiscard]] const std::string& failed_because() const noexcept { return failed_because_; }
    /// Ends the cores without waiting for actors that are left. Their frames are not destroyed.
    void abandon() noexcept { drained_cores_ = cores_.size(); }

    [[nodiscard]] bool stopping() const noexcept { return stopping_; }
    /// Whether no core has an actor any more after `request_stop`.
    [[nodiscard]] bool drained() const noexcept { return drained_cores_ >= cores_.size(); }

private:
    friend class core;
    void core_drained() noexcept;
    void drain_here() noexcept;
    void watch();

    cohort::world& world_;
    cell_keeper& keeper_;
    runtime_options options_;
    std::function<void(const runtime_event&)> listener_;
    std::vector<std::unique_ptr<byte_ring>> rings_;
    std::vector<std::unique_ptr<core>> cores_;
    std::vector<std::unique_ptr<joining_thread>> threads_;
    std::unique_ptr<joining_thread> watchdog_;
    std::atomic<bool> failed_{false};
    std::string failed_because_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> ended_{false};
    std::atomic<std::size_t> drained_cores_{0};
};

}  // namespace cohort
