#include <cohort/cluster/embedded/planner.hpp>

#include <algorithm>
#include <limits>

#include <cohort/cluster/placement.hpp>
#include <cohort/world/assert.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort {
namespace {

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

class plan {
public:
    plan(const view& base, const plan_input& input) : base_{base}, input_{input}, next_{base} {
        next_.epoch = base.epoch + 1;
        next_.previous_voters = base.voters;
        next_.fenced.clear();
    }

    view_ptr make() {
        remove_members();
        add_members();
        move_phases();
        fill_seats();
        std::sort(next_.members.begin(), next_.members.end(),
                  [](const member& left, const member& right) { return left.uid < right.uid; });
        for (auto& each : next_.spaces) {
            plan_space(each);
        }
        if (!changed_ && !input_.anyway) {
            return nullptr;
        }
        return std::make_shared<const view>(std::move(next_));
    }

private:
    member* find(node_uid uid) {
        auto found = std::find_if(next_.members.begin(), next_.members.end(),
                                  [uid](const member& one) { return one.uid == uid; });
        return found == next_.members.end() ? nullptr : &*found;
    }

    // -- members ----------------------------------------------------------------------------------

    // No more at once than a view remembers: the others go with the next one.
    void remove_members() {
        std::size_t removed = 0;
        for (const auto& each : base_.members) {
            if (removed == view_limits::departed) {
                break;
            }
            auto left = left_by_itself(base_, each);
            if (!left && !contains(input_.expired, each.uid)) {
                continue;
            }
            if (left && base_.members.size() == 1) {
                continue;  // the last one takes the cluster with it
            }
            if (!left) {
                next_.fenced.push_back(each.uid);
            }
            next_.departed.push_back({each.uid, next_.epoch});
            std::erase_if(next_.members,
                          [&each](const member& one) { return one.uid == each.uid; });
            ++removed;
            changed_ = true;
        }
        auto& gone = next_.departed;
        while (gone.size() > view_limits::departed) {
            next_.departed_since = gone.front().epoch;
            std::erase_if(gone, [since = next_.departed_since](const departed_member& one) {
                return one.epoch <= since;
            });
        }
    }

    // R8: a request that was made before a removal that is forgotten may be of whom it removed. Who
    // is admitted together with others agrees with them on the spaces that they bring.
    [[nodiscard]] bool may_join(const join_request& asked) const {
        // What this view forgets is still remembered by the one before.
        auto departed =
            std::any_of(base_.departed.begin(), base_.departed.end(),
                        [&asked](const departed_member& one) { return one.uid == asked.self.uid; });
        return asked.cluster_id == base_.cluster_id && why_not_admitted(next_, asked).empty() &&
               asked.epoch >= next_.departed_since && asked.epoch <= base_.epoch &&
               (!departed || COHORT_MUTANT(removed_returns)) &&
               base_.find(asked.self.uid) == nullptr && next_.members.size() < view_limits::members;
    }

    void add_members() {
        for (const auto& each : input_.joins) {
            if (!may_join(each) || find(each.self.uid) != nullptr) {
                continue;
            }
            next_.members.push_back(each.self);
            next_.members.back().phase = member_phase::joining;
            if (COHORT_MUTANT(removed_returns)) {
                std::erase_if(next_.departed, [&each](const departed_member& one) {
                    return one.uid == each.self.uid;
                });
            }
            for (const auto& kind : each.spaces) {
                if (next_.find_space(kind.name) == nullptr) {
                    next_.spaces.push_back({kind, std::vector<shard_owner>(kind.shards), {}});
                }
            }
            changed_ = true;
        }
    }

    void move_phases() {
        for (auto uid : input_.ready) {
            auto* found = find(uid);
            if (found != nullptr && found->phase == member_phase::joining) {
                found->phase = member_phase::ready;
                changed_ = true;
            }
        }
        for (auto uid : input_.leaving) {
            auto* found = find(uid);
            if (found != nullptr && found->phase != member_phase::draining && may_leave(uid)) {
                find(uid)->phase = member_phase::draining;
                changed_ = true;
            }
        }
    }

    // -- seats ------------------------------------------------------------------------------------

    // B7: a seat is handed over before its holder leaves; when nobody can take it, the holder
    // leaves only if the others are a majority without it.
    bool may_leave(node_uid uid) {
        auto seat = std::find_if(next_.voters.begin(), next_.voters.end(),
                                 [uid](const voter& one) { return one.uid == uid; });
        if (seat == next_.voters.end() || next_.members.size() == 1) {
            return true;
        }
        if (const auto* taker = next_candidate()) {
            if (config_changed_) {
                return false;
            }
            give(*seat, *taker);
            return true;
        }
        return majority(next_.voters, [&](const voter& one) {
            const auto* holder = find(one.uid);
            return one.uid != uid && holder != nullptr && contains(input_.alive, one.uid) &&
                   holder->phase != member_phase::draining;
        });
    }

