#pragma once

#include <cohort/remoting/remoting.hpp>
#include <cohort/runtime/metrics.hpp>

namespace cohort {

/// Writes what a node has sent to others and received. For a collector of the node's registry. Any
/// thread.
void write_remoting_metrics(metrics_writer& out, const remoting& network);

}  // namespace cohort
