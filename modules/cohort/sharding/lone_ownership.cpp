#include <cohort/sharding/lone_ownership.hpp>

#include <algorithm>

namespace cohort {

struct lone_ownership::state {
    lone_options options;
    std::vector<space_options> spaces;
    std::vector<ownership_listener*> listeners;
    node_uid self;
    lease held;
    view_ptr only;  // set before `declared`, and never changed
    std::atomic<bool> declared{false};
};

lone_ownership::lone_ownership(lone_options options) : state_{std::make_unique<state>()} {
    state_->options = std::move(options);
}
lone_ownership::lone_ownership(lone_ownership&&) noexcept = default;
lone_ownership& lone_ownership::operator=(lone_ownership&&) noexcept = default;
lone_ownership::~lone_ownership() = default;

void lone_ownership::declare(space_options space) { state_->spaces.push_back(std::move(space)); }
void lone_ownership::listen(ownership_listener& listener) {
    state_->listeners.push_back(&listener);
}
node_uid lone_ownership::self() const noexcept {
    return state_->declared ? state_->self : node_uid{};
}
const lease& lone_ownership::own_lease() const noexcept { return state_->held; }
view_ptr lone_ownership::current() const { return state_->declared ? state_->only : nullptr; }
void lone_ownership::release(std::string, std::uint32_t, std::uint64_t) {
    COHORT_ASSERT(false, "a node that is alone is never asked for a shard");
}
void lone_ownership::look_for(std::uint64_t) {}
task<void> lone_ownership::leave() { co_return; }
task<void> lone_ownership::stop() { co_return; }

result<void> lone_ownership::start(system& owner) {
    auto& self = *state_;
    self.self = {owner.world().random() | 1, owner.world().random()};
    auto now = view{};
    now.cluster_id = self.self;
    now.epoch = 1;
    now.members.push_back({.uid = self.self,
                           .address = self.options.address,
                           .roles = {},
                           .build = {},
                           .phase = member_phase::ready,
                           .acceptor = self.self});
    for (const auto& each : self.spaces) {
        auto owned = shard_owner{.owner = 0, .own_epoch = self.options.own_epoch};
        now.spaces.push_back({each, std::vector<shard_owner>(each.shards, owned), {}});
    }
    self.only = std::make_shared<const view>(std::move(now));
    self.held.set_end(time_point::max());
    self.declared = true;
    for (std::uint32_t id = 0; id < owner.cores(); ++id) {
        owner.on_core(id, [&self](core& here) {
            for (auto* each : self.listeners) {
                each->view_changed(here, self.only);
            }
        });
    }
    return {};
}

}  // namespace cohort
