#pragma once

#include <memory>

#include <cohort/runtime/log.hpp>
#include <cohort/runtime/metrics.hpp>
#include <cohort/runtime/runtime.hpp>

namespace cohort {

/// Writes what the cores counted, with a label for the core: messages, mailboxes, queue delay,
/// asks, failures, rings. For a collector of the node's registry. Any thread.
void write_runtime_metrics(metrics_writer& out, runtime& node);

/// Sends the runtime's events to the log, with node, core and actor, at most 20 lines a second:
/// failures as errors; slow slices and operations that do not end as warnings; what a module
/// gives notice of, as members that come and go, as information. Call it before the
/// node starts.
///
/// Without it a system's failures go to standard error, in the same form, and nothing else does.
/// `runtime().on_event({})` turns that off.
void log_runtime_events(runtime& node, std::shared_ptr<logger> log);

}  // namespace cohort
