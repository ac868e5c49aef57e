// The acceptor's and the driver's side.

#include <algorithm>

#include <cohort/cluster/embedded/register_impl.hpp>
#include <cohort/world/assert.hpp>

namespace cohort {

using namespace std::chrono_literals;

// -- acceptor -------------------------------------------------------------------------------------

void register_node::impl::on(time_point, const endpoint& from, const paxos_prepare& message) {
    if (message.acceptor == acceptor_id) {
        send(from, acceptor_->prepare(message));
    }
}

void register_node::impl::on(time_point now, const endpoint& from, const paxos_accept& message) {
    if (message.acceptor != acceptor_id) {
        return;
    }
    send(from, acceptor_->accept(now, message));
    if (known() == nullptr && acceptor_->accepted() != nullptr) {
        undecided_since_ = std::min(undecided_since_, now);
    }
}

void register_node::impl::on(time_point now, const endpoint& from, const lease_renew& message) {
    if (message.acceptor == acceptor_id) {
        send(from, acceptor_->renew(now, message));
    }
}

void register_node::impl::on(time_point now, const endpoint& from, const lease_query& message) {
    if (message.acceptor == acceptor_id) {
        catch_up(from, message.epoch);
        send(from, acceptor_->info(now, message));
    }
}

void register_node::impl::on(time_point, const endpoint& from, const seat_probe& message) {
    catch_up(from, message.epoch);
    if (message.acceptor == acceptor_id && phase == register_phase::member && !leaving_) {
        send(from, seat_ready{acceptor_id, known()->epoch, message.asked_at});
    }
}

// -- requests -------------------------------------------------------------------------------------

void register_node::impl::plan_soon(time_point now, duration within) noexcept {
    plan_due_ = std::min(plan_due_, now + within);
}

void register_node::impl::on(time_point now, const endpoint& from, const join_request& message) {
    if (known() == nullptr || message.cluster_id != known()->cluster_id) {
        return;
    }
    if (known()->find(message.self.uid) != nullptr) {
        send(from, view_commit{known()});
        return;
    }
    if (what_is_wrong(message.self) != nullptr || message.spaces.size() > view_limits::spaces) {
        return;
    }
    if (auto why = why_not_admitted(*known(), message); !why.empty()) {
        send(from, join_refused{message.self.uid, std::move(why)});
        return;
    }
    if (known()->seat_of(acceptor_id) == nullptr) {
        return;  // it never drives, and would never forget it
    }
    driver_.asked(now, message);
    plan_soon(now, std::min<duration>(50ms, options_.times.renew / 10));  // others come with it
}

void register_node::impl::on(time_point now, const endpoint& from, const ready_report& message) {
    const auto* who = known() == nullptr ? nullptr : known()->find(message.uid);
    if (who == nullptr || who->phase != member_phase::joining) {
        if (known() != nullptr) {
            send(from, view_commit{known()});
        }
        return;
    }
    driver_.asked(now, message);
    plan_soon(now, options_.times.renew / 50);
}

void register_node::impl::on(time_point now, const endpoint&, const shard_release& message) {
    const auto* where = known() == nullptr ? nullptr : known()->find_space(message.space);
    if (where == nullptr || message.shard >= where->options.shards ||
        known()->seat_of(acceptor_id) == nullptr) {
        return;
    }
    driver_.asked(now, message);
    plan_soon(now, options_.times.renew / 250);
}

void register_node::impl::on(time_point now, const endpoint&, const leave_request& message) {
    if (known() != nullptr && known()->find(message.uid) != nullptr) {
        driver_.asked(now, message);
        plan_soon(now, options_.times.renew / 50);
    }
}

void register_node::impl::on(time_point now, const endpoint& from, const lease_info& message) {
    catch_up(from, message.epoch);
    if (!driving_ || known() == nullptr || known()->seat_of(message.acceptor) == nullptr ||
        message.leases.size() > view_limits::members) {
        return;
    }
    if (message.epoch < known()->epoch) {
        send(from, view_commit{known()});  // it votes, and may not even know that it does
    }
    driver_.heard(now, message);
    auto soonest = driver_.next_expiry(now, *known(), *acceptor_);
    poll_due_ = std::min(poll_due_, std::max(soonest, now + options_.times.renew / 50));
    if (soonest <= now) {
        plan_soon(now, {});
    }
}

void register_node::impl::on(time_point now, const endpoint&, const seat_ready& message) {
    if (!driving_ || known() == nullptr || time_point{message.asked_at} > now) {
        return;
    }
    auto asked = driver::spares(*known());
    if (std::any_of(asked.begin(), asked.end(),
                    [&](const member* one) { return one->acceptor == message.acceptor; })) {
        driver_.heard(message);
    }
}

// -- proposer -------------------------------------------------------------------------------------

void register_node::impl::on(time_point now, const endpoint& from, const paxos_promise& message) {
    adopt(now, message.committed);
    proposer_->receive(now, from, message);
}
void register_node::impl::on(time_point now, const endpoint&, const paxos_accepted& message) {
    proposer_->receive(now, message);
}
void register_node::impl::on(time_point now, const endpoint& from, const paxos_refused& message) {
    adopt(now, message.committed);
    auto was = proposer_->at();
    proposer_->receive(now, from, message);
    if (was != proposer::state::idle && proposer_->at() == proposer::state::idle) {
        // Two that want to drive give way to each other.
        auto wait = options_.times.renew / 5 * (1 + std::max(0, rank(now)));
        prepare_due_ = now + between(random_.draw(4, draws_++, 0), wait / 2, wait);
    }
}

void register_node::impl::flush_proposer() {
    for (auto& each : proposer_->take_outgoing()) {
        send(each.to, std::move(each.content));
    }
}

// -- driver ---------------------------------------------------------------------------------------

// How many voters before this one may still be there; -1 without a seat.
int register_node::impl::rank(time_point now) const noexcept {
    if (known() == nullptr) {
        return -1;
    }
    auto before = 0;
    for (const auto& each : known()->voters) {
        if (each.acceptor == acceptor_id) {
            return before;
        }
        if (known()->find(each.uid) != nullptr &&
            acceptor_->owes(now, each.uid) > duration::zero()) {
            ++before;
        }
    }
    return -1;
}

// The first voter whose lease holds drives. Who has waited for it in vain for long does, too:
// ballots keep two drivers apart.
bool register_node::impl::acts_as_driver(time_point now) const noexcept {
    auto before = rank(now);
    if (before <= 0 || phase != register_phase::member) {
        return before == 0 && phase == register_phase::member;
    }
    auto wish = driver_.oldest_wish();
    return wish != time_point::max() && now - wish > options_.times.renew * 4 * before;
}

// When this one drives, should nothing change.
time_point register_node::impl::next_rank_change() const noexcept {
    if (driving_ || known() == nullptr || phase != register_phase::member) {
        return time_point::max();
    }
    auto before = 0;
    auto last = time_point::min();
    for (const auto& each : known()->voters) {
        if (each.acceptor == acceptor_id) {
            auto wish = driver_.oldest_wish();
            return wish == time_point::max()
                       ? last
                       : std::min(last, wish + options_.times.renew * 4 * before + 1ns);
        }
        if (known()->find(each.uid) != nullptr) {
            ++before;
            last = std::max(last, acceptor_->owes_until(each.uid));
        }
    }
    return time_point::max();
}

void register_node::impl::drive(time_point now) {
    auto was = std::exchange(driving_, acts_as_driver(now) || genesis_);
    if (!driving_) {
        if (was) {
            proposer_->stop();
        }
        return;
    }
    if (!was) {
        poll_due_ = now;
        plan_due_ = now;
        prepare_due_ = std::min(prepare_due_, now);
    }
    proposer_->tick(now);
    if (known() != nullptr) {
        poll(now);
    }
    work(now);
    flush_proposer();
}

// R12: asks what every acceptor owes to every member. R14: and who would take a seat.
void register_node::impl::poll(time_point now) {
    if (now < poll_due_) {
        return;
    }
    const auto& base = *known();
    poll_due_ = now + options_.times.renew;
    driver_.prune(now, base);
    for (const auto& each : base.voters) {
        if (each.acceptor != node_uid{} && each.acceptor != acceptor_id) {
            send(each.address, lease_query{each.acceptor, base.epoch, now.time_since_epoch()});
        }
    }
    for (const auto* each : driver::spares(base)) {
        send(each->address, seat_probe{each->acceptor, base.epoch, now.time_since_epoch()});
    }
    auto soonest = driver_.next_expiry(now, base, *acceptor_);
    poll_due_ = std::min(poll_due_, std::max(soonest, now + options_.times.renew / 50));
    plan_soon(now, soonest <= now ? duration::zero() : options_.times.renew);
}

void register_node::impl::work(time_point now) {
    auto before = known();
    if (auto decided = proposer_->take_decided()) {
        adopt(now, decided);
        give_out(now, decided, before);
        poll_due_ = now;
        plan_due_ = now;
        if (std::exchange(genesis_, false)) {
            proposer_->stop();  // others go on with it, and admit this node if they have not
        }
    }
    if (genesis_) {
        propose_first_view(now);
        return;
    }
    if (known() == nullptr || now < plan_due_ || proposer_->at() == proposer::state::preparing ||
        proposer_->at() == proposer::state::accepting) {
        return;
    }
    if (proposer_->at() == proposer::state::idle && now < prepare_due_) {
        return;
    }
    plan_due_ = now + options_.times.renew;
    auto input = driver_.input(now, *known(), *acceptor_);
    input.seats_max = options_.voters_max;
    input.anyway = driver_.undecided(now, *known(), *acceptor_);
    auto next = plan_next(*known(), input);
    if (proposer_->at() == proposer::state::idle) {
        if (next != nullptr) {
            proposer_->prepare(now, known(), known()->voters, acceptor_->promised());
            plan_due_ = now;
        }
    } else if (next != nullptr) {
        proposer_->propose(now, std::move(next));
    }
}

void register_node::impl::give_out(time_point, const view_ptr& decided, const view_ptr& before) {
    auto told = std::vector<endpoint>{self.address};
    auto give = [&](const endpoint& to) {
        if (std::find(told.begin(), told.end(), to) == told.end()) {
            told.push_back(to);
            send(to, view_commit{decided});
        }
    };
    for (const auto& each : decided->members) {
        give(each.address);
    }
    if (before != nullptr) {
        for (const auto& each : before->members) {
            give(each.address);
        }
    }
    for (const auto& each : decided->voters) {
        if (each.acceptor != node_uid{}) {
            give(each.address);
        }
    }
}

}  // namespace cohort
