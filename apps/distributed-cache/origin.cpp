#include <distributed-cache/origin.hpp>

#include <cohort/world/mutant.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

namespace cohort {

result<void> check_key(std::string_view key) {
    if (key.empty()) {
        return error{errc::invalid, "the key is empty"}.with(executed::no);
    }
    if (key.size() > key_bytes_max) {
        return error{errc::invalid,
                     fmt::format("the key has {} bytes, {} are allowed", key.size(), key_bytes_max)}
            .with(executed::no);
    }
    return {};
}

result<void> check_row(std::string_view key, std::string_view content,
                       std::size_t content_bytes_max) {
    if (auto checked = check_key(key); !checked) {
        return checked;
    }
    if (content.size() > content_bytes_max) {
        return error{errc::too_large, fmt::format("the content has {} bytes, {} are allowed",
                                                  content.size(), content_bytes_max)}
            .with(executed::no);
    }
    return {};
}

result<void> check_fence(std::optional<std::uint64_t> newest, const write_fence& owner) {
    // A store whose fence rises with writes only.
    if (COHORT_MUTANT(fence_not_raised) && (!newest || *newest < owner.epoch)) {
        return {};
    }
    if (!newest || *newest < owner.epoch) {
        return error{errc::invalid, fmt::format("shard {} of {} was not activated with epoch {}",
                                                owner.shard, owner.space, owner.epoch)}
            .with(executed::no);
    }
    if (*newest > owner.epoch && !COHORT_MUTANT(fence_unchecked)) {
        return error{errc::stale_epoch,
                     fmt::format("shard {} of {} belongs to epoch {}, this is {}", owner.shard,
                                 owner.space, *newest, owner.epoch)}
            .with(executed::no);
    }
    return {};
}

result<void> check_owners(std::span<const write_fence> owners) {
    auto refuse = [](std::string text) {
        return error{errc::invalid, std::move(text)}.with(executed::no);
    };
    auto seen = std::set<std::tuple<std::string_view, std::uint32_t>>{};
    for (const auto& owner : owners) {
        auto plain = std::all_of(owner.space.begin(), owner.space.end(),
                                 [](char letter) { return letter >= ' ' && letter < 127; });
        if (owner.space.empty() || owner.space.size() > space_bytes_max || !plain) {
            return refuse(
                fmt::format("the name of a space has 1 to {} plain characters", space_bytes_max));
        }
        if (owner.epoch == 0 || owner.epoch > std::numeric_limits<std::int64_t>::max()) {
            return refuse("an epoch lies between 1 and 2^63");
        }
        if (!seen.emplace(owner.space, owner.shard).second) {
            return refuse(fmt::format("shard {} of {} is named twice", owner.shard, owner.space));
        }
    }
    return {};
}

}  // namespace cohort
