#include <cohort/sharding/metrics.hpp>

#include <array>

namespace cohort {
namespace {

struct row {
    const char* name;
    const char* help;
    std::uint64_t sharding_numbers::* member;
};

constexpr auto counters = std::array{
    row{"cohort_sharding_entities_started_total", "Entities that came into memory.",
        &sharding_numbers::started},
    row{"cohort_sharding_evicted_total", "Entities stopped because of a limit.",
        &sharding_numbers::evicted},
    row{"cohort_sharding_passivated_total", "Entities stopped because they were idle.",
        &sharding_numbers::passivated},
    row{"cohort_sharding_sent_total", "Messages sent to owners on other nodes.",
        &sharding_numbers::sent},
    row{"cohort_sharding_received_total", "Messages of other nodes for entities.",
        &sharding_numbers::received},
    row{"cohort_sharding_retries_total", "Messages that came back to be sent again.",
        &sharding_numbers::retries},
    row{"cohort_sharding_redirected_total",
        "Messages turned away because another node owns the shard, or will.",
        &sharding_numbers::redirected},
    row{"cohort_sharding_refused_total", "Messages given up, certainly not executed.",
        &sharding_numbers::refused},
    row{"cohort_sharding_tells_lost_total", "Messages that nobody waited for, given up.",
        &sharding_numbers::tells_lost},
    row{"cohort_sharding_moves_total", "Shards that this node released.", &sharding_numbers::moves},
    row{"cohort_sharding_activations_total", "Shards that the store was told about.",
        &sharding_numbers::activations},
    row{"cohort_sharding_suspensions_total", "Times that a core found the lease over.",
        &sharding_numbers::suspensions},
};

}  // namespace

void write_sharding_metrics(metrics_writer& out, const sharding& shards) {
    auto numbers = shards.numbers();
    for (const auto& each : counters) {
        out.counter(each.name, each.help, {}, numbers.*each.member);
    }
    out.gauge("cohort_sharding_entities", "Entities in memory.", {}, numbers.entities);
    out.gauge("cohort_sharding_content_bytes", "Content that entities hold.", {},
              numbers.content_bytes);
    out.gauge("cohort_sharding_shards_owned", "Shards that this node owns.", {},
              numbers.shards_owned);
    out.gauge("cohort_sharding_waiting_bytes", "What waits for an owner.", {},
              numbers.waiting_bytes);
}

}  // namespace cohort
