#include <cohort/cluster/metrics.hpp>

namespace cohort {

void write_cluster_metrics(metrics_writer& out, const cluster& members) {
    auto numbers = members.numbers();
    auto phase = [&out](const char* which, std::uint64_t count) {
        out.gauge("cohort_cluster_members", "Members of the newest view by phase",
                  {{"phase", which}}, count);
    };
    phase("joining", numbers.members_joining);
    phase("ready", numbers.members_ready);
    phase("draining", numbers.members_draining);
    out.gauge("cohort_cluster_seats", "Seats of the newest view's electorate", {}, numbers.seats);
    out.gauge("cohort_cluster_epoch", "Epoch of the newest view", {}, numbers.epoch);
    out.gauge("cohort_cluster_lease_left_seconds", "For how long this node may act", {},
              std::chrono::duration<double>{numbers.lease_left}.count());
    out.counter("cohort_cluster_views_total", "Views that were adopted", {}, numbers.views);
    out.counter("cohort_cluster_suspensions_total", "Times that the lease ran out", {},
                numbers.suspensions);
    out.counter("cohort_cluster_fences_total", "Times that this node was removed against its will",
                {}, numbers.fences);
    out.counter("cohort_cluster_control_sent_total", "Control messages to other nodes", {},
                numbers.control_out);
    out.counter("cohort_cluster_control_received_total", "Control messages of other nodes", {},
                numbers.control_in);
    out.counter("cohort_cluster_control_lost_total",
                "Control messages to nodes that could not be reached", {}, numbers.control_lost);
}

}  // namespace cohort
