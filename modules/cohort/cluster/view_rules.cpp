#include <cohort/cluster/view_rules.hpp>

#include <algorithm>
#include <string_view>

#include <cohort/world/assert.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort {
namespace {

bool short_enough(std::string_view text) noexcept { return text.size() <= view_limits::text; }

bool names_fit(const std::vector<std::string>& names) noexcept {
    return names.size() <= view_limits::names &&
           std::all_of(names.begin(), names.end(),
                       [](const std::string& one) { return short_enough(one); });
}

const char* wrong_members(const view& what) noexcept {
    if (what.members.size() > view_limits::members) {
        return "a view has too many members";
    }
    for (std::size_t i = 0; i < what.members.size(); ++i) {
        if (const auto* wrong = cohort::what_is_wrong(what.members[i])) {
            return wrong;
        }
        if (i != 0 && !(what.members[i - 1].uid < what.members[i].uid)) {
            return "the members of a view are not in order";
        }
    }
    return nullptr;
}

const char* wrong_seats(const std::vector<voter>& seats) noexcept {
    if (seats.empty() || seats.size() > view_limits::seats) {
        return "a view has too few or too many seats";
    }
    for (std::size_t i = 0; i < seats.size(); ++i) {
        if (!short_enough(seats[i].address.host)) {
            return "the address of a seat is too long";
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (seats[i].acceptor != node_uid{} && seats[i].acceptor == seats[j].acceptor) {
                return "an acceptor has two seats";
            }
        }
    }
    return majority(seats, [](const voter&) { return true; }) ? nullptr
                                                              : "most seats have never been held";
}

const char* wrong_space(const view& what, const space& one) noexcept {
    if (!short_enough(one.options.name) || one.options.name.empty() ||
        !short_enough(one.options.role)) {
        return "a space has a name that is empty or too long";
    }
    if (one.options.shards == 0 || one.options.shards > view_limits::shards ||
        one.shards.size() != one.options.shards) {
        return "a space has too many shards, or not as many as it says";
    }
    auto known = [&what](std::uint16_t index) {
        return index == shard_owner::nobody || index < what.members.size();
    };
    for (const auto& each : one.shards) {
        if (!known(each.owner) || each.own_epoch > what.epoch ||
            (each.owner != shard_owner::nobody && each.own_epoch == 0)) {
            return "a shard is owned by nobody that there is, or since an epoch to come";
        }
    }
    for (std::size_t i = 0; i < one.moving.size(); ++i) {
        const auto& each = one.moving[i];
        if (each.shard >= one.options.shards || !known(each.to) || each.drain_epoch > what.epoch ||
            one.shards[each.shard].owner == shard_owner::nobody ||
            (i != 0 && one.moving[i - 1].shard >= each.shard)) {
            return "a move is of a shard that there is not, or to nobody that there is";
        }
    }
    return nullptr;
}

const char* wrong_times(const cluster_times& times) noexcept {
    auto limit = std::chrono::hours{1};
    return times.ttl <= duration::zero() || times.ttl > limit || times.renew <= duration::zero() ||
                   times.renew > times.ttl || times.guard < duration::zero() ||
                   times.guard >= times.ttl || times.rho > 500'000
               ? "the times of a view make no sense"
               : nullptr;
}

const char* wrong_departed(const view& what) noexcept {
    if (what.departed.size() > view_limits::departed) {
        return "a view remembers too many members";
    }
    for (std::size_t i = 0; i < what.departed.size(); ++i) {
        const auto& each = what.departed[i];
        if (each.epoch <= what.departed_since || each.epoch > what.epoch ||
            (i != 0 && what.departed[i - 1].epoch > each.epoch)) {
            return "the departed are not in order";
        }
        if (what.find(each.uid) != nullptr) {
            return "a member was removed before (R8)";
        }
    }
    return nullptr;
}

// -- what may follow ------------------------------------------------------------------------------

std::size_t seats_without(const std::vector<voter>& seats, const std::vector<voter>& others) {
    return static_cast<std::size_t>(
        std::count_if(seats.begin(), seats.end(), [&others](const voter& one) {
            return one.acceptor != node_uid{} &&
                   std::none_of(others.begin(), others.end(), [&one](const voter& other) {
                       return other.acceptor == one.acceptor;
                   });
        }));
}

const char* wrong_electorate(const view& base, const view& next) noexcept {
    if (next.previous_voters != base.voters) {
        return "a view does not know the voters before it";
    }
    if (next.voters == base.voters) {
        return next.config == base.config ? nullptr : "a config is new, its voters are not";
    }
    if (next.config != base.config + 1) {
        return "voters changed without a new config";
    }
    auto added = seats_without(next.voters, base.voters);
    auto size = next.voters.size();
    if (added > 1 || seats_without(base.voters, next.voters) > 1 || size > base.voters.size() + 1 ||
        size + 1 < base.voters.size()) {
        return "more than one seat changed hands";
    }
    for (const auto& each : next.voters) {
        if (base.seat_of(each.acceptor) == nullptr && each.acceptor != node_uid{} &&
            next.find(each.uid) == nullptr) {
            return "a new voter is no member";
        }
    }
    return nullptr;
}

const char* wrong_departures(const view& base, const view& next) noexcept {
    for (const auto& each : base.members) {
        if (next.find(each.uid) != nullptr) {
            continue;
        }
        auto is_it = [&each](const auto& one) { return one.uid == each.uid; };
        auto noted = std::find_if(next.departed.begin(), next.departed.end(), is_it);
        if (noted == next.departed.end() || noted->epoch != next.epoch) {
            return "a member is gone and not noted as departed";
        }
        auto fenced = std::find(next.fenced.begin(), next.fenced.end(), each.uid);
        if ((fenced == next.fenced.end()) != left_by_itself(base, each)) {
            return "a member is gone without a fence";
        }
    }
    return nullptr;
}

const char* wrong_departed_list(const view& base, const view& next) noexcept {
    if (COHORT_MUTANT(removed_returns)) {
        return nullptr;
    }
    for (const auto& each : base.departed) {
        if (next.find(each.uid) != nullptr) {
            return "a member was removed before (R8)";
        }
        if (each.epoch > next.departed_since &&
            std::find(next.departed.begin(), next.departed.end(), each) == next.departed.end()) {
            return "a departed member is forgotten too soon (R8)";
        }
    }
    return next.departed_since < base.departed_since ? "the departed are remembered anew" : nullptr;
}

node_uid owner_of(const view& what, const shard_owner& shard) noexcept {
    return shard.owner == shard_owner::nobody ? node_uid{} : what.members[shard.owner].uid;
}

// R9: an owner changes when it is gone, when it was asked to release the shard, or when there was
// none. I3: the epoch of ownership rises with every change.
const char* wrong_shards(const view& base, const space& before, const view& next,
                         const space& now) noexcept {
    if (before.options != now.options) {
        return "the parameters of a space changed";
    }
    auto move = before.moving.begin();
    for (std::uint32_t shard = 0; shard < before.options.shards; ++shard) {
        while (move != before.moving.end() && move->shard < shard) {
            ++move;
        }
        auto moving = move != before.moving.end() && move->shard == shard;
        auto was = owner_of(base, before.shards[shard]);
        auto is = owner_of(next, now.shards[shard]);
        auto same_epoch = before.shards[shard].own_epoch == now.shards[shard].own_epoch;
        if (was == is && same_epoch) {
            continue;
        }
        if (is != node_uid{} && now.shards[shard].own_epoch != next.epoch) {
            return "a shard has a new owner without a new epoch of ownership (I3)";
        }
        if (now.shards[shard].own_epoch < before.shards[shard].own_epoch) {
            return "an epoch of ownership fell (I3)";
        }
        if (was != node_uid{} && next.find(was) != nullptr && !moving) {
            return "a shard was taken from an owner that was not asked (R9)";
        }
    }
    return nullptr;
}

}  // namespace

