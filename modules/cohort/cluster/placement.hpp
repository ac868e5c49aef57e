#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <cohort/cluster/view.hpp>
#include <cohort/world/keyed_random.hpp>

namespace cohort {

/// Whether a member may get shards of a space.
[[nodiscard]] inline bool may_own(const member& who, const space_options& what) noexcept {
    return who.phase == member_phase::ready && who.knows_space(what.name) &&
           (what.role.empty() || who.has_role(what.role));
}

/// Who should own a shard, by rendezvous: every member gets a score, the highest wins. So a member
/// that comes takes its part from all the others, one that goes leaves its part to all of them, and
/// nothing else moves. `nobody` when no member may own it.
///
/// Complexity: linear in the members. Source: Thaler and Ravishankar, "A name-based mapping scheme
/// for rendezvous", 1996.
[[nodiscard]] inline std::uint16_t target_of(const view& what, const space_options& kind,
                                             std::uint32_t shard) noexcept {
    auto best = std::uint64_t{0};
    auto found = shard_owner::nobody;
    for (std::size_t i = 0; i < what.members.size(); ++i) {
        const auto& each = what.members[i];
        if (!may_own(each, kind)) {
            continue;
        }
        auto score = mix(mix(each.uid.high, each.uid.low), mix(shard, kind.hash_id));
        if (found == shard_owner::nobody || score > best) {
            best = score;
            found = static_cast<std::uint16_t>(i);
        }
    }
    return found;
}

/// Whether each shard has an owner, but for those that no member may own.
[[nodiscard]] inline bool all_owned(const view& what) noexcept {
    return std::all_of(what.spaces.begin(), what.spaces.end(), [&](const space& each) {
        return target_of(what, each.options, 0) == shard_owner::nobody ||
               std::none_of(each.shards.begin(), each.shards.end(), [](const shard_owner& one) {
                   return one.owner == shard_owner::nobody;
               });
    });
}

}  // namespace cohort
