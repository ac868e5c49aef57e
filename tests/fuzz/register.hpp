#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/cluster/embedded/register_node.hpp>
#include <cohort/runtime/codec.hpp>

/// A cluster's register as it is recorded and then spoken to wrongly: three seeds and one more,
/// each the same from start to start, so that what was recorded fits what is fuzzed.
namespace cohort::register_talk {

using namespace std::chrono_literals;

inline constexpr std::uint32_t nodes = 4;
inline constexpr auto tick = duration{10ms};

inline endpoint address_of(std::uint32_t which) {
    return {"10.0.0." + std::to_string(1 + which), 4000};
}

inline register_node make_node(std::uint32_t which) {
    auto options = register_options{.cluster = "fuzz"};
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
        options.seeds.push_back(address_of(seed));
    }
    options.times = {.ttl = 1s, .renew = 300ms, .guard = 50ms};
    options.voters_max = 3;
    options.spaces = {{.name = "items", .shards = 4, .hash_id = 1, .role = {}}};
    options.self.address = address_of(which);
    options.self.roles = {"cache"};
    options.self.spaces = {"items"};
    options.self.build = "1.0";
    return register_node{std::move(options), which};
}

/// One thing that a node hears: so many ticks after the one before, from that node.
struct step {
    std::uint8_t ticks = 0;
    std::uint8_t from = 0;
    std::string_view message;
};

inline void write_step(std::uint64_t ticks, std::uint32_t from, std::string_view message,
                       std::string& out) {
    auto part = [&out](std::uint64_t number) { out.push_back(static_cast<char>(number)); };
    for (; ticks > 255; ticks -= 255) {
        out.append({'\xff', 0, 0, 0});
    }
    part(ticks);
    part(from);
    part(message.size());
    part(message.size() >> 8U);
    out += message;
}

/// Takes the next step from the input; false at its end.
inline bool read_step(std::string_view& input, step& out) {
    if (input.size() < 4) {
        return false;
    }
    auto part = [&input](std::size_t at) { return static_cast<std::uint8_t>(input[at]); };
    out.ticks = part(0);
    out.from = part(1);
    auto size = static_cast<std::size_t>(part(2)) | static_cast<std::size_t>(part(3)) << 8U;
    out.message = input.substr(4, size);
    input.remove_prefix(4 + out.message.size());
    return true;
}

}  // namespace cohort::register_talk
