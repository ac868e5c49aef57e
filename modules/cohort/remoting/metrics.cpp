#include <cohort/remoting/metrics.hpp>

#include <array>

namespace cohort {
namespace {

struct row {
    const char* name;
    const char* help;
    std::uint64_t remoting_numbers::* member;
};

constexpr auto rows = std::array{
    row{"cohort_remoting_messages_sent_total", "Messages for actors of other nodes",
        &remoting_numbers::messages_out},
    row{"cohort_remoting_messages_received_total", "Messages of other nodes",
        &remoting_numbers::messages_in},
    row{"cohort_remoting_sent_bytes_total", "Bytes written to peers", &remoting_numbers::bytes_out},
    row{"cohort_remoting_received_bytes_total", "Bytes read from peers",
        &remoting_numbers::bytes_in},
    row{"cohort_remoting_writes_total", "Writes to peers, each of many messages",
        &remoting_numbers::writes},
    row{"cohort_remoting_tells_dropped_total",
        "Tells to a peer whose queue was full or that is gone", &remoting_numbers::tells_dropped},
    row{"cohort_remoting_tells_lost_total", "Tells that were lost with a connection",
        &remoting_numbers::tells_lost},
    row{"cohort_remoting_asks_refused_total", "Asks that were not sent",
        &remoting_numbers::asks_refused},
    row{"cohort_remoting_unknown_types_total",
        "Messages with an id that this program does not know", &remoting_numbers::unknown_types},
    row{"cohort_remoting_not_understood_total", "Messages that their target does not understand",
        &remoting_numbers::not_understood},
    row{"cohort_remoting_bad_bytes_total", "Connections closed because of what came",
        &remoting_numbers::bad_bytes},
    row{"cohort_remoting_handshakes_refused_total", "Connections that were not let in",
        &remoting_numbers::handshakes_refused},
    row{"cohort_remoting_connections_made_total", "Connections made to peers",
        &remoting_numbers::connections_made},
    row{"cohort_remoting_connections_lost_total", "Connections to peers that ended",
        &remoting_numbers::connections_lost},
    row{"cohort_remoting_stalled_total", "Connections closed because they made no progress",
        &remoting_numbers::stalled},
    row{"cohort_remoting_peers_gone_total", "Peers that left or were given up",
        &remoting_numbers::peers_gone},
};

}  // namespace

void write_remoting_metrics(metrics_writer& out, const remoting& network) {
    auto numbers = network.numbers();
    for (const auto& each : rows) {
        out.counter(each.name, each.help, {}, static_cast<double>(numbers.*each.member));
    }
    out.gauge("cohort_remoting_peers", "Peers that are known", {},
              static_cast<double>(numbers.peers));
    out.gauge("cohort_remoting_outbound_left_bytes", "What may still be queued for peers", {},
              static_cast<double>(numbers.outbound_bytes_left));
    out.gauge("cohort_remoting_inbound_left_bytes", "What may still come incomplete", {},
              static_cast<double>(numbers.inbound_bytes_left));
}

}  // namespace cohort
