#pragma once

#include <distributed-cache/cache_origin.hpp>
#include <distributed-cache/entities.hpp>

#include <cohort/http/server.hpp>
#include <cohort/runtime/metrics.hpp>

namespace cohort {

/// What the cache did, as metrics; a collector of the node's registry.
///
/// Thread: any.
void write_cache_metrics(metrics_writer& out, const entities& items, const cache_origin& origin);

/// What an HTTP server did, labelled with its name.
void write_http_metrics(metrics_writer& out, const http_server& server);

}  // namespace cohort
