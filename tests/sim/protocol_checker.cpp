#include "protocol_checker.hpp"

#include <algorithm>
#include <array>

#include <cohort/cluster/view_rules.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort::sim {

using namespace std::chrono_literals;

namespace {

bool planted_nothing() {
#if defined(COHORT_MUTANTS)
    return planted == mutant::none;
#else
    return true;
#endif
}

bool gave_back(const protocol_host& one, std::uint32_t space, std::uint32_t shard,
               const view& seen) {
    return std::any_of(one.released.begin(), one.released.end(), [&](const auto& each) {
        auto [in, which, epoch] = each;
        return in == space && which == shard && epoch >= seen.spaces[space].shards[shard].own_epoch;
    });
}

}  // namespace

void protocol_checker::happened(std::uint32_t which, const register_event& what) {
    using kind = register_event::kind;
    auto& one = host(which);
    switch (what.what) {
        case kind::view_changed:
            note_view(which, what.view);
            break;
        case kind::suspended:
            saw("suspended");
            break;
        case kind::resumed:
            saw("suspended_resumed");
            break;
        case kind::fenced:
            saw(one.told_suspended ? "suspended_fenced" : "fenced");
            break;
        case kind::left:
            saw("left");
            check_left(which);
            has_left(which);
            break;
        case kind::refused:
            fail("a node was refused: " + what.why);
            break;
        case kind::lease_moved:
            break;
    }
}

// I2, I3, I16: one view for an epoch, epochs without gaps, each as it may follow the one
// before.
void protocol_checker::note_view(std::uint32_t which, const view_ptr& now_seen) {
    auto& last = last_epoch_[which];
    if (now_seen->epoch < last.epoch && last.starts == host(which).starts &&
        (!split_ || last.cluster == now_seen->cluster_id)) {
        fail("I16: a node saw an older view after a newer one");
    }
    last = {host(which).starts, now_seen->epoch, now_seen->cluster_id};
    auto [found, fresh] = decided_.try_emplace({now_seen->cluster_id, now_seen->epoch}, now_seen);
    if (!fresh) {
        if (found->second != now_seen && !(*found->second == *now_seen)) {
            fail("I2: two views of one epoch");
        }
        return;
    }
    if (newest_ == nullptr || newest_->epoch < now_seen->epoch) {
        newest_ = now_seen;
    }
    decided(which, now_seen);
    auto& newest_of_it = clusters_[now_seen->cluster_id];
    if (newest_of_it == nullptr) {
        check_first(*now_seen);
    }
    if (newest_of_it == nullptr || newest_of_it->epoch < now_seen->epoch) {
        newest_of_it = now_seen;
    }
    auto before = found == decided_.begin() ? decided_.end() : std::prev(found);
    if (before != decided_.end() && before->first.first == now_seen->cluster_id) {
        check_step(*before->second, *now_seen);
    }
}

void protocol_checker::check_first(const view& first) {
    saw("first_view");
    if (clusters_.size() > 1) {
        saw("cluster_made_again");
        if (may_be_split()) {
            split_ = true;
            saw("second_cluster");
        }
    }
    for (const auto& each : first.spaces) {
        auto& epochs = own_epochs_[each.options.name];
        epochs.resize(each.options.shards);
    }
}

// A cluster of which most seats are held may go on. When one of them is not held by a seed, most
// seeds may have begun anew without it, and two clusters serve until they hear of each other.
bool protocol_checker::may_be_split() {
    auto slots = std::min<std::size_t>(5, common().seeds.size());
    return std::any_of(clusters_.begin(), clusters_.end(), [&](const auto& each) {
        if (each.second == nullptr) {
            return false;
        }
        auto held = [this](const voter& one) {
            auto where = at(one.address);
            return where && host(*where).node && host(*where).node->acceptor() == one.acceptor;
        };
        auto no_seed = [&](const voter& one) {
            return one.acceptor != node_uid{} &&
                   std::find(common().seeds.begin(),
                             common().seeds.begin() + static_cast<std::ptrdiff_t>(slots),
                             one.address) ==
                       common().seeds.begin() + static_cast<std::ptrdiff_t>(slots);
        };
        const auto& voters = each.second->voters;
        return majority(voters, held) && std::any_of(voters.begin(), voters.end(), no_seed);
    });
}

