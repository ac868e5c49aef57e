#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <cohort/actor/protocol.hpp>

namespace cohort::detail {

/// Asks a node for the actors that take messages for the entities of a space: one a core.
struct hosts_of {
    static constexpr std::string_view wire_name = "cohort.sharding.hosts_of";
    using reply = result<std::vector<std::uint64_t>>;
    std::string space;
    std::uint32_t shards = 0;
    std::uint32_t hash_id = 0;
};
using lobby_protocol = protocol<hosts_of>;
inline constexpr std::string_view lobby_name = "cohort.sharding";

}  // namespace cohort::detail
