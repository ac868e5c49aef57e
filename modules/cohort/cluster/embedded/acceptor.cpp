#include <cohort/cluster/embedded/acceptor.hpp>

#include <algorithm>

#include <cohort/world/assert.hpp>

namespace cohort {

acceptor::acceptor(node_uid id, const cluster_times& times, time_point started) noexcept
    : id_{id}, lengths_{times}, first_owners_from_{started + lengths_.owed},
      fences_from_{first_owners_from_} {
    // R7a: whoever was here before may have granted a lease just now.
    if (COHORT_MUTANT(silence_after_start_off)) {
        first_owners_from_ = started;
        fences_from_ = started;
    }
}

// R1: nothing with a lower ballot is accepted from now on.
control_message acceptor::prepare(const paxos_prepare& asked) {
    if (asked.ballot < promised_ && !COHORT_MUTANT(ballots_ignored)) {
        return paxos_refused{.acceptor = id_,
                             .ballot = asked.ballot,
                             .why = paxos_refusal::promised,
                             .promised = promised_,
                             .epoch = epoch(),
                             .remaining = {},
                             .committed = asked.epoch < epoch() ? committed_ : nullptr};
    }
    promised_ = asked.ballot;
    return paxos_promise{.acceptor = id_,
                         .ballot = asked.ballot,
                         .accepted_at = accepted_at_,
                         .accepted = accepted_,
                         .committed = asked.epoch < epoch() ? committed_ : nullptr};
}

control_message acceptor::refuse(const paxos_accept& asked, paxos_refusal why,
                                 duration remaining) const {
    return paxos_refused{.acceptor = id_,
                         .ballot = asked.ballot,
                         .why = why,
                         .promised = promised_,
                         .epoch = epoch(),
                         .remaining = remaining,
                         .committed = why == paxos_refusal::over ? committed_ : nullptr};
}

// E6. The very first view has nothing before it; it has to know this acceptor.
bool acceptor::sound(const view& next) const noexcept {
    if (what_is_wrong(next) != nullptr) {
        return false;
    }
    if (committed_ != nullptr) {
        return what_is_wrong(*committed_, next) == nullptr;
    }
    return std::any_of(next.previous_voters.begin(), next.previous_voters.end(),
                       [this](const voter& one) { return one.acceptor == id_; });
}

// R7: how long until this view may be accepted.
duration acceptor::silence(time_point now, const view& next) const noexcept {
    auto from = time_point::min();
    if (!next.fenced.empty()) {
        from = fences_from_;
    }
    if (committed_ != nullptr && gives_first_owner(*committed_, next)) {
        from = std::max(from, first_owners_from_);
    }
    return from > now ? from - now : duration::zero();
}

// R6: how long a member that the view fences may still hold a lease from here. R11: when the view
// may have been chosen already, such a member gets nothing more.
duration acceptor::guard(time_point now, const paxos_accept& asked) {
    auto longest = duration::zero();
    if (COHORT_MUTANT(guard_off)) {
        return longest;
    }
    for (auto uid : asked.next->fenced) {
        auto found = records_.find(uid);
        if (found == records_.end() || found->second.until <= now) {
            continue;
        }
        longest = std::max(longest, found->second.until - now);
        if (asked.recovered && !COHORT_MUTANT(doom_off)) {
            found->second.doomed_by = asked.next->epoch;
        }
    }
    return longest;
}

control_message acceptor::accept(time_point now, const paxos_accept& asked) {
    if (asked.ballot < promised_ && !COHORT_MUTANT(ballots_ignored)) {
        return refuse(asked, paxos_refusal::promised);
    }
    if (asked.next == nullptr) {
        return refuse(asked, paxos_refusal::unsound);
    }
    const auto& next = *asked.next;
    if (next.epoch <= epoch()) {
        return refuse(asked, paxos_refusal::over);
    }
    if (committed_ == nullptr ? next.config != 1 : next.epoch > epoch() + 1) {
        return refuse(asked, paxos_refusal::behind);
    }
    if (!sound(next)) {
        return refuse(asked, paxos_refusal::unsound);
    }
    if (auto remaining = silence(now, next); remaining > duration::zero()) {
        return refuse(asked, paxos_refusal::silent, remaining);
    }
    if (auto remaining = guard(now, asked); remaining > duration::zero()) {
        return refuse(asked, paxos_refusal::guarded, remaining);
    }
    promised_ = asked.ballot;
    accepted_at_ = asked.ballot;
    accepted_ = asked.next;
    if (COHORT_MUTANT(silence_from_accept) && committed_ != nullptr &&
        next.config != committed_->config) {
        fences_from_ = std::max(fences_from_, now + lengths_.owed);
    }
    return paxos_accepted{.acceptor = id_, .ballot = asked.ballot, .epoch = next.epoch};
}

// R3: granted by the newest view that it accepted, decided or not: so nothing is granted any more
// to a member that it agreed to fence.
control_message acceptor::renew(time_point now, const lease_renew& asked) {
    auto deny = [&](lease_denial why) {
        return lease_denied{.acceptor = id_, .uid = asked.uid, .epoch = epoch(), .why = why};
    };
    auto newest =
        accepted_ != nullptr && !COHORT_MUTANT(granted_behind_a_fence) ? accepted_ : committed_;
    if (newest == nullptr || newest->seat_of(id_) == nullptr || newest->config != asked.config) {
        return deny(lease_denial::config_moved);
    }
    if (newest->find(asked.uid) == nullptr) {
        return deny(lease_denial::unknown);
    }
    auto& record = records_[asked.uid];
    if (record.doomed_by > epoch()) {
        return deny(lease_denial::doomed);
    }
    COHORT_ASSERT(std::none_of(newest->departed.begin(), newest->departed.end(),
                               [&](const auto& one) { return one.uid == asked.uid; }),
                  "I5: a member that was removed is granted nothing");
    record.until = std::max(record.until, now + lengths_.owed);
    record.granted = true;
    return lease_grant{.acceptor = id_,
                       .uid = asked.uid,
                       .config = newest->config,
                       .epoch = epoch(),
                       .asked_at = asked.asked_at};
}

bool acceptor::learn(time_point now, const view_ptr& decided) {
    COHORT_ASSERT(decided != nullptr, "what is decided is a view");
    if (decided->epoch <= epoch()) {
        return false;  // R8
    }
    auto moved = committed_ == nullptr || committed_->config != decided->config;
    auto before = std::exchange(committed_, decided);
    if (accepted_ != nullptr && accepted_->epoch <= decided->epoch) {
        accepted_ = nullptr;
    }
    // R7b: leases that were counted under the voters before may last that long.
    if (moved && !COHORT_MUTANT(silence_after_voters_off) && !COHORT_MUTANT(silence_from_accept)) {
        fences_from_ = std::max(fences_from_, now + lengths_.owed);
    }
    // R7a: a first view with fewer seats than there are seeds may have seats whose holders began
    // long before the others, who were the last of a cluster's quorum until they began anew.
    if (before == nullptr && decided->config == 1 &&
        decided->voters.size() < decided->previous_voters.size()) {
        first_owners_from_ = std::max(first_owners_from_, now + lengths_.owed);
    }
    std::erase_if(records_, [&](const auto& one) { return decided->find(one.first) == nullptr; });
    for (const auto& each : decided->members) {
        auto& record = records_[each.uid];
        if (before == nullptr || before->find(each.uid) == nullptr) {
            record.known_since = now;
        }
    }
    return true;
}

duration acceptor::owes(time_point now, node_uid uid) const noexcept {
    auto found = records_.find(uid);
    if (found == records_.end()) {
        return duration::zero();
    }
    const auto& record = found->second;
    if (record.until > now) {
        return record.until - now;
    }
    // R12: a member that was admitted just now has had no time to ask.
    auto unknown = !record.granted && now < record.known_since + lengths_.owed;
    return unknown && !COHORT_MUTANT(unknown_is_expired) ? lease_state::unknown : duration::zero();
}

time_point acceptor::owes_until(node_uid uid) const noexcept {
    auto found = records_.find(uid);
    if (found == records_.end()) {
        return time_point::min();
    }
    const auto& record = found->second;
    return record.granted ? record.until : record.known_since + lengths_.owed;
}

lease_info acceptor::info(time_point now, const lease_query& asked) const {
    auto until = [now](time_point when) { return when > now ? when - now : duration::zero(); };
    auto out = lease_info{.acceptor = id_,
                          .epoch = epoch(),
                          .accepted_epoch = accepted_ == nullptr ? 0 : accepted_->epoch,
                          .asked_at = asked.asked_at,
                          .silent = until(fences_from_),
                          .first_silent = until(first_owners_from_),
                          .leases = {}};
    if (committed_ != nullptr) {
        out.leases.reserve(committed_->members.size());
        for (const auto& each : committed_->members) {
            out.leases.push_back({each.uid, owes(now, each.uid)});
        }
    }
    return out;
}

}  // namespace cohort
