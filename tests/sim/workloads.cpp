#include "workloads.hpp"

#include <cohort/world/mutant.hpp>

#include "cache.hpp"
#include "cluster.hpp"
#include "kv.hpp"
#include "protocol.hpp"
#include "remoting.hpp"
#include "sharding.hpp"

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

constexpr std::uint32_t only(std::initializer_list<fault_kind> kinds) {
    auto mask = std::uint32_t{0};
    for (auto kind : kinds) {
        mask |= 1U << static_cast<unsigned>(kind);
    }
    return mask;
}

named_workload remoting_named(std::string_view name, remoting_workload::flavour how) {
    using flavour = remoting_workload::flavour;
    auto limits = schedule_limits{};
    limits.nodes_min = 2;
    limits.nodes_max = 4;
    limits.length = std::chrono::seconds{20};
    limits.operations_max = 150;
    limits.operation_kinds = remoting_workload::operation_kinds;
    if (how == flavour::corrupted) {
        limits.kinds |= only({fault_kind::corrupt});
    } else if (how == flavour::impatient) {
        // Two nodes that hear nothing of each other for a while, again and again, and much to send.
        limits.kinds = only({fault_kind::cut, fault_kind::cut_one_way, fault_kind::isolate,
                             fault_kind::split, fault_kind::stop_inside});
        limits.nodes_max = 2;
        limits.operations_max = 400;
    }
    return {.name = name,
            .limits = limits,
            .make = [how](std::string_view bug) -> std::optional<workload_maker> {
                return plant(bug) ? std::optional{make_remoting(how)} : std::nullopt;
            },
            .must = how == flavour::plain ? remoting_workload::must() : std::vector<std::string>{}};
}

named_workload cluster_named() {
    auto limits = schedule_limits{};
    limits.nodes_min = 1;
    limits.nodes_max = 6;
    limits.length = std::chrono::seconds{60};
    limits.operations_max = 40;
    limits.operation_kinds = cluster_workload::operation_kinds;
    // What the protocol counts on: clocks whose rates are right to one per cent (A3).
    limits.kinds &= ~only({fault_kind::clock_rate, fault_kind::clock_jump});
    return {.name = "cluster",
            .limits = limits,
            .make = [](std::string_view bug) -> std::optional<workload_maker> {
                return plant(bug) ? std::optional{make_cluster()} : std::nullopt;
            },
            .must = cluster_workload::must()};
}

named_workload sharding_named() {
    auto limits = schedule_limits{};
    limits.nodes_min = 2;
    limits.nodes_max = 4;
    limits.length = std::chrono::seconds{20};
    limits.operations_max = 800;
    limits.operation_kinds = sharding_workload::operation_kinds;
    limits.keys = 1 << 16;
    // What keeps messages on their way. Nodes that die are what `cache` is for.
    limits.kinds =
        only({fault_kind::cut, fault_kind::cut_one_way, fault_kind::isolate, fault_kind::split,
              fault_kind::reset, fault_kind::slow_link, fault_kind::tail, fault_kind::throttle,
              fault_kind::stop, fault_kind::stop_inside, fault_kind::slow_cpu});
    return {.name = "sharding",
            .limits = limits,
            .make = [](std::string_view bug) -> std::optional<workload_maker> {
                return plant(bug) ? std::optional{make_sharding()} : std::nullopt;
            },
            .must = sharding_workload::must()};
}

named_workload protocol_named(std::string_view name, protocol_flavour how) {
    return {.name = name,
            .limits = protocol_limits(how),
            .make = {},
            .must = protocol_must(how),
            .bare = [how](const schedule& given) { return run_protocol(given, how); }};
}

}  // namespace

std::optional<schedule_runner> named_workload::runner(std::string_view bug) const {
    if (bare) {
        return plant(bug) ? std::optional{bare} : std::nullopt;
    }
    auto maker = make(bug);
    if (!maker) {
        return std::nullopt;
    }
    return [maker = *maker](const schedule& given) { return run_schedule(given, maker); };
}

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
        remoting_named("remoting", remoting_workload::flavour::plain),
        remoting_named("remoting_corrupted", remoting_workload::flavour::corrupted),
        remoting_named("remoting_impatient", remoting_workload::flavour::impatient),
        cluster_named(),
        sharding_named(),
        {.name = "cache",
         .limits = cache_limits(),
         .make = {},
         .must = cache_workload::must(),
         .bare = run_cache},
        protocol_named("protocol", protocol_flavour::plain),
        protocol_named("protocol_seats", protocol_flavour::seats),
        protocol_named("protocol_clocks", protocol_flavour::clocks),
        protocol_named("protocol_restarts", protocol_flavour::restarts),
        protocol_named("protocol_phases", protocol_flavour::phases),
    };
    return all;
}

}  // namespace cohort::sim
