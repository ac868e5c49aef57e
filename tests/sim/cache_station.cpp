#include "cache_station.hpp"

#include <algorithm>

#include <cohort/sharding/shard_map.hpp>

namespace cohort::sim {

cache_workload::station::station(cache_workload& its_whole, simulated_node& its_node)
    : whole{its_whole}, node{&its_node} {
    auto writer = node->host() + "#" + std::to_string(node->incarnation());
    auto options = cache_origin_options{.database = whole.origin_.options(writer)};
    auto settings = cache_settings{};
    settings.http = {node->host(), http_port};
    settings.admin = {node->host(), admin_port};
    settings.remoting = {.listen = {node->host(), remoting_port},
                         .advertised = {node->host(), remoting_port},
                         .insecure = true};
    for (std::uint32_t i = 0; i < whole.seeds_; ++i) {
        settings.cluster.seeds.push_back(whole.address(i, remoting_port));
    }
    settings.cluster.join_time = 1h;
    settings.items = {.node_name = node->host(),
                      .keys_max = whole.keys_in_memory_,
                      .times = {.idle = whole.idle_}};
    settings.origin = options;
    settings.request_deadline = whole.request_time_;
    auto connections = whole.origin_.connect(*node, writer);
    origin = cache_origin::over(node->world(), std::move(options), std::move(connections));
    app = std::make_unique<cache_app>(node->system(), *origin, settings);
    app->members()->listen(*this);
    whole.up_[node->index()] = this;
}

cache_workload::station::~station() {
    if (owns && !going && !whole.ending_) {
        whole.count("owner_died");
    }
    if (whole.up_[node->index()] == this) {
        whole.up_[node->index()] = nullptr;
    }
}

void cache_workload::station::watch_gates() {
    auto& system = node->system();
    for (std::uint32_t id = 0; id < system.cores(); ++id) {
        system.on_core(id, [this](core& here) {
            auto made = std::make_unique<guard>();
            made->at = this;
            made->gate = here.gate();
            here.set_gate(made.get());
            guards.push_back(std::move(made));
        });
    }
}

// Without a call through the seam, at which a stop may come.
bool cache_workload::station::leased() const {
    auto end = app->members()->own_lease().end();
    if (end.time_since_epoch() <= duration::zero()) {
        return false;
    }
    auto over = node->world().true_time(end);
    return over && node->world().here() < *over;
}

bool cache_workload::station::guard::open(core& here) noexcept {
    if (!gate->open(here)) {
        return false;
    }
    if (!at->leased()) {
        at->whole.wrong("I8: an entity runs while the lease of its node is over");
    }
    return true;
}

void cache_workload::station::guard::held_back(core& here, fiber& line) noexcept {
    at->whole.count("parked");
    at->parked = true;
    gate->held_back(here, line);
}

void cache_workload::station::view_changed(core& here, const view_ptr& now) {
    if (here.id() != 0) {
        return;
    }
    newest = now;
    self = app->members()->self();
    whole.note_view(now);
    auto own = now->index_of(self);
    const auto* items = now->find_space(cache_items::space_name);
    for (auto shard : whole.shards_) {
        if (items != nullptr && own != shard_owner::nobody && items->shards[shard].owner == own) {
            trusted.emplace(shard, items->shards[shard].own_epoch);
        }
    }
}

void cache_workload::station::suspended(core& here) {
    trusted.clear();
    if (here.id() == 0) {
        whole.count("suspended");
        if (whole.open_at_[node->index()] != 0) {
            whole.count("suspended_in_flight");
        }
    }
}

void cache_workload::station::resumed(core& here) {
    if (here.id() == 0) {
        whole.count("resumed");
        whole.counters_["parked_went_on"] += std::exchange(parked, false) ? 1 : 0;
    }
}

void cache_workload::station::fenced(core& here) {
    trusted.clear();
    parked = false;
    if (here.id() == 0) {
        whole.count("fenced");
    }
}

}  // namespace cohort::sim
