#pragma once

#include <cohort/cluster/cluster.hpp>
#include <cohort/runtime/metrics.hpp>

namespace cohort {

/// Writes what a node knows of its cluster. For a collector of the node's registry. Any thread.
void write_cluster_metrics(metrics_writer& out, const cluster& members);

}  // namespace cohort
