#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <cohort/actor/system.hpp>
#include <cohort/cluster/ownership.hpp>
#include <cohort/sharding/detail/core_gate.hpp>
#include <cohort/sharding/detail/flight.hpp>
#include <cohort/sharding/detail/seats.hpp>
#include <cohort/sharding/options.hpp>

namespace cohort {
class remoting;
struct root_promise;
}  // namespace cohort

namespace cohort::detail {

class desk;

/// One kind of sharded entities on this node: what a desk has to know of its types.
class space_base {
public:
    space_base(std::string its_name, entity_options given);
    space_base(const space_base&) = delete;
    space_base& operator=(const space_base&) = delete;
    virtual ~space_base();

    /// Makes the coroutine of an entity in a slot that was prepared for it.
    [[nodiscard]] virtual root_promise& start(cell& slot, seat& place) = 0;
    /// Takes a message back that no entity took; null for one that is none of the protocol's.
    [[nodiscard]] virtual flight_ptr wrap(desk& at, std::uint32_t shard, std::string key,
                                          message* node) = 0;
    /// Starts the actor that owns the core's entities and takes what other nodes send them.
    [[nodiscard]] virtual handle spawn_host(system& owner, std::uint32_t core_id, desk& at) = 0;

    std::string name;
    entity_options options;
    std::vector<std::unique_ptr<desk>> desks;  // one a core, from the start on
    std::vector<handle> hosts;
};

/// Sharding on one node. Plain once started, but for what says otherwise.
struct sharding_state final : ownership_listener {
    sharding_state(ownership& who, remoting* way, sharding_options given);
    ~sharding_state() override;

    void view_changed(core& here, const view_ptr& now) override;
    void suspended(core& here) override;
    void resumed(core& here) override;
    void fenced(core& here) override;

    [[nodiscard]] sharding_numbers numbers() const;

    ownership& owners;
    remoting* network;
    sharding_options options;
    std::vector<std::unique_ptr<space_base>> spaces;
    std::vector<std::unique_ptr<core_gate>> gates;  // one a core, from the start on
    std::atomic<std::int64_t> waiting_bytes{0};
    std::atomic<std::uint32_t> open_desks{0};
    std::atomic<bool> started{false};
};

}  // namespace cohort::detail
