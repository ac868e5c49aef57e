#pragma once

#include <distributed-cache/cache_items.hpp>
#include <distributed-cache/routes.hpp>
#include <distributed-cache/settings.hpp>

#include <cohort/cluster/cluster.hpp>
#include <cohort/cohort.hpp>
#include <cohort/http/server.hpp>
#include <cohort/management/management.hpp>
#include <cohort/remoting/remoting.hpp>
#include <cohort/runtime/metrics.hpp>

#include <memory>

namespace cohort {

/// One node of the cache: its modules, its entities and its routes, plugged into a system before
/// that starts. With seeds it is a member of a cluster; without, it is alone.
///
/// Ownership: the system and the origin outlive it, and the system's actors end before it does.
class cache_app {
public:
    cache_app(system& node, cache_origin& origin, const cache_settings& settings);
    cache_app(const cache_app&) = delete;
    cache_app& operator=(const cache_app&) = delete;

    [[nodiscard]] management& admin() noexcept { return *admin_; }
    [[nodiscard]] http_server& server() noexcept { return *server_; }
    /// Null when the node is alone.
    [[nodiscard]] cluster* members() noexcept { return members_; }
    [[nodiscard]] sharding& shards() noexcept { return *shards_; }
    [[nodiscard]] cache_items& items() noexcept { return *items_; }

private:
    [[nodiscard]] ownership& join(system& node, const cache_settings& settings);
    void add_admin_routes();
    void collect(cache_origin& origin);

    metrics_registry metrics_;
    management* admin_ = nullptr;
    remoting* network_ = nullptr;
    cluster* members_ = nullptr;
    sharding* shards_ = nullptr;
    http_server* server_ = nullptr;
    std::unique_ptr<cache_items> items_;
    std::unique_ptr<cache_routes> routes_;
    std::shared_ptr<void> collecting_;
};

}  // namespace cohort