    // The first of those that would take a seat: seeds in their order, then the others.
    member* next_candidate() {
        member* best = nullptr;
        for (auto& each : next_.members) {
            auto may =
                each.phase == member_phase::ready && contains(input_.candidates, each.uid) &&
                !contains(input_.leaving, each.uid) &&
                std::none_of(next_.voters.begin(), next_.voters.end(), [&each](const voter& one) {
                    return one.uid == each.uid || one.acceptor == each.acceptor;
                });
            if (may && (best == nullptr ||
                        std::pair{each.ordinal, each.uid} < std::pair{best->ordinal, best->uid})) {
                best = &each;
            }
        }
        return best;
    }

    void give(voter& seat, const member& taker) {
        COHORT_ASSERT(!config_changed_, "I7: one seat changes hands in a commit");
        seat = {taker.acceptor, taker.uid, taker.address};
        changed_config();
    }
    void changed_config() {
        next_.config = base_.config + 1;
        config_changed_ = true;
        changed_ = true;
    }

    void fill_seats() {
        if (config_changed_) {
            return;
        }
        // A member that was removed and came back with the same memory takes its own seat again.
        for (auto& seat : next_.voters) {
            if (find(seat.uid) != nullptr || seat.acceptor == node_uid{}) {
                continue;
            }
            for (const auto& each : next_.members) {
                if (each.acceptor == seat.acceptor && each.phase == member_phase::ready) {
                    give(seat, each);
                    return;
                }
            }
        }
        auto* taker = next_candidate();
        if (taker == nullptr) {
            return;
        }
        for (auto& seat : next_.voters) {
            const auto* holder = find(seat.uid);
            if (holder == nullptr || holder->phase == member_phase::draining) {
                give(seat, *taker);
                return;
            }
        }
        grow(*taker);
    }

    // Of two members at one address one is gone.
    [[nodiscard]] std::size_t ready_places() const {
        auto places = std::vector<endpoint>{};
        for (const auto& each : next_.members) {
            if (each.phase == member_phase::ready && contains(input_.alive, each.uid) &&
                !contains(places, each.address)) {
                places.push_back(each.address);
            }
        }
        return places.size();
    }

    // Seats are even in number only on the way from one odd number to the next.
    void grow(const member& taker) {
        auto wanted = seats_for(ready_places(), input_.seats_max);
        auto has = next_.voters.size();
        if (wanted > has && (has % 2 == 0 || input_.candidates.size() >= 2)) {
            next_.voters.push_back({taker.acceptor, taker.uid, taker.address});
            changed_config();
        }
    }

    // -- shards -----------------------------------------------------------------------------------

    [[nodiscard]] std::uint16_t moved_index(std::uint16_t before) const {
        return before == shard_owner::nobody ? before : next_.index_of(base_.members[before].uid);
    }

    void own(shard_owner& shard, std::uint16_t owner) {
        shard.owner = owner;
        if (owner != shard_owner::nobody && !COHORT_MUTANT(own_epoch_kept)) {
            shard.own_epoch = next_.epoch;  // I3
        } else if (owner != shard_owner::nobody && shard.own_epoch == 0) {
            shard.own_epoch = 1;
        }
        changed_ = true;
    }

    [[nodiscard]] bool released(const space& where, const shard_move& move) const {
        auto owner = where.shards[move.shard].owner;
        return std::any_of(input_.releases.begin(), input_.releases.end(),
                           [&](const shard_release& one) {
                               return one.shard == move.shard &&
                                      one.drain_epoch == move.drain_epoch &&
                                      one.space == where.options.name &&
                                      one.uid == next_.members[owner].uid;
                           }) ||
               COHORT_MUTANT(taken_without_release);
    }

    void plan_space(space& where) {
        const auto* before = base_.find_space(where.options.name);
        if (before != nullptr) {
            carry_over(where);
        }
        // R9: a shard goes on when its owner has released it, as it was asked to by this epoch.
        std::erase_if(where.moving, [&](const shard_move& move) {
            if (before == nullptr || !released(where, move)) {
                return false;
            }
            auto to = move.to;
            if (to == shard_owner::nobody || !may_own(next_.members[to], where.options)) {
                to = target_of(next_, where.options, move.shard);
            }
            own(where.shards[move.shard], to);
            return true;
        });
        for (std::uint32_t shard = 0; shard < where.options.shards; ++shard) {
            auto& each = where.shards[shard];
            if (each.owner == shard_owner::nobody && (each.own_epoch != 0 || input_.first_owners)) {
                auto target = target_of(next_, where.options, shard);
                if (target != shard_owner::nobody) {
                    own(each, target);
                }
            }
        }
        begin_moves(where);
    }