const char* what_is_wrong(const member& one) noexcept {
    if (one.uid == node_uid{} || one.acceptor == node_uid{}) {
        return "a member has no name";
    }
    if (!names_fit(one.roles) || !names_fit(one.spaces) || !short_enough(one.build) ||
        !short_enough(one.address.host)) {
        return "what a member says of itself is too long";
    }
    if (one.phase > member_phase::draining) {
        return "a member is in a phase that is not known here";
    }
    return nullptr;
}

const char* what_is_wrong(const view& what) noexcept {
    if (what.cluster_id == node_uid{} || what.epoch == 0 || what.config == 0) {
        return "a view has no name or no number";
    }
    if (const auto* wrong = wrong_members(what)) {
        return wrong;
    }
    for (const auto* seats : {&what.voters, &what.previous_voters}) {
        if (const auto* wrong = wrong_seats(*seats)) {
            return wrong;
        }
    }
    if (what.fenced.size() > view_limits::members || what.spaces.size() > view_limits::spaces) {
        return "a view has too many spaces, or fences too many";
    }
    for (const auto& each : what.spaces) {
        if (const auto* wrong = wrong_space(what, each)) {
            return wrong;
        }
        if (what.find_space(each.options.name) != &each) {
            return "two spaces have one name";
        }
    }
    if (const auto* wrong = wrong_departed(what)) {
        return wrong;
    }
    return wrong_times(what.times);
}

