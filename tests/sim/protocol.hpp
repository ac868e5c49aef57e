#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <cohort/testkit/campaign.hpp>

namespace cohort::sim {

/// What is done most in a run of the bare protocol.
enum class protocol_flavour : std::uint8_t {
    plain,
    seats,     ///< voters come and go all the time
    clocks,    ///< clocks run as wrong as they may, and nodes stop for about a lease
    restarts,  ///< nodes die and are there again at once
    phases,    ///< links are cut and nodes die between two steps of a decision
};

/// Runs a schedule against bare `register_node`s: no runtime, no sockets, only their messages on an
/// event queue, and a checker that knows everything (docs/protocol.md lists what it checks).
[[nodiscard]] run_report run_protocol(const schedule& given, protocol_flavour how);

/// What every 1,000 seeds must have seen.
[[nodiscard]] std::vector<std::string> protocol_must(protocol_flavour how);
[[nodiscard]] schedule_limits protocol_limits(protocol_flavour how);

/// Kills a random node of a cluster at rest, again and again, and returns how long it took each
/// time until all its shards were owned by nodes that serve.
[[nodiscard]] std::vector<duration> protocol_failovers(std::uint32_t nodes, std::uint32_t kills,
                                                       std::uint64_t seed);

}  // namespace cohort::sim
