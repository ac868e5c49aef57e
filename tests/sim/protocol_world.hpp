#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <cohort/cluster/embedded/register_node.hpp>
#include <cohort/testkit/schedule.hpp>
#include <cohort/world/event_queue.hpp>
#include <cohort/world/keyed_random.hpp>

namespace cohort::sim {

/// One process of the simulated cluster, and the machine that it runs on.
struct protocol_host {
    endpoint address;
    std::optional<register_node> node;
    std::uint64_t starts = 0;  // names the incarnation; what is meant for another one is dropped

    // Its clock: `local` at `since`, and from there on off by `rate` millionths.
    time_point since{};
    time_point local{};
    std::int64_t rate = 0;

    bool wanted = true;  // to be started again when it is down
    std::uint32_t stopped = 0;
    bool stops_inside = false;  // the next call reads its clock, sleeps, and then goes on
    duration stop_length{};
    time_point went_on{};                                 // behind its last stop
    node_uid votes_as;                                    // its acceptor
    std::deque<std::function<void(time_point)>> waiting;  // for the end of a stop
    std::uint64_t timers = 0;

    // What its application does: shards that it was asked for and has given back.
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>> draining;
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>> released;
    view_ptr seen;
    bool told_suspended = false;
    bool left = false;
};

struct protocol_network {
    duration delay_min = std::chrono::microseconds{100};
    duration delay_max = std::chrono::milliseconds{2};
    std::uint64_t lost = 0;        // of a million
    std::uint64_t duplicated = 0;  // of a million
    std::uint32_t seeds = 5;       // the first so many nodes
    bool encoded = false;          // every message goes through the codec
};

/// Bare register nodes, their messages and their clocks. Who wants to know what they do derives
/// from it.
class protocol_world {
public:
    protocol_world(std::uint64_t seed, std::uint32_t nodes, register_options common,
                   protocol_network network);
    virtual ~protocol_world() = default;
    protocol_world(const protocol_world&) = delete;
    protocol_world& operator=(const protocol_world&) = delete;

    void start(std::uint32_t which);
    void kill(std::uint32_t which);
    void stop(std::uint32_t which);
    void go_on(std::uint32_t which);
    void cut(std::uint32_t from, std::uint32_t to, int change) { link(from, to).cuts += change; }
    void slow(std::uint32_t from, std::uint32_t to, duration more) { link(from, to).slow += more; }
    void tail(std::uint32_t from, std::uint32_t to, duration more) { link(from, to).tail += more; }
    void set_rate(std::uint32_t which, std::int64_t millionths);
    void ask_to_leave(std::uint32_t which);
    /// Ends cuts, delays, losses and stops.
    void heal();

    bool run_until(const std::function<bool()>& done, duration within);

    [[nodiscard]] std::size_t size() const noexcept { return hosts_.size(); }
    [[nodiscard]] protocol_host& host(std::uint32_t which) { return hosts_[which]; }
    [[nodiscard]] time_point clock(const protocol_host& one) const noexcept;
    [[nodiscard]] event_queue& events() noexcept { return events_; }
    [[nodiscard]] time_point now() const noexcept { return events_.now(); }
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
    [[nodiscard]] duration node_time() const noexcept { return node_time_; }
    [[nodiscard]] const register_options& common() const noexcept { return common_; }
    [[nodiscard]] std::optional<std::uint32_t> at(const endpoint& address) const;
    /// Since when an acceptor is gone with its memory.
    [[nodiscard]] std::optional<time_point> gone_since(node_uid acceptor) const;

protected:
    virtual void happened(std::uint32_t which, const register_event& what) = 0;
    virtual void sent(std::uint32_t from, const control_message& what) = 0;
    virtual void stepped(std::uint32_t which) = 0;
    [[nodiscard]] std::uint64_t draw(std::uint64_t purpose) noexcept {
        return random_.draw(purpose, 0, draws_++);
    }

private:
    struct link_state {
        int cuts = 0;
        duration slow{};
        duration tail{};
        std::uint64_t messages = 0;
    };
    struct in_flight {
        std::uint32_t from = 0;
        std::uint32_t to = 0;
        control_message content;
    };

    link_state& link(std::uint32_t from, std::uint32_t to) {
        return links_[from * hosts_.size() + to];
    }
    void call(std::uint32_t which, std::function<void(time_point)> what);
    void act(std::uint32_t which);
    void transmit(std::uint32_t from, outgoing_control&& what);
    void deliver(std::uint32_t slot);
    void arm(std::uint32_t which);
    void serve(std::uint32_t which);
    void give_back(std::uint32_t which, std::uint32_t space, const shard_move& move);
    void votes_as(protocol_host& one, node_uid acceptor);

    register_options common_;
    protocol_network network_;
    keyed_random random_;
    std::uint64_t draws_ = 0;
    event_queue events_;
    std::deque<protocol_host> hosts_;
    std::vector<link_state> links_;
    std::map<node_uid, time_point> gone_;
    std::vector<in_flight> flying_;
    std::vector<std::uint32_t> free_;
    std::uint64_t hash_ = 0;
    duration node_time_{};
    time_point counted_until_;
};

}  // namespace cohort::sim
