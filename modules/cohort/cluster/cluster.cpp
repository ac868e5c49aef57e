#include <cohort/cluster/cluster.hpp>

#include <algorithm>

#include <cohort/cluster/detail/conductor.hpp>

namespace cohort {
namespace {

constexpr std::uint16_t mailbox = 20'000;

result<void> check(const cluster_options& options) {
    auto wrong = [](std::string why) { return error{errc::invalid, std::move(why), "cluster"}; };
    const auto& times = options.times;
    if (options.seeds.empty()) {
        return wrong(
            "no seeds are given: list the nodes that found the cluster, in the same "
            "order on every node");
    }
    for (auto each = options.seeds.begin(); each != options.seeds.end(); ++each) {
        if (each->host.empty() || each->port == 0) {
            return wrong("the seed '" + each->text() + "' needs a host and a port");
        }
        if (std::find(options.seeds.begin(), each, *each) != each) {
            return wrong("the seed " + each->text() + " is listed twice");
        }
    }
    if (times.renew <= duration::zero() || times.ttl < 4 * times.renew) {
        return wrong(
            "the lease (ttl) lasts at least four times as long as the time between two "
            "renewals, which is more than zero");
    }
    if (times.guard < duration::zero() || 2 * times.guard > times.ttl) {
        return wrong("the guard is at most half of the lease (ttl)");
    }
    if (options.voters != 1 && options.voters != 3 && options.voters != 5 && options.voters != 7) {
        return wrong("there are 1, 3, 5 or 7 voters");
    }
    return {};
}

}  // namespace

cluster::cluster(remoting& network, cluster_options options)
    : state_{std::make_unique<detail::cluster_state>(network, std::move(options))} {}
cluster::cluster(cluster&&) noexcept = default;
cluster& cluster::operator=(cluster&&) noexcept = default;
cluster::~cluster() = default;

// -- ownership -----------------------------------------------------------------------------------

void cluster::declare(space_options space) {
    COHORT_ASSERT(state_->owner == nullptr, "what is sharded is declared before the start");
    state_->spaces.push_back(std::move(space));
}

void cluster::listen(ownership_listener& listener) {
    COHORT_ASSERT(state_->owner == nullptr, "listeners come before the start");
    state_->listeners.push_back(&listener);
}

node_uid cluster::self() const noexcept {
    auto guard = std::lock_guard{state_->mutex};
    return state_->self;
}

const lease& cluster::own_lease() const noexcept { return state_->own_lease; }

view_ptr cluster::current() const {
    auto guard = std::lock_guard{state_->mutex};
    return state_->current;
}

void cluster::release(std::string space, std::uint32_t shard, std::uint64_t drain_epoch) {
    state_->conductor.tell(detail::give_back{std::move(space), shard, drain_epoch});
}

void cluster::look_for(std::uint64_t epoch) { state_->conductor.tell(detail::want_view{epoch}); }

task<void> cluster::leave() {
    // Whoever waits decides for how long.
    static_cast<void>(
        co_await state_->conductor.ask<detail::depart>(deadline{time_point::max(), 0}));
}

void cluster::subscribe_as(ref<cluster_watcher> watcher) {
    state_->conductor.tell(detail::add_watcher{watcher});
}

// -- extension -----------------------------------------------------------------------------------

result<void> cluster::start(system& owner) {
    auto& self = *state_;
    if (auto good = check(self.options); !good) {
        return good;
    }
    self.owner = &owner;
    self.local = self.network.local();
    self.conductor = owner.spawn_on_with(0,
                                         {.name = "cluster",
                                          .mailbox_limit = mailbox,
                                          .on_exit =
                                              [&node = owner.runtime()](exit_reason why) {
                                                  if (why == exit_reason::failed) {
                                                      node.fail("the actor of the cluster failed");
                                                  }
                                              }},
                                         &detail::conductor::run, &self, nullptr);
    self.network.expose(std::string{detail::peers::exposed_as},
                        ref<detail::letter_protocol>{self.conductor});
    return {};
}

task<void> cluster::stop() { return leave(); }

bool cluster::ready() const noexcept {
    const auto& self = *state_;
    return self.owner != nullptr && self.member_ready && self.was_ready && !self.leaving &&
           self.own_lease.holds(self.owner->world().now());
}

const cluster_options& cluster::options() const noexcept { return state_->options; }
node_standing cluster::standing() const noexcept { return state_->standing; }

cluster_numbers cluster::numbers() const {
    const auto& self = *state_;
    auto out = cluster_numbers{};
    if (auto known = current()) {
        out.epoch = known->epoch;
        for (const auto& each : known->members) {
            auto& count = each.phase == member_phase::joining ? out.members_joining
                          : each.phase == member_phase::ready ? out.members_ready
                                                              : out.members_draining;
            ++count;
        }
        out.seats = known->voters.size();
    }
    if (self.owner != nullptr) {
        auto now = self.owner->world().now();
        out.lease_left = self.own_lease.holds(now) ? self.own_lease.end() - now : duration{};
    }
    out.suspensions = self.suspensions.value();
    out.fences = self.fences.value();
    out.views = self.views.value();
    out.control_out = self.control_out.value();
    out.control_in = self.control_in.value();
    out.control_lost = self.control_lost.value();
    return out;
}

}  // namespace cohort
