#pragma once

#include <cohort/cluster/cluster.hpp>
#include <cohort/runtime/config.hpp>

namespace cohort {

/// Declares the cluster's options: `cluster.name`, `cluster.seed_nodes`, `cluster.ttl` and so on.
void add_cluster_options(config_schema& schema);
/// The same without the name and the seeds, for programs that have options of their own for them.
void add_cluster_tuning(config_schema& schema);

/// Turns checked single values into options. What they have to do with each other is checked when
/// the cluster starts.
///
/// Errors: `errc::invalid` with a sentence that names the option.
[[nodiscard]] result<cluster_options> make_cluster_options(const config& values);
/// What `add_cluster_tuning` has declared, into options that have a name and seeds.
void tune_cluster_options(const config& values, cluster_options& options);

}  // namespace cohort
