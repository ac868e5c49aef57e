#pragma once

#include <cstdint>
#include <string_view>

namespace cohort {

/// Names `shard_of` in views: nodes with another function are refused.
inline constexpr std::uint32_t shard_hash_id = 1;

/// The shard of a key: its bytes decide (XXH3, unseeded: every node comes to the same answer),
/// never text or a signed number.
[[nodiscard]] std::uint32_t shard_of(std::string_view key, std::uint32_t shards) noexcept;

/// The core where everything of a shard happens on a node with so many cores.
[[nodiscard]] std::uint32_t home_core(std::uint32_t shard, std::uint32_t cores) noexcept;

}  // namespace cohort
