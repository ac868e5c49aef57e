#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/actor/system.hpp>
#include <cohort/cluster/cluster.hpp>
#include <cohort/http/server.hpp>
#include <cohort/http/streaming.hpp>

namespace cohort {

namespace detail {
struct cluster_hub;
}

/// What a node knows of its cluster, as JSON, for people and their tools:
///
///     GET /cluster/members   the members of the newest view, who votes, and this node's standing
///     GET /cluster/shards    who owns which shard of which space, and what moves
///     GET /cluster/events    server-sent events: a `snapshot`, then each `view` with its changes,
///                            and each `standing` of this node; who reads too slowly gets another
///                            snapshot instead of what was missed
///
///     auto& admin = node.use(management{...});
///     auto& members = node.use(cluster{...});
///     node.use(cluster_routes{members, admin});
class cluster_routes final : public extension {
public:
    /// Adds the routes to anything that takes routes. Before the start.
    template <class Server>
    cluster_routes(cluster& members, Server& server) : cluster_routes{members} {
        server.route(GET, "/cluster/members",
                     [hub = hub_.get()](request) { return tell_members(*hub); });
        server.route(GET, "/cluster/shards",
                     [hub = hub_.get()](request) { return tell_shards(*hub); });
        server.route(GET, "/cluster/events",
                     [hub = hub_.get()](request) { return tell_events(*hub); });
    }
    cluster_routes(cluster_routes&&) noexcept;
    cluster_routes& operator=(cluster_routes&&) noexcept;
    ~cluster_routes() override;

    [[nodiscard]] std::string_view name() const noexcept override { return "cluster routes"; }
    [[nodiscard]] result<void> start(system&) override { return {}; }
    [[nodiscard]] task<void> stop() override { co_return; }

private:
    explicit cluster_routes(cluster& members);
    static response tell_members(detail::cluster_hub& hub);
    static response tell_shards(detail::cluster_hub& hub);
    static response tell_events(detail::cluster_hub& hub);

    std::unique_ptr<detail::cluster_hub> hub_;
};

}  // namespace cohort
