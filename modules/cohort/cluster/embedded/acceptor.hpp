#pragma once

#include <cstdint>
#include <map>

#include <cohort/cluster/embedded/lease_counter.hpp>
#include <cohort/cluster/embedded/messages.hpp>

namespace cohort {

/// One seat's memory: what it promised to proposers, which view it accepted, which one is decided,
/// and what it owes to members. It lives as long as the process; another memory has another id
/// (R13).
class acceptor {
public:
    acceptor(node_uid id, const cluster_times& times, time_point started) noexcept;

    [[nodiscard]] node_uid id() const noexcept { return id_; }
    /// The newest view that it knows to be decided, or null.
    [[nodiscard]] const view_ptr& committed() const noexcept { return committed_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept {
        return committed_ == nullptr ? 0 : committed_->epoch;
    }
    /// What it accepted and nobody has decided yet, or null.
    [[nodiscard]] const view_ptr& accepted() const noexcept { return accepted_; }
    [[nodiscard]] bool blank() const noexcept {
        return committed_ == nullptr && accepted_ == nullptr;
    }
    [[nodiscard]] const ballot& promised() const noexcept { return promised_; }

    [[nodiscard]] control_message prepare(const paxos_prepare& asked);
    [[nodiscard]] control_message accept(time_point now, const paxos_accept& asked);
    [[nodiscard]] control_message renew(time_point now, const lease_renew& asked);
    [[nodiscard]] lease_info info(time_point now, const lease_query& asked) const;
    /// Takes a view for decided, when it is newer. Whether it was.
    bool learn(time_point now, const view_ptr& decided);

    /// What it owes to a member: zero when nothing, `lease_state::unknown` when it cannot know
    /// (R12).
    [[nodiscard]] duration owes(time_point now, node_uid uid) const noexcept;
    /// From when on it owes a member nothing, unless something is granted meanwhile.
    [[nodiscard]] time_point owes_until(node_uid uid) const noexcept;

private:
    struct record {
        time_point until = time_point::min();  // R5
        time_point known_since;                // R12
        bool granted = false;
        std::uint64_t doomed_by = 0;  // R11: the epoch that fences it
    };

    [[nodiscard]] control_message refuse(const paxos_accept& asked, paxos_refusal why,
                                         duration remaining = {}) const;
    [[nodiscard]] duration guard(time_point now, const paxos_accept& asked);
    [[nodiscard]] duration silence(time_point now, const view& next) const noexcept;
    [[nodiscard]] bool sound(const view& next) const noexcept;

    node_uid id_;
    lease_lengths lengths_;
    time_point first_owners_from_;  // R7a
    time_point fences_from_;        // R7a, R7b
    ballot promised_;
    ballot accepted_at_;
    view_ptr accepted_;
    view_ptr committed_;
    std::map<node_uid, record> records_;
};

}  // namespace cohort
