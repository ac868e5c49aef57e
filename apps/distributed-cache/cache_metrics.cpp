#include <distributed-cache/cache_metrics.hpp>

namespace cohort {

void write_cache_metrics(metrics_writer& out, const cache_items& items,
                         const cache_origin& origin) {
    auto count = [&out](std::string_view name, std::string_view help, std::uint64_t value,
                        const metric_labels& labels = {}) {
        out.counter(name, help, labels, value);
    };
    auto gauge = [&out](std::string_view name, std::string_view help, std::uint64_t value) {
        out.gauge(name, help, {}, value);
    };
    auto figures = items.figures();
    gauge("cohort_cache_entities", "Keys in memory.", figures.entities);
    gauge("cohort_cache_content_bytes", "Content in memory.", figures.content_bytes);
    count("cohort_cache_hits_total", "Gets answered from memory.", figures.hits);
    count("cohort_cache_misses_total", "Gets that asked the origin.", figures.misses);
    count("cohort_cache_failures_total", "Requests that the origin did not answer.",
          figures.failed);
    count("cohort_cache_entities_started_total", "Keys that came into memory.", figures.started);
    count("cohort_cache_evictions_total", "Keys that left memory because of a limit.",
          figures.evicted);

    const auto& queries = origin.counters();
    count("cohort_origin_queries_total", "Queries that reached the origin.", queries.queries());
    constexpr std::string_view by_kind = "cohort_origin_calls_total";
    constexpr std::string_view by_kind_help = "Queries that reached the origin, by kind.";
    count(by_kind, by_kind_help, queries.loads.load(), {{"kind", "load"}});
    count(by_kind, by_kind_help, queries.stores.load(), {{"kind", "store"}});
    count(by_kind, by_kind_help, queries.erases.load(), {{"kind", "erase"}});
    count("cohort_origin_connections_lost_total", "Connections to the origin that were lost.",
          queries.connections_lost.load());
    gauge("cohort_origin_waiting", "Calls that wait for the origin.", origin.waiting());
    count("cohort_origin_refused_total", "Calls refused because too many waited.",
          origin.refused());
    count("cohort_origin_expired_total", "Calls dropped because their deadline had passed.",
          origin.expired());
}

}  // namespace cohort
