#include <distributed-cache/cache_app.hpp>

#include <distributed-cache/cache_metrics.hpp>

#include <cohort/cluster/metrics.hpp>
#include <cohort/cluster_routes/cluster_routes.hpp>
#include <cohort/http/metrics.hpp>
#include <cohort/remoting/metrics.hpp>
#include <cohort/sharding/lone_ownership.hpp>
#include <cohort/sharding/metrics.hpp>

#include <fmt/format.h>

#include <utility>

namespace cohort {
namespace {

response tell_location(const request& incoming, const sharding& shards) {
    auto key = incoming.path("key");
    if (auto checked = check_key(key); !checked) {
        return problem(checked.error());
    }
    auto found = shards.locate(cache_items::space_name, key);
    if (!found) {
        return problem(found.error());
    }
    auto owner = found->owner ? fmt::format("\"{}\"", found->owner->address.text()) : "null";
    return ok(fmt::format("{{\"shard\":{},\"epoch\":{},\"owner\":{},\"here\":{},\"moving\":{},"
                          "\"home_core\":{}}}\n",
                          found->shard, found->own_epoch, owner, found->here, found->moving,
                          found->home_core),
              "application/json");
}

http_options http_of(const cache_settings& settings) {
    return {.name = "http",
            .listen = settings.http,
            .limits = {.body_bytes_max = settings.origin.database.content_bytes_max},
            .request_time = settings.request_deadline};
}

}  // namespace

cache_app::cache_app(system& node, cache_origin& origin, const cache_settings& settings)
    : metrics_{1} {
    // What is used first stops last: a node can be watched until it has left.
    admin_ = &node.use(management{{.listen = settings.admin}});
    admin_->show(metrics_);
    auto& owners = join(node, settings);
    shards_ = &node.use(sharding{owners, network_, cache_items::waiting()});
    items_ = std::make_unique<cache_items>(*shards_, origin, settings.items);
    routes_ = std::make_unique<cache_routes>(*items_, settings.origin.database.audit);
    server_ = &node.use(http_server{http_of(settings)});
    add_cache_routes(*server_, routes_.get());
    add_health_routes(*server_, node);
    add_admin_routes();
    collect(origin);
}

ownership& cache_app::join(system& node, const cache_settings& settings) {
    if (settings.cluster.seeds.empty()) {
        // A store remembers the epochs of owners before this one.
        auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
            node.world().wall_now().time_since_epoch());
        return node.use(lone_ownership{{.own_epoch = static_cast<std::uint64_t>(since.count()),
                                        .address = settings.remoting.advertised}});
    }
    network_ = &node.use(remoting{settings.remoting});
    members_ = &node.use(cluster{*network_, settings.cluster});
    node.use(cluster_routes{*members_, *admin_});
    return *members_;
}

void cache_app::add_admin_routes() {
    admin_->route(GET, "/cluster/locate/{key}", [shards = shards_](request incoming) {
        return tell_location(incoming, *shards);
    });
}

void cache_app::collect(cache_origin& origin) {
    collecting_ = metrics_.collect([this, &origin](metrics_writer& out) {
        write_cache_metrics(out, *items_, origin);
        write_sharding_metrics(out, *shards_);
        write_http_metrics(out, *server_);
        if (members_ != nullptr) {
            write_cluster_metrics(out, *members_);
            write_remoting_metrics(out, *network_);
        }
    });
}

}  // namespace cohort
