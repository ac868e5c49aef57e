#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/actor/cold.hpp>
#include <cohort/cluster/view.hpp>
#include <cohort/runtime/core.hpp>
#include <cohort/sharding/detail/flight.hpp>
#include <cohort/sharding/detail/seats.hpp>
#include <cohort/sharding/detail/state.hpp>

namespace cohort::detail {

/// What a shard is to this node.
enum class shard_phase : std::uint8_t {
    elsewhere,   ///< another node's, or nobody's
    asleep,      ///< this node's; the store does not know yet
    activating,  ///< the store is told; messages wait
    serving,
    draining,  ///< to be released: what was admitted ends, nothing more is
    released,  ///< given back; the view does not say so yet
};

/// One shard at its home core.
struct shard_line {
    shard_phase phase = shard_phase::elsewhere;
    bool moving = false;  // its owner is to release it
    bool turned = false;  // `refused` in `waiting` may hold something
    std::uint32_t seats = 0;
    std::uint64_t own_epoch = 0;
    std::uint64_t drain_epoch = 0;
    time_point drain_until{};
    node_uid owner;  // zero: nobody
    seat* first = nullptr;
    std::unique_ptr<backlog> waiting;  // made when first needed
};

struct desk_counters {
    core_counter started, ended, evicted, passivated;
    core_counter bytes_in, bytes_out;  // content that entities took and gave back
    core_counter owned, disowned;      // shards
    core_counter sent, received, retries, redirected, refused, tells_lost;
    core_counter moves, activations;
};

/// What comes from another node, but for its content.
struct arrival {
    std::uint32_t shard = 0;
    std::uint64_t epoch = 0;  // of the view that the sender had
    std::uint64_t stream = 0;
    std::uint32_t round = 0;
};
enum class admission : std::uint8_t { admit, hold, refuse };

/// The shards of one space that are at home on one core: what this node's actors send to them, and
/// the entities of those that this node owns. Messages between one node and one entity are admitted
/// in the order in which they were sent, at most once, whoever owns it meanwhile.
///
/// Thread: its core's; the counters are read from anywhere.
class desk {
public:
    desk(sharding_state& whole, space_base& space, core& here, std::uint32_t cores);
    desk(const desk&) = delete;
    desk& operator=(const desk&) = delete;
    ~desk();

    // -- messages of this node ------------------------------------------------------------------

    /// Whether a message can be handed to its entity right away.
    [[nodiscard]] bool open(std::uint32_t shard) const noexcept {
        return open_[shard] != 0 && !gate_.frozen();
    }
    void deliver(std::uint32_t shard, std::string_view key, message* node);
    /// What cannot: it is sent on, or waits.
    void send(flight_ptr it);

    void answered(flight& it) noexcept;
    void failed(flight& it, error why) noexcept;
    void expired(flight& it) noexcept;
    /// Sends or delivers what waits for a shard, if that is possible by now.
    void pump(std::uint32_t shard) noexcept;

    // -- messages of other nodes ----------------------------------------------------------------

    [[nodiscard]] admission judge(const arrival& it, std::string_view key, error& why);
    void hold(flight_ptr guest);
    void count_arrival() noexcept { counters_.received.add(); }

    // -- entities -------------------------------------------------------------------------------

    /// The coroutine of an entity is gone; what is left in its mailbox is taken over.
    void ended(seat& place, cell& was) noexcept;
    void holds(seat& place, std::size_t content_bytes) noexcept;
    /// Whether an entity does nothing before its next message.
    [[nodiscard]] static bool rests(const cell& entity) noexcept {
        return entity.at_rest() && (entity.cold == nullptr ||
                                    (entity.cold->tasks == nullptr && entity.cold->children == 0));
    }
    /// The seat of an entity at rest, if what it has published may be shown now; that counts as a
    /// use. Else null.
    [[nodiscard]] const seat* at_rest(std::uint32_t shard, std::string_view key) noexcept;

    // -- ownership ------------------------------------------------------------------------------

    void view_changed(const view_ptr& now) noexcept;
    void fenced() noexcept;
    void thawed() noexcept;
    /// Nothing waits any longer for a lease that does not come.
    void refuse_waiting() noexcept;

    // -- its life -------------------------------------------------------------------------------

    void opened(cell& host) noexcept;
    /// The host has ended, and its entities before it.
    void closed() noexcept;
    [[nodiscard]] bool has_seats() const noexcept { return seats_.size() != 0; }

    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::uint64_t stream() const noexcept { return stream_; }
    [[nodiscard]] space_base& space() const noexcept { return space_; }
    [[nodiscard]] const shard_line& line(std::uint32_t shard) const noexcept {
        return lines_[shard];
    }
    [[nodiscard]] desk_counters& counters() noexcept { return counters_; }

private:
    /// A node that owns shards of this desk.
    struct peer {
        peer(desk& where, node_uid who) noexcept;
        desk& at;
        node_uid uid;
        endpoint address;
        std::vector<actor_address> hosts;  // by core; empty while they are not known
        bool looking = false;
        std::uint32_t attempts = 0;
        timer_of<peer> pause;
    };

