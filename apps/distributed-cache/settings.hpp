#pragma once

#include <distributed-cache/cache_items.hpp>
#include <distributed-cache/cache_origin.hpp>

#include <cohort/cluster/cluster.hpp>
#include <cohort/remoting/remoting.hpp>
#include <cohort/runtime/config.hpp>
#include <cohort/runtime/log.hpp>
#include <cohort/runtime/runtime.hpp>
#include <cohort/world/network.hpp>
#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>

#include <string>
#include <vector>

namespace cohort {

/// Everything that a node of the cache is told, checked.
struct cache_settings {
    endpoint http;
    endpoint admin;
    remoting_options remoting;
    cluster_options cluster;  ///< without seeds the node is alone

    runtime_options runtime;
    cache_items_options items;
    cache_origin_options origin;
    duration request_deadline{};
    log_options log;
};

/// The options of `cohort-cache`, beside the names that Akka's cluster image is configured with.
[[nodiscard]] config_schema cache_schema();

/// The values as they may be printed: an origin's address without its password.
[[nodiscard]] config without_secrets(config values);

/// Turns checked single values into settings and checks them together.
///
/// Reads the certificates for other nodes when they are given.
///
/// Errors: `errc::invalid` with a sentence that names the option; those of reading the files.
[[nodiscard]] result<cache_settings> make_cache_settings(const config& values, world& around);

}  // namespace cohort
