#include <cohort/runtime/observe.hpp>

#include <array>
#include <mutex>
#include <string>

namespace cohort {
namespace {

struct counter_row {
    const char* name;
    const char* help;
    core_counter core_counters::* member;
};

constexpr auto rows = std::array{
    counter_row{"cohort_messages_total", "Messages received by actors", &core_counters::messages},
    counter_row{"cohort_dead_letters_total", "Messages to actors that do not exist",
                &core_counters::dead_letters},
    counter_row{"cohort_mailbox_refused_total", "Messages a full mailbox refused",
                &core_counters::refused},
    counter_row{"cohort_mailbox_dropped_total", "Messages a full mailbox dropped by its policy",
                &core_counters::dropped},
    counter_row{"cohort_asks_total", "Asks sent", &core_counters::asks},
    counter_row{"cohort_ask_timeouts_total", "Asks whose deadline passed",
                &core_counters::ask_timeouts},
    counter_row{"cohort_late_replies_total", "Answers nobody waited for any more",
                &core_counters::late_replies},
    counter_row{"cohort_actors_started_total", "Actors started", &core_counters::spawned},
    counter_row{"cohort_actors_ended_total", "Actors ended", &core_counters::stopped},
    counter_row{"cohort_actors_failed_total", "Actors that failed", &core_counters::failed},
    counter_row{"cohort_actors_restarted_total", "Actors restarted", &core_counters::restarted},
    counter_row{"cohort_core_turns_total", "Turns of the cores' loops", &core_counters::turns},
    counter_row{"cohort_core_sleeps_total", "Times a core went to sleep", &core_counters::sleeps},
    counter_row{"cohort_ring_overflow_total",
                "Messages to another core that did not fit into the ring",
                &core_counters::ring_overflow},
    counter_row{"cohort_ring_refused_total", "Messages to another core that were refused",
                &core_counters::ring_refused},
    counter_row{"cohort_slow_slices_total", "Slices over the watchdog's limit",
                &core_counters::slow_slices},
};

void write_delays(metrics_writer& out, const metric_labels& labels, const core_delays& delays) {
    // Bucket i holds what took less than 2^i us.
    static const auto bounds = log_linear_bounds(1e-6, 4.194304, 1);
    auto counts = std::array<std::uint64_t, core_delays::buckets>{};
    for (std::size_t i = 0; i < counts.size(); ++i) {
        counts[i] = delays.count(i);
    }
    COHORT_ASSERT(bounds.size() + 1 == counts.size(), "every bucket but the last has a bound");
    out.histogram("cohort_queue_delay_seconds",
                  "From ready to running, sampled once in a millisecond", labels, bounds, counts,
                  static_cast<double>(delays.sum_ns()) / 1e9);
}

log_level level_of(event_kind kind) noexcept {
    switch (kind) {
        case event_kind::notice:
            return log_level::info;
        case event_kind::warning:
            return log_level::warning;
        case event_kind::failure:
            break;
    }
    return log_level::error;
}

}  // namespace

void write_runtime_metrics(metrics_writer& out, runtime& node) {
    for (std::uint32_t id = 0; id < node.cores(); ++id) {
        auto labels = metric_labels{{"core", std::to_string(id)}};
        const auto& counters = node.at(id).counters();
        for (const auto& row : rows) {
            out.counter(row.name, row.help, labels,
                        static_cast<double>((counters.*row.member).value()));
        }
        auto living = counters.spawned.value() - counters.stopped.value();
        out.gauge("cohort_actors", "Actors that live", labels, static_cast<double>(living));
        write_delays(out, labels, counters.queue_delay);
    }
}

void log_runtime_events(runtime& node, std::shared_ptr<logger> log) {
    struct limited {
        std::mutex mutex;
        log_every every{std::chrono::seconds{1}, 20};
    };
    auto limit = std::make_shared<limited>();
    node.on_event([&node, log = std::move(log), limit](const runtime_event& event) {
        auto suppressed = std::optional<std::uint64_t>{};
        {
            auto guard = std::lock_guard{limit->mutex};
            suppressed = limit->every.admit(node.world().now());
        }
        if (suppressed) {
            bool on_core = current_core != nullptr && &current_core->owner() == &node;
            auto core = on_core ? std::to_string(current_core->id()) : std::string{"none"};
            log->write(level_of(event.kind), event.what,
                       {{"node", node.options().node_name},
                        {"core", core},
                        {"actor", event.actor},
                        {"detail", event.detail},
                        {"suppressed", *suppressed}});
        }
    });
}

}  // namespace cohort