    [[nodiscard]] static bool ours(const shard_line& line) noexcept {
        return line.phase != shard_phase::elsewhere;
    }
    /// Whether the entities of a shard are those of its owner of today. Those from before a fence
    /// may take a while to end, and this node may own the shard again by then.
    [[nodiscard]] static bool of_today(const shard_line& line) noexcept {
        return ours(line) && line.first != nullptr && line.first->own_epoch == line.own_epoch;
    }
    [[nodiscard]] backlog& waiting(std::uint32_t shard);
    [[nodiscard]] bool closing() const noexcept;

    // messages (desk.cpp)
    [[nodiscard]] bool enqueue(flights& row, flight_ptr& it);
    [[nodiscard]] flight_ptr dequeue(flights& row, flight& it) noexcept;
    void arm(flight& it, time_point at) noexcept;
    void requeue(backlog& rest, flight_ptr it, error why) noexcept;
    void deliver_waiting(shard_line& line) noexcept;
    void launch_waiting(shard_line& line) noexcept;
    [[nodiscard]] bool may_launch(const shard_line& line, const backlog& rest, std::int64_t next,
                                  peer& to) const noexcept;
    void launch(shard_line& line, peer& to, flight_ptr it) noexcept;
    void turn_away(std::uint32_t shard, std::uint64_t stream, std::uint32_t round);
    void refuse_guests(std::uint32_t shard, errc code) noexcept;
    void give_up(flight_ptr it, const error& why) noexcept;
    [[nodiscard]] duration next_pause(std::uint32_t attempts) noexcept;
    [[nodiscard]] peer& peer_of(node_uid uid);
    void look_for(peer& who) noexcept;
    static task<void> look(desk* at, node_uid who, endpoint address);
    void looked(node_uid who, result<std::vector<actor_address>> found) noexcept;
    void forget_hosts(node_uid uid) noexcept;
    void pump_all(node_uid owner) noexcept;

    // entities (entities.cpp)
    void start(seat& place) noexcept;
    void remove(seat& place) noexcept;
    void take_back(seat& place) noexcept;
    void drop_mail(mail& rest, errc why) noexcept;
    void stop(seat& place) noexcept;
    void make_room() noexcept;
    [[nodiscard]] bool evict_one() noexcept;
    void sweep() noexcept;

    // shards (shards.cpp)
    void update(std::uint32_t shard, const view& now, const shard_owner& owner,
                const shard_move* move) noexcept;
    void now_ours(std::uint32_t shard, const shard_owner& owner, const shard_move* move) noexcept;
    void refuse_late_guests(std::uint32_t shard) noexcept;
    void now_elsewhere(std::uint32_t shard) noexcept;
    void enter(std::uint32_t shard, shard_phase phase) noexcept;
    void settle_in(std::uint32_t shard) noexcept;
    void lose(std::uint32_t shard) noexcept;
    void activate(std::uint32_t shard) noexcept;
    static task<void> run_activation(desk* at, std::uint32_t shard, std::uint64_t own_epoch);
    void activated(std::uint32_t shard, std::uint64_t own_epoch, const result<void>& done) noexcept;
    void begin_drain(std::uint32_t shard, std::uint64_t drain_epoch) noexcept;
    void drain() noexcept;

    sharding_state& whole_;
    space_base& space_;
    core& here_;
    core_gate& gate_;
    std::uint64_t stream_;
    std::vector<shard_line> lines_;     // of all shards; those of other cores stay empty
    std::vector<std::uint32_t> homes_;  // those at home here
    /// Of each shard, whether it is served and nothing waits in front of a new message. All of them
    /// fit into a few lines of memory: every request looks here.
    std::vector<std::uint8_t> open_;
    view_ptr view_;
    std::uint64_t epoch_ = 0;
    node_uid self_;
    node_uid cluster_;
    std::map<node_uid, peer> peers_;
    cell* host_ = nullptr;
    double retries_left_;

    seat_table seats_;
    std::size_t entities_max_;
    std::size_t content_bytes_max_;
    std::size_t content_bytes_ = 0;
    std::uint32_t tick_ = 0;  // the coarse clock of passivation
    time_point next_tick_{};
    timer_of<desk> sweep_timer_;
    std::vector<std::uint32_t> draining_;
    timer_of<desk> drain_timer_;
    desk_counters counters_;
};

}  // namespace cohort::detail
