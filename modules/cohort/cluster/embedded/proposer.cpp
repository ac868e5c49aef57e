#include <cohort/cluster/embedded/proposer.hpp>

#include <algorithm>

#include <cohort/world/assert.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort {
namespace {

constexpr std::uint32_t tries_max = 4;

bool same(const view_ptr& left, const view_ptr& right) {
    return left == right || (left != nullptr && right != nullptr && *left == *right);
}

}  // namespace

void proposer::prepare(time_point now, view_ptr base, std::vector<voter> electorate,
                       const ballot& highest) {
    highest_ = std::max(highest_, highest.number) + 1;
    ballot_ = {highest_, self_};
    base_ = std::move(base);
    electorate_ = std::move(electorate);
    answers_.clear();
    proposed_ = nullptr;
    tries_ = 0;
    state_ = state::preparing;
    due_ = now + patience_;
    ++counts_.prepared;
    ask_seats(electorate_);
}

void proposer::ask_seats(const std::vector<voter>& seats) {
    for (const auto& each : seats) {
        if (each.acceptor != node_uid{} && !answers_.contains(each.acceptor)) {
            outgoing_.push_back(
                {each.address, paxos_prepare{.acceptor = each.acceptor,
                                             .ballot = ballot_,
                                             .epoch = base_ == nullptr ? 0 : base_->epoch}});
        }
    }
}

void proposer::stop() noexcept {
    state_ = state::idle;
    proposed_ = nullptr;
    base_ = nullptr;
    due_ = time_point::max();
}

void proposer::lose(time_point) {
    ++lost_;
    ++counts_.outbid;
    stop();
}

void proposer::receive(time_point now, const endpoint&, const paxos_promise& answer) {
    if (state_ != state::preparing || answer.ballot != ballot_) {
        return;
    }
    if (answer.committed != nullptr) {
        lose(now);  // what it read behind is not the newest
        return;
    }
    answers_[answer.acceptor] = {answer.accepted_at, answer.accepted};
    judge(now);
}

bool proposer::promised_by_most(const std::vector<voter>& seats) const {
    return majority(seats, [this](const voter& one) { return answers_.contains(one.acceptor); });
}

// R10: of what was accepted behind the base, only the one with the highest ballot may have been
// chosen; whatever an earlier ballot chose, a later one found and proposed again. What cannot
// follow the base no acceptor can have accepted behind it (E6).
const proposer::answer* proposer::candidate() const {
    const answer* best = nullptr;
    std::size_t best_held = 0;
    for (const auto& [who, each] : answers_) {
        if (each.accepted == nullptr ||
            (base_ != nullptr && what_is_wrong(*base_, *each.accepted) != nullptr)) {
            continue;
        }
        if (COHORT_MUTANT(most_held_value)) {
            auto held = static_cast<std::size_t>(std::count_if(
                answers_.begin(), answers_.end(),
                [&](const auto& other) { return same(other.second.accepted, each.accepted); }));
            if (held > best_held) {
                best_held = held;
                best = &each;
            }
        } else if (best == nullptr || each.accepted_at > best->accepted_at) {
            best = &each;
        }
    }
    return best;
}

// R10: who holds it, at any ballot, and who did not answer, may together have chosen it.
bool proposer::may_be_chosen(const view& what) const {
    auto may_hold = [&](const voter& one) {
        auto found = answers_.find(one.acceptor);
        return found == answers_.end() ||
               (found->second.accepted != nullptr && *found->second.accepted == what);
    };
    return majority(what.previous_voters, may_hold) && majority(what.voters, may_hold);
}

void proposer::judge(time_point now) {
    if (!promised_by_most(electorate_)) {
        return;
    }
    if (const auto* found = candidate(); found != nullptr && may_be_chosen(*found->accepted)) {
        if (!promised_by_most(found->accepted->voters)) {
            ask_seats(found->accepted->voters);  // R1: those that it brings are read as well
            return;
        }
        ++counts_.recovered;
        begin_accepting(now, found->accepted, true);
        return;
    } else if (found != nullptr) {
        ++counts_.discarded;
    }
    state_ = state::steady;
    due_ = time_point::max();
}

