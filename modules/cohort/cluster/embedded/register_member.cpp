// The member's side: views, its lease, what it asks for.

#include <algorithm>

#include <cohort/cluster/embedded/register_impl.hpp>
#include <cohort/world/assert.hpp>

namespace cohort {

// What no view of this node's cluster can be like, whoever says that it was decided. Its own spaces
// may be others than those of a cluster that seeds with another configuration made.
bool register_node::impl::believable(const view& decided) const {
    auto otherwise = [&decided](const space_options& own) {
        const auto* there = decided.find_space(own.name);
        return there != nullptr && there->options != own;
    };
    if (std::any_of(options_.spaces.begin(), options_.spaces.end(), otherwise)) {
        return false;
    }
    return current == nullptr || current->cluster_id != decided.cluster_id ||
           decided.epoch <= current->epoch || what_is_wrong_after(*current, decided) == nullptr;
}

// R9: whether a view gives a shard of this member on that it has not released. Somebody else said
// that it was; the member cannot go on as if nothing were, and not under the same name.
bool register_node::impl::robbed(const view& before, const view& by) const {
    auto was = before.index_of(self.uid);
    auto is = by.index_of(self.uid);
    if (was == shard_owner::nobody || is == shard_owner::nobody) {
        return false;
    }
    for (const auto& each : before.spaces) {
        const auto* now = by.find_space(each.options.name);
        auto move = each.moving.begin();
        for (std::uint32_t shard = 0; shard < each.options.shards; ++shard) {
            while (move != each.moving.end() && move->shard < shard) {
                ++move;
            }
            const auto& had = each.shards[shard];
            if (had.owner != was ||
                (now->shards[shard].owner == is && now->shards[shard].own_epoch == had.own_epoch)) {
                continue;
            }
            auto moving = move != each.moving.end() && move->shard == shard;
            if (!moving || !releases_.contains({each.options.name, shard, move->drain_epoch})) {
                return true;
            }
        }
    }
    return false;
}

// R8: only newer views of the same cluster; a node that has none takes the one that admits it.
void register_node::impl::adopt(time_point now, const view_ptr& decided) {
    if (decided == nullptr || phase == register_phase::refused) {
        return;
    }
    auto before = known();
    if (before == nullptr
            ? decided->find(self.uid) == nullptr && decided->seat_of(acceptor_id) == nullptr
            : decided->cluster_id != before->cluster_id) {
        return;
    }
    if (!believable(*decided) || !acceptor_->learn(now, decided)) {
        return;
    }
    if (phase == register_phase::member && robbed(*before, *decided)) {
        tell(register_event::kind::fenced);
        new_identity(now, false);
    }
    proposer_->learned(decided);
    driver_.prune(now, *decided);
    undecided_since_ = time_point::max();
    current = decided;
    tell(register_event::kind::view_changed, {}, decided);
    forget_releases(*decided);
    auto is_member = decided->find(self.uid) != nullptr;
    if (phase == register_phase::member && !is_member) {
        removed(now, *decided, before);
    } else if (phase != register_phase::member && phase != register_phase::left && is_member) {
        admitted(now);
    } else if (phase == register_phase::member && decided->config != before->config) {
        renew_due_ = now;
    }
    leave_alone();
}

void register_node::impl::admitted(time_point now) {
    phase = register_phase::member;
    grants_.clear();
    held_ = false;
    suspended_ = false;
    genesis_ = false;
    join_due_ = time_point::max();
    renew_due_ = now;
    without_quorum_since_ = now;
}

void register_node::impl::removed(time_point now, const view& by, const view_ptr& before) {
    const auto* was = before->find(self.uid);
    // Who was not told to leave has not left by itself, whatever a view says of it.
    auto fenced = !leaving_ || by.epoch != before->epoch + 1 || was == nullptr ||
                  !left_by_itself(*before, *was);
    if (fenced) {
        tell(register_event::kind::fenced);
    }
    auto told = leaving_;
    new_identity(now, false);
    if (told) {
        phase = register_phase::left;
        hello_due_ = time_point::max();
        tell(register_event::kind::left);
    }
}

// The last member has nobody to hand anything to: it has left when it has given everything up.
void register_node::impl::leave_alone() {
    if (phase != register_phase::member || !leaving_ || known()->members.size() != 1 ||
        !left_by_itself(*known(), known()->members.front())) {
        return;
    }
    phase = register_phase::left;
    lease_end = time_point::min();
    renew_due_ = hello_due_ = time_point::max();
    tell(register_event::kind::left);
}

void register_node::impl::renew(time_point now) {
    if (phase != register_phase::member || now < renew_due_) {
        return;
    }
    const auto& under = *known();
    // Ten per cent earlier, at random: nodes that began together do not go on together.
    auto early = below(random_.draw(3, draws_++, 0),
                       static_cast<std::uint64_t>(options_.times.renew.count() / 10 + 1));
    renew_due_ = now + options_.times.renew - duration{static_cast<duration::rep>(early)};
    for (const auto& each : under.voters) {
        if (each.acceptor != node_uid{}) {
            send(each.address, lease_renew{.acceptor = each.acceptor,
                                           .uid = self.uid,
                                           .config = under.config,
                                           .epoch = under.epoch,
                                           .asked_at = now.time_since_epoch()});
        }
    }
    repeat_requests();
    call_seeds(now);
}

void register_node::impl::repeat_requests() {
    const auto* me = known()->find(self.uid);
    COHORT_ASSERT(me != nullptr, "a member is in its view");
    if (me->phase == member_phase::joining && held_ && !suspended_) {
        send_to_seats(ready_report{self.uid});
    }
    if (leaving_ && me->phase != member_phase::draining) {
        send_to_seats(leave_request{self.uid});
    }
    for (const auto& [space, shard, epoch] : releases_) {
        send_to_seats(shard_release{self.uid, space, shard, epoch});
    }
}

void register_node::impl::on(time_point now, const endpoint& from, const lease_grant& message) {
    catch_up(from, message.epoch);
    auto asked = time_point{message.asked_at};
    if (phase != register_phase::member || message.uid != self.uid || asked > now ||
        asked < uid_since_ || known()->seat_of(message.acceptor) == nullptr) {
        return;
    }
    if (COHORT_MUTANT(lease_from_receipt)) {
        asked = now;
    }
    grants_.granted(message.acceptor, message.config, asked);
    auto end = grants_.end(*known());
    if (!end || *end <= lease_end) {
        return;
    }
    lease_end = *end;
    if (lease_end <= now) {
        return;
    }
    without_quorum_since_ = time_point::max();
    auto first = !std::exchange(held_, true);
    tell(register_event::kind::lease_moved);
    if (std::exchange(suspended_, false)) {
        tell(register_event::kind::resumed);
    }
    if (first && known()->find(self.uid)->phase == member_phase::joining) {
        send_to_seats(ready_report{self.uid});
    }
}

void register_node::impl::on(time_point, const endpoint& from, const lease_denied& message) {
    catch_up(from, message.epoch);
}

void register_node::impl::watch_lease(time_point now) {
    if (phase == register_phase::member && held_ && !suspended_ && now >= lease_end) {
        suspended_ = true;
        without_quorum_since_ = now;
        hello_due_ = now;
        tell(register_event::kind::suspended);
    }
}

void register_node::impl::catch_up(const endpoint& from, std::uint64_t epoch) {
    if (known() != nullptr && epoch > known()->epoch) {
        send(from, view_request{known()->epoch});
    }
}

void register_node::impl::on(time_point now, const endpoint&, const view_commit& message) {
    adopt(now, message.decided);
}

void register_node::impl::on(time_point, const endpoint& from, const view_request& message) {
    if (known() != nullptr && known()->epoch > message.epoch) {
        send(from, view_commit{known()});
    }
}

void register_node::impl::release(time_point now, std::uint32_t space, std::uint32_t shard,
                                  std::uint64_t epoch) {
    if (phase != register_phase::member || space >= known()->spaces.size()) {
        return;
    }
    const auto& name = known()->spaces[space].options.name;
    if (releases_.emplace(name, shard, epoch).second) {
        send_to_seats(shard_release{self.uid, name, shard, epoch});
        forget_releases(*known());
        settle(now);
    }
}

void register_node::impl::forget_releases(const view& by) {
    auto me = by.index_of(self.uid);
    std::erase_if(releases_, [&](const released_shard& one) {
        const auto& [name, shard, epoch] = one;
        const auto* where = by.find_space(name);
        if (where == nullptr || shard >= where->options.shards ||
            where->shards[shard].owner != me) {
            return true;
        }
        return std::none_of(where->moving.begin(), where->moving.end(),
                            [&, wanted = shard, since = epoch](const shard_move& move) {
                                return move.shard == wanted && move.drain_epoch == since;
                            });
    });
}

void register_node::impl::look_for(time_point now, std::uint64_t epoch) {
    if (acceptor_ && known() != nullptr && epoch > known()->epoch && now >= look_again_) {
        // Many messages may come by the same newer view before this node has it.
        look_again_ = now + options_.times.renew / 50;
        send_to_seats(view_request{known()->epoch});
        settle(now);
    }
}

void register_node::impl::leave(time_point now) {
    if (std::exchange(leaving_, true) || !acceptor_) {
        return;
    }
    if (phase != register_phase::member) {
        // Whoever is in no view has nothing to give back. One that asked to be admitted may yet be
        // admitted; it never renews, and is removed in time.
        phase = register_phase::left;
        hello_due_ = join_due_ = time_point::max();
        genesis_ = false;
        tell(register_event::kind::left);
        settle(now);
        return;
    }
    send_to_seats(leave_request{self.uid});
    settle(now);
}

}  // namespace cohort
