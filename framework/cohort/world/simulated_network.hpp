#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <cohort/world/event_queue.hpp>
#include <cohort/world/keyed_random.hpp>
#include <cohort/world/network.hpp>

namespace cohort {

class simulated_world;

namespace detail {
struct simulated_connection;
class simulated_listener;
class simulated_incoming;
class simulated_stream;
}  // namespace detail

struct simulation_options {
    std::uint64_t seed = 1;
    /// How long bytes, connections and work travel: drawn evenly between the two.
    duration delay_min = std::chrono::microseconds{20};
    duration delay_max = std::chrono::microseconds{500};
    /// Bytes that a stream takes before its reader has read them.
    std::size_t stream_buffer = 64 * 1024;
    /// How long a connection keeps what it cannot deliver before it fails with `network`.
    duration give_up = std::chrono::minutes{15};
    /// What `processors` says. The driver runs the cores in turn all the same.
    unsigned processors = 1;
};

/// One direction between two nodes.
struct simulated_link {
    duration delay_min{};
    duration delay_max{};
    /// Of a million pieces of data, how many travel up to `tail_max` longer.
    std::uint32_t tail_per_million = 0;
    duration tail_max{};
    /// Bytes a second, shared by the connections; 0 is without limit.
    std::uint64_t bytes_per_second = 0;
    /// Of a million pieces of data, in how many one bit arrives wrong.
    std::uint32_t corrupt_per_million = 0;
    /// Nothing arrives. Data waits at the sender; who connects tries again as TCP does.
    bool cut = false;
};

/// What a simulated stream is counted by.
struct network_counters {
    std::uint64_t connections = 0;
    std::uint64_t refused = 0;
    std::uint64_t timed_out = 0;
    std::uint64_t resets = 0;
    std::uint64_t pieces = 0;
    std::uint64_t bytes = 0;
    std::uint64_t corrupted = 0;
    std::uint64_t held = 0;
};

/// What the nodes of a simulation share: true time, the queue of events, randomness, the links and
/// connections between them, and names.
///
/// A connection behaves as TCP does: ordered, delayed by its link, cut into pieces anywhere, slowed
/// down by a reader that does not read. On a link that is cut it waits, and fails after `give_up`.
/// When a machine goes away without a word its peers notice only by their own timers, or when it is
/// back and answers what it does not know with a reset.
class simulated_network {
public:
    explicit simulated_network(simulation_options options = {});
    ~simulated_network();
    simulated_network(const simulated_network&) = delete;
    simulated_network& operator=(const simulated_network&) = delete;

    [[nodiscard]] event_queue& events() noexcept { return events_; }
    [[nodiscard]] const event_queue& events() const noexcept { return events_; }
    [[nodiscard]] time_point now() const noexcept { return events_.now(); }
    [[nodiscard]] const simulation_options& options() const noexcept { return options_; }
    [[nodiscard]] const keyed_random& random() const noexcept { return random_; }
    [[nodiscard]] const network_counters& counters() const noexcept { return counters_; }

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

    // -- links ----------------------------------------------------------------------------------

    /// The direction from one node to another, by their numbers. Change everything but `cut` here.
    [[nodiscard]] simulated_link& link(std::uint32_t from, std::uint32_t to) noexcept {
        return links_[from * stride_ + to].shape;
    }
    /// Cuts or mends one direction.
    void cut(std::uint32_t from, std::uint32_t to, bool value = true);
    /// Breaks connections between two nodes, both ends at once and data in the middle of its way:
    /// one, chosen by `draw`, or all. Returns how many.
    std::size_t reset(std::uint32_t left, std::uint32_t right, std::uint64_t draw, bool all);
    /// Connections of which an end is open.
    [[nodiscard]] std::size_t open_connections() const noexcept;

    // -- names ----------------------------------------------------------------------------------

    /// What the resolvers say about a name. `lie` answers one node alone, instead.
    void name(const std::string& host, std::vector<std::string> addresses) {
        names_[host] = std::move(addresses);
    }
    void lie(std::uint32_t node, const std::string& host, std::vector<std::string> addresses) {
        lies_[{node, host}] = std::move(addresses);
    }
    void stop_lying() { lies_.clear(); }

    // -- the trace ------------------------------------------------------------------------------

    /// Adds to the hash of everything that happened; the same seed and calls give the same hash.
    void trace(std::uint64_t what, std::uint64_t whom, std::uint64_t detail) noexcept {
        trace_ = mix(trace_ ^ what, mix(whom, detail));
    }
    [[nodiscard]] std::uint64_t trace_hash() const noexcept { return trace_; }

private:
    friend class simulated_world;
    friend class simulated_reactor;
    friend struct detail::simulated_connection;
    friend class detail::simulated_listener;
    friend class detail::simulated_stream;
    friend class detail::simulated_incoming;

    struct link_state {
        simulated_link shape;
        std::uint64_t drawn = 0;  // delays so far
        time_point free_at{};
    };

    // Numbers a new node; its links have the delays of the options.
    std::uint32_t join(simulated_world& node, const std::string& host);
    [[nodiscard]] simulated_world* find(const std::string& host) const;
    [[nodiscard]] link_state& state(std::uint32_t from, std::uint32_t to) noexcept {
        return links_[from * stride_ + to];
    }
    // Whether what is sent arrives now.
    [[nodiscard]] bool passes(std::uint32_t from, std::uint32_t to) noexcept;
    // When `bytes` sent at `when` arrive.
    [[nodiscard]] time_point arrival(std::uint32_t from, std::uint32_t to, time_point when,
                                     std::size_t bytes);
    [[nodiscard]] std::vector<std::string> resolve(std::uint32_t node,
                                                   const std::string& host) const;
    // What was held on its way to `to` goes on; from everybody when `from` is `anybody`.
    static constexpr std::uint32_t anybody = ~0U;
    void release(std::uint32_t from, std::uint32_t to);
    void crash(std::uint32_t node, bool silently);
    void forget_closed();

    simulation_options options_;
    keyed_random random_;
    event_queue events_;
    network_counters counters_;
    std::uint64_t trace_ = 0;
    std::uint32_t stride_ = 0;
    std::vector<link_state> links_;
    std::vector<simulated_world*> nodes_;
    std::map<std::string, std::uint32_t> hosts_;
    std::map<std::string, std::vector<std::string>> names_;
    std::map<std::pair<std::uint32_t, std::string>, std::vector<std::string>> lies_;
    std::vector<std::shared_ptr<detail::simulated_connection>> connections_;
    std::uint64_t connection_number_ = 0;
    std::size_t forget_at_ = 64;
};

}  // namespace cohort
