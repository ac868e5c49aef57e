#include <cohort/sharding/shard_map.hpp>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cohort {
namespace {

// The part of `range` that lies below the hash's part of all hashes: the upper bits decide.
std::uint32_t scaled(std::uint64_t hash, std::uint32_t range) noexcept {
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint32_t>((static_cast<wide>(hash) * range) >> 64);
}

}  // namespace

std::uint32_t shard_of(std::string_view key, std::uint32_t shards) noexcept {
    return scaled(XXH3_64bits(key.data(), key.size()), shards);
}

std::uint32_t home_core(std::uint32_t shard, std::uint32_t cores) noexcept {
    if (cores == 1) {
        return 0;
    }
    // Neighbours go to different cores, also when a member owns a run of them.
    auto mixed = (std::uint64_t{shard} + 1) * 0x9e37'79b9'7f4a'7c15ULL;
    mixed = (mixed ^ (mixed >> 32)) * 0xd6e8'feb8'6659'fd93ULL;
    return scaled(mixed ^ (mixed >> 32), cores);
}

}  // namespace cohort
