#pragma once

#include <cohort/cluster/cluster.hpp>
#include <cohort/runtime/config.hpp>

namespace cohort {

/// Declares the cluster's options: `cluster.name`, `cluster.seed_nodes`, `cluster.ttl` and so on.
void add_cluster_options(config_schema& schema);

/// Turns checked single values into options. What they have to do with each other is checked when
/// the cluster starts.
///
/// Errors: `errc::invalid` with a sentence that names the option.
[[nodiscard]] result<cluster_options> make_cluster_options(const config& values);

}  // namespace cohort
