#pragma once

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <distributed-cache/cache_app.hpp>

#include "cache.hpp"

namespace cohort::sim {

inline constexpr std::uint16_t remoting_port = 2551;
inline constexpr std::uint16_t http_port = 9000;
inline constexpr std::uint16_t admin_port = 9100;

/// What a node that is up is made of; it outlives the node's system.
struct cache_workload::station final : ownership_listener {
    /// Looks over the shoulder of a core's gate: what it lets run runs under a lease (I8).
    struct guard final : slice_gate {
        [[nodiscard]] bool open(core& here) noexcept override;
        void held_back(core& here, fiber& line) noexcept override;
        station* at = nullptr;
        slice_gate* gate = nullptr;
    };

    station(cache_workload& its_whole, simulated_node& its_node);
    ~station() override;

    void watch_gates();
    [[nodiscard]] bool leased() const;

    // ownership_listener
    void view_changed(core& here, const view_ptr& now) override;
    void suspended(core& here) override;
    void resumed(core& here) override;
    void fenced(core& here) override;

    cache_workload& whole;
    simulated_node* node;
    std::unique_ptr<cache_origin> origin;
    std::unique_ptr<cache_app> app;
    std::vector<std::unique_ptr<guard>> guards;
    bool going = false;   // it leaves in order
    bool owns = false;    // a key's shard, when that was looked at last
    bool parked = false;  // an entity, and it may go on
    view_ptr newest;      // as core 0 knows it
    node_uid self;        // in that view
    // Shards of keys and the epochs by which it came to own them, without its lease being over
    // since.
    std::set<std::pair<std::uint32_t, std::uint64_t>> trusted;
    sharding_numbers numbers;
};

}  // namespace cohort::sim
