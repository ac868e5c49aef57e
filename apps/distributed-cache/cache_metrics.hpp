#pragma once

#include <distributed-cache/cache_items.hpp>
#include <distributed-cache/cache_origin.hpp>

#include <cohort/http/metrics.hpp>
#include <cohort/runtime/metrics.hpp>

namespace cohort {

/// What the cache did, as metrics; a collector of the node's registry.
///
/// Thread: any.
void write_cache_metrics(metrics_writer& out, const cache_items& items, const cache_origin& origin);

}  // namespace cohort