void protocol_checker::check_step(const view& before, const view& next) {
    if (next.epoch != before.epoch + 1) {
        fail("I2: an epoch was left out");
        return;
    }
    if (const auto* wrong = what_is_wrong(before, next)) {
        fail(std::string{"a decided view does not follow: "} + wrong);
    }
    if (next.config != before.config) {
        saw(next.voters.size() > before.voters.size() ? "seat_added" : "seat_replaced");
    }
    // I4, I6: whoever is fenced holds no lease, on its own clock.
    for (auto uid : next.fenced) {
        saw("fence_committed");
        for (std::uint32_t i = 0; i < size(); ++i) {
            auto& one = host(i);
            if (one.node && one.node->uid() == uid && clock(one) < one.node->lease_end()) {
                fail("I4: a node was fenced while its lease held");
            }
        }
    }
    for (const auto& each : next.departed) {
        removed_.insert({next.cluster_id, each.uid});
    }
    for (const auto& each : next.members) {
        if (removed_.contains({next.cluster_id, each.uid})) {
            fail("I5: a member that was removed is one again");
        }
    }
    // The stores refuse the older of two clusters.
    for (const auto& each : next.spaces) {
        if (!split_ || next.cluster_id == newest_->cluster_id) {
            check_own_epochs(before, next, each);
        }
    }
}

// I3: rises with every new owner, in all clusters that use the same stores.
void protocol_checker::check_own_epochs(const view& before, const view& next, const space& now_is) {
    auto& epochs = own_epochs_[now_is.options.name];
    epochs.resize(now_is.options.shards);
    const auto* was = before.find_space(now_is.options.name);
    for (std::uint32_t shard = 0; shard < now_is.options.shards; ++shard) {
        const auto& owner = now_is.shards[shard];
        auto uid_of = [](const view& what, std::uint16_t index) {
            return index == shard_owner::nobody ? node_uid{} : what.members[index].uid;
        };
        auto had = was == nullptr ? node_uid{} : uid_of(before, was->shards[shard].owner);
        auto has = uid_of(next, owner.owner);
        if (has != node_uid{} && had != has) {
            if (owner.own_epoch <= epochs[shard]) {
                fail("I3: an epoch of ownership did not rise");
            }
            epochs[shard] = owner.own_epoch;
            saw("owner_changed");
        }
    }
}

// I19: whoever has left owns nothing.
void protocol_checker::check_left(std::uint32_t which) {
    const auto& one = *host(which).node;
    const auto& view = one.current();
    auto me = view == nullptr ? shard_owner::nobody : view->index_of(one.uid());
    if (me != shard_owner::nobody && owns_anything(*view, one.uid())) {
        fail("I19: a node has left and owns shards");
    }
}

void protocol_checker::sent(std::uint32_t which, const control_message& what) {
    if (const auto* refused = std::get_if<paxos_refused>(&what)) {
        constexpr auto names = std::array{"outbid",        "acceptor_behind", "epoch_over",
                                          "guard_refused", "silence_refused", "unsound_refused"};
        saw(names[static_cast<std::size_t>(refused->why)]);
        if (refused->why == paxos_refusal::unsound && planted_nothing()) {
            fail("E6: a proposed view was refused as unsound");
        }
    } else if (const auto* denied = std::get_if<lease_denied>(&what)) {
        saw(denied->why == lease_denial::doomed         ? "doomed"
            : denied->why == lease_denial::config_moved ? "config_moved"
                                                        : "renewal_of_no_member");
    } else if (const auto* accept = std::get_if<paxos_accept>(&what)) {
        if (accept->recovered) {
            saw("value_recovered");
        } else if (accept->next->config != 1 && proposed_at_[which] != accept->ballot) {
            check_taker(which, *accept);
        }
    } else if (const auto* info = std::get_if<lease_info>(&what)) {
        if (std::any_of(info->leases.begin(), info->leases.end(),
                        [](const auto& each) { return each.remaining == lease_state::unknown; })) {
            saw("lease_unknown");
        }
    }
}

