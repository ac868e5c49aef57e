#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include <cohort/cluster/embedded/acceptor.hpp>
#include <cohort/cluster/embedded/planner.hpp>

namespace cohort {

/// What a voter knows that only the driver needs: what was asked for and not done yet, what the
/// other acceptors owe to members, who would take a seat. Every voter keeps it, so that whoever
/// becomes the driver goes on at once.
class driver {
public:
    explicit driver(const cluster_times& times) noexcept : renew_{times.renew} {}

    // What members and nodes that want to be members ask for; they repeat it until a view takes
    // notice.
    void asked(time_point now, const join_request& what) { note(joins_[what.self.uid], now, what); }
    void asked(time_point now, const ready_report& what) { note(ready_[what.uid], now, what); }
    void asked(time_point now, const leave_request& what) { note(leaving_[what.uid], now, what); }
    void asked(time_point now, const shard_release& what) {
        note(releases_[{what.uid, what.space, what.shard, what.drain_epoch}], now, what);
    }

    void heard(time_point now, const lease_info& what) { infos_[what.acceptor] = {now, what}; }
    /// Counts from when it was asked: what it says may have waited for this node to go on (R14).
    void heard(const seat_ready& what) {
        ready_seats_[what.acceptor] = {time_point{what.asked_at}, what};
    }

    /// Forgets what is done, or not asked for any more.
    void prune(time_point now, const view& base);
    void clear() noexcept;

    /// What can be planned behind `base` right now.
    [[nodiscard]] plan_input input(time_point now, const view& base, const acceptor& own) const;
    /// When the next lease of a member may be over, as far as is known.
    [[nodiscard]] time_point next_expiry(time_point now, const view& base,
                                         const acceptor& own) const;
    /// The members that may be asked whether they would take a seat.
    [[nodiscard]] static std::vector<const member*> spares(const view& base);
    /// Whether some acceptor holds a view that nobody has decided.
    [[nodiscard]] bool undecided(time_point now, const view& base, const acceptor& own) const;
    /// Since when somebody has been asking for something, or the end of time.
    [[nodiscard]] time_point oldest_wish() const noexcept;

private:
    template <class Request>
    struct wish {
        time_point first = time_point::max();
        time_point last{};
        Request what;
    };
    template <class Answer>
    struct heard_from {
        time_point at{};
        Answer what;
    };

    template <class Request>
    static void note(wish<Request>& into, time_point now, const Request& what) {
        into.first = std::min(into.first, now);
        into.last = now;
        into.what = what;
    }
    [[nodiscard]] bool recent(time_point now, time_point heard, int part) const noexcept {
        return now - heard <= renew_ / part;
    }
    [[nodiscard]] std::vector<node_uid> expired(time_point now, const view& base,
                                                const acceptor& own) const;
    [[nodiscard]] bool first_owners(time_point now, const view& base, const acceptor& own) const;
    void prune_releases(time_point now, const view& base);

    duration renew_;
    std::map<node_uid, wish<join_request>> joins_;
    std::map<node_uid, wish<ready_report>> ready_;
    std::map<node_uid, wish<leave_request>> leaving_;
    std::map<std::tuple<node_uid, std::string, std::uint32_t, std::uint64_t>, wish<shard_release>>
        releases_;
    std::map<node_uid, heard_from<lease_info>> infos_;
    std::map<node_uid, heard_from<seat_ready>> ready_seats_;
};

}  // namespace cohort
