#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cohort/cluster/embedded/messages.hpp>
#include <cohort/cluster/view.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

struct register_options {
    std::string cluster = "cohort";
    /// The first nodes, in order; every node is given the same list.
    std::vector<endpoint> seeds;
    cluster_times times;
    /// Seats of the electorate, at most: 1, 3, 5 or 7. Fewer nodes have fewer seats. (A first view
    /// has one seat for one or two seeds, three for three or four, five for more.)
    std::uint32_t voters_max = 5;
    std::vector<space_options> spaces;
    /// The epoch of a first view, should this node make one: behind every epoch of clusters that
    /// used the same stores before, whose fences are kept there. The wall clock's milliseconds at
    /// the start do: the node counts on from there, one for each millisecond.
    std::uint64_t first_epoch = 1;
    /// This node: address, roles, build; the uids are drawn.
    member self;
};

/// A message and where it goes. A node that was started again is reached at the old address, so
/// messages say inside for whom they are meant.
struct outgoing_control {
    endpoint to;
    control_message content;
};

/// What became of one step, for whoever drives the node.
struct register_event {
    enum class kind : std::uint8_t {
        view_changed,  ///< `current` is a newer view
        lease_moved,   ///< `lease_end` is later
        suspended,     ///< the lease is over
        resumed,       ///< it holds again, for the same uid
        fenced,        ///< this incarnation was removed; the node goes on under another uid
        left,          ///< this node has left, as it was told to
        refused,       ///< the cluster does not take this node, ever: `why` says what to change
    };
    kind what;
    std::string why;
    view_ptr view;  ///< of `view_changed`: several may come out of one call
};

/// What this node takes for true of one seat.
struct seat_status {
    voter seat;
    bool vacant = false;   ///< its holder is no member, or nobody has ever held it
    bool answers = false;  ///< its acceptor renewed this node's lease lately
};

/// Until when this node, as an acceptor, owes a member what it granted (R5).
struct lease_status {
    node_uid uid;
    duration remaining{};
};

enum class register_phase : std::uint8_t {
    probing,  ///< looks for a cluster, or for a majority of the seeds to make one
    joining,  ///< asked to be admitted
    member,   ///< is in the newest view that it knows
    left,
    refused,
};

/// One node of the cluster's register, its three roles in one: member, voter, driver (B2 to B7). A
/// plain state machine: it is told the time and what came, and says what to send.
///
/// Time is the node's own monotonic clock. The same calls give the same answers: randomness comes
/// from the seed.
class register_node {
public:
    register_node(register_options options, std::uint64_t seed);
    ~register_node();
    register_node(register_node&&) noexcept;
    register_node& operator=(register_node&&) noexcept;

    void start(time_point now);
    /// `from` is where the sender says that it is reached.
    void receive(time_point now, const endpoint& from, const control_message& message);
    /// Does what is due.
    void tick(time_point now);
    /// When `tick` has to be called next.
    [[nodiscard]] time_point due() const noexcept;

    /// A shard that was asked for is released (R9); repeated until a view takes notice.
    void release(time_point now, std::uint32_t space, std::uint32_t shard,
                 std::uint64_t drain_epoch);
    void look_for(time_point now, std::uint64_t epoch);
    /// Leaves: seat and shards are handed over first; then `left`.
    void leave(time_point now);

    /// What the calls since the last time want to be sent, and what they brought about.
    [[nodiscard]] std::vector<outgoing_control> take_outgoing();
    [[nodiscard]] std::vector<register_event> take_events();

    [[nodiscard]] node_uid uid() const noexcept;
    [[nodiscard]] const view_ptr& current() const noexcept;
    /// When the lease ends; the guard is not taken off yet.
    [[nodiscard]] time_point lease_end() const noexcept;
    /// Whether every seat of the newest view is held by an acceptor that answers: what a node waits
    /// for before it is ready for the first time (B13).
    [[nodiscard]] bool seats_held(time_point now) const noexcept;

    [[nodiscard]] register_phase phase() const noexcept;
    /// Names the memory with which this incarnation votes.
    [[nodiscard]] node_uid acceptor() const noexcept;
    /// Whether it is the voter that proposes views, as far as it knows.
    [[nodiscard]] bool is_driver(time_point now) const noexcept;
    /// The seats of the newest view.
    [[nodiscard]] std::vector<seat_status> seats(time_point now) const;
    /// What it owes to members as an acceptor; empty when it holds no seat.
    [[nodiscard]] std::vector<lease_status> leases(time_point now) const;

private:
    class impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace cohort