const char* what_is_wrong(const view& base, const view& next) noexcept {
    if (next.cluster_id != base.cluster_id || next.epoch != base.epoch + 1 ||
        next.times != base.times) {
        return "a view does not follow the one before";
    }
    for (const auto* wrong : {wrong_electorate(base, next), wrong_departures(base, next),
                              wrong_departed_list(base, next)}) {
        if (wrong != nullptr) {
            return wrong;
        }
    }
    for (const auto& each : base.spaces) {
        const auto* now = next.find_space(each.options.name);
        if (now == nullptr) {
            return "a space is gone";
        }
        if (const auto* wrong = wrong_shards(base, each, next, *now)) {
            return wrong;
        }
    }
    return nullptr;
}

const char* what_is_wrong_after(const view& base, const view& later) noexcept {
    if (later.cluster_id != base.cluster_id || later.epoch <= base.epoch ||
        later.config < base.config || later.times != base.times) {
        return "a view does not come after the one before";
    }
    for (const auto& each : base.spaces) {
        const auto* now = later.find_space(each.options.name);
        if (now == nullptr || now->options != each.options) {
            return "a space is gone, or its parameters changed";
        }
        for (std::uint32_t shard = 0; shard < each.options.shards; ++shard) {
            if (now->shards[shard].own_epoch < each.shards[shard].own_epoch) {
                return "an epoch of ownership fell (I3)";
            }
        }
    }
    return nullptr;
}

bool owns_anything(const view& what, node_uid uid) noexcept {
    auto index = what.index_of(uid);
    COHORT_ASSERT(index != shard_owner::nobody, "only a member may own shards");
    return std::any_of(what.spaces.begin(), what.spaces.end(), [index](const space& one) {
        return std::any_of(one.shards.begin(), one.shards.end(),
                           [index](const shard_owner& shard) { return shard.owner == index; });
    });
}

bool left_by_itself(const view& base, const member& who) noexcept {
    return who.phase == member_phase::draining && !owns_anything(base, who.uid);
}

bool gives_first_owner(const view& base, const view& next) noexcept {
    for (const auto& each : next.spaces) {
        const auto* before = base.find_space(each.options.name);
        for (std::uint32_t shard = 0; shard < each.options.shards; ++shard) {
            auto had = before == nullptr ? 0 : before->shards[shard].own_epoch;
            if (had == 0 && each.shards[shard].owner != shard_owner::nobody) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace cohort
