#pragma once

#include <memory>

#include <cohort/runtime/log.hpp>
#include <cohort/runtime/metrics.hpp>
#include <cohort/runtime/runtime.hpp>

namespace cohort {

/// Writes what the cores counted, with a label for the core: messages, mailboxes, queue delay,
/// asks, failures, rings. For a collector of the node's registry. Any thread.
void write_runtime_metrics(metrics_writer& out, runtime& node);

/// Sends the runtime's events (failures, slow slices, operations that do not end) to the log, at
/// most 20 lines a second. Call it before the node starts.
void log_runtime_events(runtime& node, std::shared_ptr<logger> log);

}  // namespace cohort
