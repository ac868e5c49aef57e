#include "workloads.hpp"

#include <cohort/world/mutant.hpp>

#include "kv.hpp"
#include "remoting.hpp"

namespace cohort::sim {
namespace {

// A mutant of the code itself, in a build that has them.
bool plant(std::string_view bug) {
    auto which = bug == "none" ? std::optional{mutant::none} : mutant_of(bug);
#if defined(COHORT_MUTANTS)
    planted = which.value_or(mutant::none);
    return which.has_value();
#else
    return which == mutant::none;
#endif
}

named_workload remoting_named(std::string_view name, bool corrupting) {
    auto limits = schedule_limits{};
    limits.nodes_min = 2;
    limits.nodes_max = 4;
    limits.length = std::chrono::seconds{20};
    limits.operations_max = 150;
    limits.operation_kinds = remoting_workload::operation_kinds;
    if (corrupting) {
        limits.kinds |= 1U << static_cast<unsigned>(fault_kind::corrupt);
    }
    return {.name = name,
            .limits = limits,
            .make = [corrupting](std::string_view bug) -> std::optional<workload_maker> {
                return plant(bug) ? std::optional{make_remoting(corrupting)} : std::nullopt;
            },
            .must = corrupting ? std::vector<std::string>{} : remoting_workload::must()};
}

}  // namespace

const std::vector<named_workload>& all_workloads() {
    static const auto all = std::vector<named_workload>{
        {.name = "kv",
         .limits = {},
         .make = [](std::string_view bug) -> std::optional<workload_maker> {
             auto known = kv_bug_named(bug);
             return known ? std::optional{make_kv(*known)} : std::nullopt;
         },
         .must = {"served", "restarted", "not_connected", "answer_lost", "no_answer_in_time",
                  "answer_not_sent", "disk_failed", "set", "not_set"}},
        remoting_named("remoting", false),
        remoting_named("remoting_corrupted", true),
    };
    return all;
}

}  // namespace cohort::sim