void proposer::propose(time_point now, view_ptr next) {
    COHORT_ASSERT(state_ == state::steady, "a proposer has read before it proposes (R1)");
    COHORT_ASSERT(base_ == nullptr || next->epoch == base_->epoch + 1, "I2: epochs have no gaps");
    begin_accepting(now, std::move(next), false);
}

void proposer::begin_accepting(time_point now, view_ptr next, bool recovered) {
    proposed_ = std::move(next);
    recovered_ = recovered;
    accepted_by_.clear();
    tries_ = 0;
    state_ = state::accepting;
    due_ = now + patience_;
    ask_to_accept();
}

void proposer::ask_to_accept() {
    auto asked = std::set<node_uid>{};
    for (const auto* seats : {&proposed_->previous_voters, &proposed_->voters}) {
        for (const auto& each : *seats) {
            if (each.acceptor != node_uid{} && !accepted_by_.contains(each.acceptor) &&
                asked.insert(each.acceptor).second) {
                outgoing_.push_back({each.address, paxos_accept{.acceptor = each.acceptor,
                                                                .ballot = ballot_,
                                                                .next = proposed_,
                                                                .recovered = recovered_}});
            }
        }
    }
}

// R2: a view is decided by a majority of the voters before it and by a majority of its own.
void proposer::receive(time_point, const paxos_accepted& answer) {
    if (state_ != state::accepting || answer.ballot != ballot_ ||
        answer.epoch != proposed_->epoch) {
        return;
    }
    accepted_by_.insert(answer.acceptor);
    auto has_accepted = [this](const voter& one) { return accepted_by_.contains(one.acceptor); };
    if (majority(proposed_->voters, has_accepted) &&
        (majority(proposed_->previous_voters, has_accepted) ||
         COHORT_MUTANT(commit_by_new_voters_only))) {
        decided_ = std::exchange(proposed_, nullptr);
        base_ = decided_;
        electorate_ = decided_->voters;
        state_ = state::steady;
        due_ = time_point::max();
        lost_ = 0;
    }
}

void proposer::receive(time_point now, const endpoint& from, const paxos_refused& answer) {
    highest_ = std::max(highest_, answer.promised.number);
    if (answer.ballot != ballot_ || (state_ != state::accepting && state_ != state::preparing)) {
        return;
    }
    switch (answer.why) {
        case paxos_refusal::promised:
        case paxos_refusal::over:
        case paxos_refusal::unsound:
            lose(now);
            break;
        case paxos_refusal::behind:
            if (state_ == state::accepting && base_ != nullptr && answer.epoch < base_->epoch) {
                outgoing_.push_back({from, view_commit{base_}});
                outgoing_.push_back({from, paxos_accept{.acceptor = answer.acceptor,
                                                        .ballot = ballot_,
                                                        .next = proposed_,
                                                        .recovered = recovered_}});
            }
            break;
        case paxos_refusal::guarded:
        case paxos_refusal::silent:
            ++(answer.why == paxos_refusal::guarded ? counts_.guarded : counts_.silenced);
            due_ = std::min(due_, after(now, std::max(answer.remaining, patience_ / 16)));
            break;
    }
}

void proposer::tick(time_point now) {
    if (now < due_) {
        return;
    }
    if (++tries_ >= tries_max) {
        lose(now);
        return;
    }
    due_ = now + patience_;
    if (state_ == state::preparing) {
        ask_seats(electorate_);
        if (promised_by_most(electorate_)) {
            judge(now);
        }
    } else if (state_ == state::accepting) {
        ask_to_accept();
    } else {
        due_ = time_point::max();
    }
}

void proposer::learned(const view_ptr& decided) noexcept {
    if (state_ != state::idle && (base_ == nullptr || decided->epoch > base_->epoch)) {
        stop();
    }
}

}  // namespace cohort
