#pragma once

#include <cohort/world/bytes.hpp>
#include <cohort/world/result.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cohort {

/// The longest key in bytes. A key is any bytes; it is compared and hashed as bytes, never as text.
inline constexpr std::size_t key_bytes_max = 512;

/// The longest content that an origin may be configured to keep.
inline constexpr std::size_t content_bytes_ceiling = std::size_t{64} << 20;

/// Distinguishes every content that a key ever had, also across an erase: the origin counts its
/// writes and never gives a number twice. It becomes the `ETag`.
using row_version = std::uint64_t;

/// What an origin keeps for a key.
struct origin_row {
    bytes content;
    row_version version{};
};

/// What became of a write.
struct stored_row {
    row_version version{};
    bool created = false;  ///< the key was absent before
};

/// The right to write a shard: its owner's epoch. The origin refuses a write whose epoch is older
/// than the newest one that activated the shard, so that a former owner that was paused cannot undo
/// its successor.
struct write_fence {
    std::string space;
    std::uint32_t shard{};
    std::uint64_t epoch{};
};

/// Refuses an empty key and one over `key_bytes_max`, each with a sentence.
///
/// Errors: `errc::invalid`.
[[nodiscard]] result<void> check_key(std::string_view key);

}  // namespace cohort
