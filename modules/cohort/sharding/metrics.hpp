#pragma once

#include <cohort/runtime/metrics.hpp>
#include <cohort/sharding/sharding.hpp>

namespace cohort {

/// Writes the module's figures; for a collector of a registry.
void write_sharding_metrics(metrics_writer& out, const sharding& shards);

}  // namespace cohort