    // Members have other places in the new view, and some are gone.
    void carry_over(space& where) {
        for (auto& each : where.shards) {
            auto had = each.owner;
            each.owner = moved_index(had);
            changed_ =
                changed_ || (had != shard_owner::nobody && each.owner == shard_owner::nobody);
        }
        std::erase_if(where.moving, [&](const shard_move& move) {
            return where.shards[move.shard].owner == shard_owner::nobody;
        });
        for (auto& each : where.moving) {
            each.to = moved_index(each.to);
            if (each.to == shard_owner::nobody || !may_own(next_.members[each.to], where.options)) {
                auto target = target_of(next_, where.options, each.shard);
                changed_ = changed_ || target != each.to;
                each.to = target;
            }
        }
    }

    // B10: at most a tenth of a space is on the way, and at most 64 shards; those of members that
    // leave come first.
    void begin_moves(space& where) {
        auto most = std::clamp<std::size_t>(where.options.shards / 10, 1, 64);
        auto moving = std::vector<bool>(where.options.shards);
        for (const auto& each : where.moving) {
            moving[each.shard] = true;
        }
        for (auto leaving : {true, false}) {
            for (std::uint32_t shard = 0;
                 shard < where.options.shards && where.moving.size() < most; ++shard) {
                auto owner = where.shards[shard].owner;
                if (moving[shard] || owner == shard_owner::nobody ||
                    may_own(next_.members[owner], where.options) == leaving) {
                    continue;
                }
                auto target = target_of(next_, where.options, shard);
                if (target == owner) {
                    continue;
                }
                where.moving.push_back({shard, next_.epoch, target});
                moving[shard] = true;
                changed_ = true;
            }
        }
        std::sort(where.moving.begin(), where.moving.end(),
                  [](const shard_move& left, const shard_move& right) {
                      return left.shard < right.shard;
                  });
    }

    const view& base_;
    const plan_input& input_;
    view next_;
    bool changed_ = false;
    bool config_changed_ = false;
};

}  // namespace

std::size_t seats_for(std::size_t ready, std::size_t most) noexcept {
    auto wanted = ready <= 2 ? std::size_t{1} : ready <= 4 ? std::size_t{3} : std::size_t{5};
    if (ready >= 7 && most >= 7) {
        wanted = 7;
    }
    return std::min(wanted, most);
}

view_ptr plan_next(const view& base, const plan_input& input) {
    // No cluster lives as long; but somebody may say that it did.
    if (base.epoch == std::numeric_limits<decltype(base.epoch)>::max() ||
        base.config == std::numeric_limits<decltype(base.config)>::max()) {
        return nullptr;
    }
    auto next = plan{base, input}.make();
    if (next != nullptr) {
        COHORT_ASSERT(what_is_wrong(*next) == nullptr, "a driver plans views that can be");
        COHORT_ASSERT(what_is_wrong(base, *next) == nullptr || COHORT_MUTANT(own_epoch_kept) ||
                          COHORT_MUTANT(removed_returns),
                      "a driver plans what may follow");
    }
    return next;
}

std::string why_not_admitted(const view& what, const join_request& asked) {
    if (asked.times != what.times) {
        return "this node counts with other times (ttl, renew, guard, rho) than the cluster";
    }
    for (const auto& each : asked.spaces) {
        const auto* has = what.find_space(each.name);
        if (has != nullptr && has->options != each) {
            return "the cluster shards '" + each.name +
                   "' in another way (number of shards, hash or role)";
        }
        if (each.name.empty() || each.shards == 0 || each.shards > view_limits::shards) {
            return "the space '" + each.name + "' has no shards, or more than 16384";
        }
        if (each.name.size() > view_limits::text || each.role.size() > view_limits::text) {
            return "the name of a space, or its role, is longer than 255 bytes";
        }
    }
    if (what.spaces.size() + asked.spaces.size() > view_limits::spaces &&
        std::any_of(asked.spaces.begin(), asked.spaces.end(), [&what](const space_options& one) {
            return what.find_space(one.name) == nullptr;
        })) {
        return "the cluster shards as many kinds of entities as it can";
    }
    return {};
}

}  // namespace cohort
