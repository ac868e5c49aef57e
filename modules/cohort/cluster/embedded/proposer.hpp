#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include <cohort/cluster/embedded/messages.hpp>

namespace cohort {

/// What a proposer wants to be sent to a seat.
struct outgoing_paxos {
    endpoint to;
    control_message content;
};

/// Gets views decided, one after the other (R1, R2, R10): it reads what acceptors have accepted,
/// finishes what may have been chosen already, and then proposes. A proposer that keeps its ballot
/// goes on proposing without reading again.
class proposer {
public:
    enum class state : std::uint8_t {
        idle,       ///< has no ballot
        preparing,  ///< reads
        steady,     ///< may propose
        accepting,  ///< waits for a majority
    };

    proposer(node_uid acceptor, duration patience) noexcept
        : self_{acceptor}, patience_{patience} {}

    [[nodiscard]] state at() const noexcept { return state_; }
    [[nodiscard]] time_point due() const noexcept { return due_; }
    /// The view that it is at, or null.
    [[nodiscard]] const view_ptr& proposed() const noexcept { return proposed_; }

    /// Begins to read behind `base`; a first view has no base, and its electorate are the slots of
    /// the seeds.
    void prepare(time_point now, view_ptr base, std::vector<voter> electorate,
                 const ballot& highest);
    /// Proposes a view. Only when steady.
    void propose(time_point now, view_ptr next);
    /// Gives its ballot up.
    void stop() noexcept;

    void receive(time_point now, const endpoint& from, const paxos_promise& answer);
    void receive(time_point now, const paxos_accepted& answer);
    void receive(time_point now, const endpoint& from, const paxos_refused& answer);
    /// Asks again who has not answered; gives up after a while.
    void tick(time_point now);
    /// A view was decided by somebody else.
    void learned(const view_ptr& decided) noexcept;

    /// The view that it got decided, once.
    [[nodiscard]] view_ptr take_decided() noexcept { return std::exchange(decided_, nullptr); }
    [[nodiscard]] std::vector<outgoing_paxos> take_outgoing() noexcept {
        return std::exchange(outgoing_, {});
    }
    /// The highest number that it met.
    [[nodiscard]] std::uint64_t highest_number() const noexcept { return highest_; }
    [[nodiscard]] std::uint32_t refused_often() const noexcept { return lost_; }

    struct counts {
        std::uint64_t prepared = 0;
        std::uint64_t recovered = 0;
        std::uint64_t discarded = 0;
        std::uint64_t guarded = 0;
        std::uint64_t silenced = 0;
        std::uint64_t outbid = 0;
    };
    [[nodiscard]] const counts& seen() const noexcept { return counts_; }

private:
    struct answer {
        ballot accepted_at;
        view_ptr accepted;
    };

    void ask_seats(const std::vector<voter>& seats);
    void ask_to_accept();
    void judge(time_point now);
    [[nodiscard]] const answer* candidate() const;
    [[nodiscard]] bool may_be_chosen(const view& what) const;
    [[nodiscard]] bool promised_by_most(const std::vector<voter>& seats) const;
    void begin_accepting(time_point now, view_ptr next, bool recovered);
    void lose(time_point now);

    node_uid self_;
    duration patience_;
    state state_ = state::idle;
    ballot ballot_;
    view_ptr base_;
    std::vector<voter> electorate_;
    std::map<node_uid, answer> answers_;
    std::set<node_uid> accepted_by_;
    view_ptr proposed_;
    bool recovered_ = false;
    std::uint32_t tries_ = 0;
    std::uint32_t lost_ = 0;
    time_point due_ = time_point::max();
    std::uint64_t highest_ = 0;
    view_ptr decided_;
    std::vector<outgoing_paxos> outgoing_;
    counts counts_;
};

}  // namespace cohort
