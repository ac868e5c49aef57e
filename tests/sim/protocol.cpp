#include "protocol.hpp"

#include <algorithm>

#include <cohort/world/assert.hpp>

#include "protocol_run.hpp"

namespace cohort::sim {
namespace {

using namespace std::chrono_literals;

enum purpose : std::uint64_t { of_shape = 11 };

struct shape {
    register_options options;
    protocol_network network;
};

shape shape_of(const schedule& given, protocol_flavour how) {
    auto random = keyed_random{given.seed}.stream(of_shape);
    auto draw = [&, n = std::uint64_t{0}](std::uint64_t bound) mutable {
        return below(random.draw(0, 0, n++), bound);
    };
    auto out = shape{};
    if (draw(3) == 0) {
        out.options.times = {.ttl = 1s, .renew = 150ms, .guard = 30ms, .rho = 10'000};
    }
    constexpr auto rates = std::array<std::uint64_t, 3>{0, 10'000, 100'000};
    out.network.lost = rates[draw(3)];
    out.network.duplicated = rates[draw(3)];
    out.network.encoded = given.seed % 8 == 0;
    out.network.delay_min = given.swarm.delay_min;
    out.network.delay_max = given.swarm.delay_max;
    auto phases = how == protocol_flavour::phases;
    out.options.voters_max = (draw(4) == 0) != phases ? 3 : 5;
    auto items = space_options{};
    items.name = "items";
    items.shards = 4 + static_cast<std::uint32_t>(draw(13));
    out.options.spaces.push_back(items);
    if (draw(4) == 0) {
        items.name = "others";
        out.options.spaces.push_back(items);
    }
    if (how == protocol_flavour::seats || phases) {
        out.network.lost = std::min<std::uint64_t>(out.network.lost, 10'000);
    }
    // Fewer seeds than nodes: others vote, too.
    auto plain = how == protocol_flavour::plain || how == protocol_flavour::restarts;
    if (plain && draw(3) == 0) {
        out.network.seeds = 1 + static_cast<std::uint32_t>(draw(4));
    }
    return out;
}

}  // namespace

run_report run_protocol(const schedule& given, protocol_flavour how) {
    auto out = run_report{};
    auto what = shape_of(given, how);
    auto world = protocol_run{given, how, what.options, what.network};
    auto began = world.now();
    out.failure = world.run();
    out.trace_hash = world.hash();
    out.events = world.events().count();
    out.simulated = world.now() - began;
    out.node_time = world.node_time();
    out.faults = world.begun();
    out.sometimes = world.sometimes();
    return out;
}

// -- failover -------------------------------------------------------------------------------------

namespace {

class quiet_world final : public protocol_world {
public:
    using protocol_world::protocol_world;

    // Every shard is owned by a node that is up and serves, by its own view.
    bool served() {
        for (std::uint32_t i = 0; i < size(); ++i) {
            if (host(i).node && all_owned(i)) {
                return true;
            }
        }
        return false;
    }
    bool settled() {
        for (std::uint32_t i = 0; i < size(); ++i) {
            auto& one = host(i);
            if (!one.node || one.node->current() == nullptr ||
                one.node->current()->members.size() != size() ||
                !one.node->seats_held(clock(one)) || !all_owned(i)) {
                return false;
            }
            for (const auto& each : one.node->current()->spaces) {
                if (!each.moving.empty()) {
                    return false;
                }
            }
        }
        return true;
    }

private:
    bool all_owned(std::uint32_t which) {
        const auto& view = host(which).node->current();
        if (view == nullptr) {
            return false;
        }
        for (const auto& space : view->spaces) {
            for (const auto& shard : space.shards) {
                if (shard.owner == shard_owner::nobody || !serves(view->members[shard.owner])) {
                    return false;
                }
            }
        }
        return true;
    }
    bool serves(const member& owner) {
        auto where = at(owner.address);
        auto& one = host(*where);
        return one.node && one.node->uid() == owner.uid && clock(one) < one.node->lease_end();
    }
    void happened(std::uint32_t, const register_event&) override {}
    void sent(std::uint32_t, const control_message&) override {}
    void stepped(std::uint32_t) override {}
};

}  // namespace

std::vector<duration> protocol_failovers(std::uint32_t nodes, std::uint32_t kills,
                                         std::uint64_t seed) {
    auto options = register_options{};
    auto items = space_options{};
    items.name = "items";
    items.shards = 64;
    options.spaces.push_back(items);
    auto world = quiet_world{seed, nodes, options, {.delay_max = 1ms}};
    for (std::uint32_t i = 0; i < nodes; ++i) {
        world.start(i);
    }
    auto random = keyed_random{seed};
    auto out = std::vector<duration>{};
    for (std::uint32_t n = 0; n < kills; ++n) {
        COHORT_ASSERT(world.run_until([&] { return world.settled(); }, 5min), "it settles");
        world.run_until({}, between(random.draw(1, 0, n), 6100ms, 7s));
        auto victim = static_cast<std::uint32_t>(below(random.draw(2, 0, n), nodes));
        world.kill(victim);
        auto began = world.now();
        COHORT_ASSERT(world.run_until([&] { return world.served(); }, 1min), "it is served again");
        out.push_back(world.now() - began);
        world.start(victim);
    }
    return out;
}

schedule_limits protocol_limits(protocol_flavour how) {
    auto kind = [](fault_kind one) { return 1U << static_cast<unsigned>(one); };
    auto limits = schedule_limits{};
    limits.nodes_max = how == protocol_flavour::plain ? 7 : 5;
    limits.cores_max = 1;
    limits.length = 25s;
    limits.faults_max = 16;
    limits.operations_max = 10;
    limits.operation_kinds = protocol_plain_kinds;
    limits.kinds = kind(fault_kind::crash) | kind(fault_kind::stop) |
                   kind(fault_kind::stop_inside) | kind(fault_kind::cut) |
                   kind(fault_kind::cut_one_way) | kind(fault_kind::isolate) |
                   kind(fault_kind::split) | kind(fault_kind::slow_link) | kind(fault_kind::tail) |
                   kind(fault_kind::clock_rate);
    if (how == protocol_flavour::seats || how == protocol_flavour::restarts) {
        limits.nodes_min = 3;
        limits.operations_max = 30;
        limits.faults_max = 8;
    } else if (how == protocol_flavour::phases) {
        limits.nodes_min = 3;
        limits.operation_kinds = protocol_operation_kinds;
        limits.operations_max = 24;
        limits.faults_max = 4;
        limits.kinds = kind(fault_kind::stop) | kind(fault_kind::stop_inside) |
                       kind(fault_kind::cut) | kind(fault_kind::clock_rate);
    } else if (how == protocol_flavour::clocks) {
        limits.nodes_min = 3;
        limits.kinds = kind(fault_kind::stop) | kind(fault_kind::stop_inside) |
                       kind(fault_kind::isolate) | kind(fault_kind::split) | kind(fault_kind::cut);
    }
    return limits;
}

std::vector<std::string> protocol_must(protocol_flavour how) {
    switch (how) {
        case protocol_flavour::plain:
            return {"first_view",
                    "fence_committed",
                    "suspended_resumed",
                    "suspended_fenced",
                    "guard_refused",
                    "silence_refused",
                    "value_recovered",
                    "seat_replaced",
                    "left",
                    "owner_changed",
                    "outbid",
                    "config_moved",
                    "lease_unknown",
                    "cluster_made_again",
                    "driver_died",
                    "target_died",
                    "owner_died_while_draining",
                    "second_cluster"};
        case protocol_flavour::phases:
            return {"proposal_cut_short", "decided_in_secret", "seat_alone",
                    "seat_bridged",       "deaf_joiner",       "doomed"};
        default:
            return {};
    }
}

}  // namespace cohort::sim
