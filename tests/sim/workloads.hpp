#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/testkit/campaign.hpp>

namespace cohort::sim {

using schedule_runner = std::function<run_report(const schedule&)>;

/// A workload as the program `cohort-sim` knows it.
struct named_workload {
    std::string_view name;
    /// Its schedules.
    schedule_limits limits;
    /// With a planted bug by name, `none` for the honest one; nothing when it has no such bug.
    std::function<std::optional<workload_maker>(std::string_view bug)> make;
    /// What every 1,000 seeds must have seen.
    std::vector<std::string> must;
    /// Runs a schedule without simulated nodes; `make` is empty then, and bugs are mutants.
    schedule_runner bare = {};

    /// What runs its schedules, with a planted bug; nothing when it has no such bug.
    [[nodiscard]] std::optional<schedule_runner> runner(std::string_view bug) const;
};

[[nodiscard]] const std::vector<named_workload>& all_workloads();

}  // namespace cohort::sim
