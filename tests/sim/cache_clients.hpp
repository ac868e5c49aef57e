#pragma once

#include <functional>
#include <vector>

#include "cache.hpp"

namespace cohort::sim {

/// What the clients of the cache do. Those outside speak HTTP; some requests come from an actor of
/// a node itself, which learns more of a failure than HTTP says.
struct cache_clients {
    /// Requests one after the other on one connection.
    struct script {
        std::uint32_t node = 0;
        std::vector<cache_workload::request> requests;
        duration between{};
        duration patience{};
        bool pipelined = false;
        /// Called at the end, with the status of each that was answered.
        std::function<void(const std::vector<int>&)> done = {};
    };

    static void start(cache_workload& whole, script what);
    /// Asks until it is answered: what must work on healed nodes.
    static void insist(cache_workload& whole, std::uint32_t node, std::uint64_t key);
    /// Three writes of one actor of a node, each sent before the one before it is answered.
    static void write_inside(cache_workload& whole, std::uint32_t node, std::uint64_t key);
};

}  // namespace cohort::sim