// R14: whoever is to take a seat was there when it was asked, at most two renewals ago. A view is
// looked at when it is proposed for the first time.
void protocol_checker::check_taker(std::uint32_t driver, const paxos_accept& proposal) {
    proposed_at_[driver] = proposal.ballot;
    const auto& next = *proposal.next;
    for (const auto& each : next.voters) {
        auto was = std::any_of(next.previous_voters.begin(), next.previous_voters.end(),
                               [&](const voter& one) { return one.acceptor == each.acceptor; });
        auto gone = gone_since(each.acceptor);
        // A driver that was stopped after it had read its clock says now what it meant then.
        if (!was && gone && now() - *gone > 2 * next.times.renew * 11 / 10 &&
            host(driver).went_on != now()) {
            fail("R14: a seat is offered to a node that is gone");
        }
    }
}

// I1, I15: after every call that may have made a node serve more than before.
void protocol_checker::stepped(std::uint32_t which) {
    auto& one = host(which);
    const auto& view = one.node->current();
    auto serves = one.node->phase() == register_phase::member && view != nullptr &&
                  clock(one) < one.node->lease_end();
    auto& last = served_[which];
    auto same = last.serves && last.view == view && last.starts == one.starts;
    last = {serves, view, one.starts};
    if (!serves || same) {
        return;
    }
    for (std::uint32_t i = 0; i < size(); ++i) {
        auto& other = host(i);
        if (i == which || !other.node || other.node->current() == nullptr ||
            other.node->phase() != register_phase::member ||
            clock(other) >= other.node->lease_end()) {
            continue;
        }
        compare(one, other);
    }
}

void protocol_checker::compare(protocol_host& left, protocol_host& right) {
    const auto& mine = *left.node->current();
    const auto& theirs = *right.node->current();
    auto me = mine.index_of(left.node->uid());
    auto them = theirs.index_of(right.node->uid());
    if (me == shard_owner::nobody || them == shard_owner::nobody) {
        return;
    }
    for (std::uint32_t space = 0; space < mine.spaces.size(); ++space) {
        const auto* other = theirs.find_space(mine.spaces[space].options.name);
        for (std::uint32_t shard = 0; other != nullptr && shard < other->options.shards; ++shard) {
            if (mine.spaces[space].shards[shard].owner == me &&
                other->shards[shard].owner == them && !gave_back(left, space, shard, mine) &&
                !gave_back(right, space, shard, theirs)) {
                auto same = mine.cluster_id == theirs.cluster_id;
                if (same || !split_) {
                    fail(same ? "I1: two nodes serve one shard" : "I15: two clusters serve");
                }
            }
        }
    }
}

// For whoever looks for the reason.
std::string protocol_checker::described(const view& what) {
    auto out = std::string{" members"};
    for (const auto& each : what.members) {
        out += " " + each.address.host + ":" + std::string{name(each.phase)};
    }
    out += ", voters";
    for (const auto& each : what.voters) {
        out += " " + (each.acceptor == node_uid{} ? "-" : each.address.host) +
               (what.find(each.uid) == nullptr ? "(gone)" : "");
    }
    for (const auto& each : what.spaces) {
        out += ", " + std::to_string(each.moving.size()) + " moving, " +
               std::to_string(std::count_if(
                   each.shards.begin(), each.shards.end(),
                   [](const auto& one) { return one.owner == shard_owner::nobody; })) +
               " unowned";
    }
    return out;
}

}  // namespace cohort::sim
