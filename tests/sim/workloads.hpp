#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/testkit/campaign.hpp>

namespace cohort::sim {

/// A workload as the program `cohort-sim` knows it.
struct named_workload {
    std::string_view name;
    /// Its schedules.
    schedule_limits limits;
    /// With a planted bug by name, `none` for the honest one; nothing when it has no such bug.
    std::function<std::optional<workload_maker>(std::string_view bug)> make;
    /// What every 1,000 seeds must have seen.
    std::vector<std::string> must;
};

[[nodiscard]] const std::vector<named_workload>& all_workloads();

}  // namespace cohort::sim
