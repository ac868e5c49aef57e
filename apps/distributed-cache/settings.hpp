#pragma once

#include <distributed-cache/cache_origin.hpp>
#include <distributed-cache/entities.hpp>

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
    std::string system_name;
    std::string node_name;
    endpoint http;
    endpoint admin;
    /// Where other nodes will reach this one, and where the first of them are; checked and printed,
    /// and of no use yet to a single node.
    endpoint advertised;
    std::vector<endpoint> seed_nodes;

    runtime_options runtime;
    entities_options entities;
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
/// Errors: `errc::invalid` with a sentence that names the option.
[[nodiscard]] result<cache_settings> make_cache_settings(const config& values);

}  // namespace cohort
