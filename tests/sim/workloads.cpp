#include "workloads.hpp"

#include "kv.hpp"

namespace cohort::sim {

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
    };
    return all;
}

}  // namespace cohort::sim
