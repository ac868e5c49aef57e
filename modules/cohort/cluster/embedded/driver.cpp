#include <cohort/cluster/embedded/driver.hpp>

#include <algorithm>

#include <cohort/world/mutant.hpp>

namespace cohort {
namespace {

duration left_of(const lease_info& info, node_uid uid) noexcept {
    auto found = std::find_if(info.leases.begin(), info.leases.end(),
                              [uid](const lease_state& one) { return one.uid == uid; });
    return found == info.leases.end() ? lease_state::unknown : found->remaining;
}

}  // namespace

void driver::clear() noexcept {
    joins_.clear();
    ready_.clear();
    leaving_.clear();
    releases_.clear();
    infos_.clear();
    ready_seats_.clear();
}

void driver::prune(time_point now, const view& base) {
    auto forgotten = [&](const auto& each) { return now - each.second.last > renew_ * 4; };
    std::erase_if(joins_, [&](const auto& each) {
        return base.find(each.first) != nullptr || forgotten(each);
    });
    std::erase_if(ready_, [&](const auto& each) {
        const auto* who = base.find(each.first);
        return who == nullptr || who->phase != member_phase::joining || forgotten(each);
    });
    std::erase_if(leaving_, [&](const auto& each) {
        const auto* who = base.find(each.first);
        return who == nullptr || who->phase == member_phase::draining || forgotten(each);
    });
    prune_releases(now, base);
    std::erase_if(infos_, [&](const auto& each) { return base.seat_of(each.first) == nullptr; });
    std::erase_if(ready_seats_,
                  [&](const auto& each) { return now - each.second.at > renew_ * 4; });
}

void driver::prune_releases(time_point now, const view& base) {
    std::erase_if(releases_, [&](const auto& each) {
        const auto& what = each.second.what;
        const auto* where = base.find_space(what.space);
        return now - each.second.last > renew_ * 4 || where == nullptr ||
               std::none_of(
                   where->moving.begin(), where->moving.end(), [&what](const shard_move& one) {
                       return one.shard == what.shard && one.drain_epoch == what.drain_epoch;
                   });
    });
}

time_point driver::oldest_wish() const noexcept {
    auto oldest = time_point::max();
    auto look = [&oldest](const auto& wishes) {
        for (const auto& [key, each] : wishes) {
            oldest = std::min(oldest, each.first);
        }
    };
    look(joins_);
    look(ready_);
    look(leaving_);
    look(releases_);
    return oldest;
}

std::vector<const member*> driver::spares(const view& base) {
    auto out = std::vector<const member*>{};
    for (const auto& each : base.members) {
        auto seated = std::any_of(base.voters.begin(), base.voters.end(),
                                  [&each](const voter& one) { return one.uid == each.uid; });
        if (each.phase == member_phase::ready && !seated) {
            out.push_back(&each);
        }
    }
    std::sort(out.begin(), out.end(), [](const member* left, const member* right) {
        return std::pair{left->ordinal, left->uid} < std::pair{right->ordinal, right->uid};
    });
    if (out.size() > 4) {
        out.resize(4);
    }
    return out;
}

// R12: a member is fenced when most acceptors say that its lease is over and that they would agree.
std::vector<node_uid> driver::expired(time_point now, const view& base, const acceptor& own) const {
    auto out = std::vector<node_uid>{};
    auto mine = own.info(now, {});
    for (const auto& each : base.members) {
        auto over = [&](const voter& seat) {
            auto found = infos_.find(seat.acceptor);
            const auto* info = seat.acceptor == own.id() ? &mine
                               : found != infos_.end() && recent(now, found->second.at, 2)
                                   ? &found->second.what
                                   : nullptr;
            return info != nullptr && info->epoch == base.epoch &&
                   info->silent <= duration::zero() && left_of(*info, each.uid) <= duration::zero();
        };
        if (majority(base.voters, over)) {
            out.push_back(each.uid);
        }
    }
    return out;
}

time_point driver::next_expiry(time_point now, const view& base, const acceptor& own) const {
    auto soonest = time_point::max();
    auto needed = base.voters.size() / 2;
    auto mine = own.info(now, {});
    auto ends = std::vector<time_point>{};
    for (const auto& each : base.members) {
        ends.clear();
        for (const auto& seat : base.voters) {
            auto found = infos_.find(seat.acceptor);
            auto is_own = seat.acceptor == own.id();
            if (!is_own && (found == infos_.end() || !recent(now, found->second.at, 1))) {
                continue;
            }
            const auto& info = is_own ? mine : found->second.what;
            auto at = is_own ? now : found->second.at;
            ends.push_back(after(at, std::max(left_of(info, each.uid), info.silent)));
        }
        if (ends.size() > needed) {
            std::nth_element(ends.begin(), ends.begin() + static_cast<std::ptrdiff_t>(needed),
                             ends.end());
            soonest = std::min(soonest, ends[needed]);
        }
    }
    return soonest;
}

// R7a: shards get their first owners when most acceptors have been there long enough.
bool driver::first_owners(time_point now, const view& base, const acceptor& own) const {
    return majority(base.voters, [&](const voter& seat) {
        if (seat.acceptor == own.id()) {
            return own.info(now, {}).first_silent <= duration::zero();
        }
        auto found = infos_.find(seat.acceptor);
        return found != infos_.end() && found->second.what.first_silent <= now - found->second.at;
    });
}

bool driver::undecided(time_point now, const view& base, const acceptor& own) const {
    return own.accepted() != nullptr ||
           std::any_of(infos_.begin(), infos_.end(), [&](const auto& each) {
               return recent(now, each.second.at, 1) &&
                      each.second.what.accepted_epoch > base.epoch &&
                      base.seat_of(each.first) != nullptr;
           });
}

plan_input driver::input(time_point now, const view& base, const acceptor& own) const {
    auto out = plan_input{};
    out.expired = expired(now, base, own);
    for (const auto& [uid, each] : joins_) {
        out.joins.push_back(each.what);
    }
    for (const auto& [uid, each] : ready_) {
        out.ready.push_back(uid);
    }
    for (const auto& [uid, each] : leaving_) {
        out.leaving.push_back(uid);
    }
    for (const auto& [key, each] : releases_) {
        out.releases.push_back(each.what);
    }
    for (const auto* each : spares(base)) {
        auto found = ready_seats_.find(each->acceptor);
        auto said = found != ready_seats_.end() && now - found->second.at <= renew_ * 2 &&
                    found->second.what.epoch == base.epoch;
        if (said || COHORT_MUTANT(seat_unasked)) {
            out.candidates.push_back(each->uid);
        }
    }
    for (const auto& each : base.members) {
        auto owed = own.owes(now, each.uid);
        if (owed > duration::zero()) {
            out.alive.push_back(each.uid);
        }
    }
    out.first_owners = first_owners(now, base, own);
    return out;
}

}  // namespace cohort
