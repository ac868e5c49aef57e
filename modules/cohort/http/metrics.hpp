#pragma once

#include <cohort/http/server.hpp>
#include <cohort/runtime/metrics.hpp>

namespace cohort {

/// Writes what a server has done, with its name as a label. For a collector of the node's registry.
/// Any thread.
void write_http_metrics(metrics_writer& out, const http_server& server);

}  // namespace cohort
