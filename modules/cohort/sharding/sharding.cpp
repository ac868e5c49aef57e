#include <cohort/sharding/sharding.hpp>

#include <algorithm>

#include <cohort/remoting/remoting.hpp>
#include <cohort/sharding/detail/lobby.hpp>

namespace cohort {
namespace detail {
namespace {

result<std::vector<std::uint64_t>> hosts_here(const sharding_state& node, const hosts_of& wanted) {
    for (const auto& space : node.spaces) {
        if (space->name != wanted.space) {
            continue;
        }
        if (space->options.shards != wanted.shards || wanted.hash_id != shard_hash_id) {
            return error{errc::invalid, "the nodes do not agree on the shards of " + wanted.space};
        }
        auto out = std::vector<std::uint64_t>{};
        for (auto each : space->hosts) {
            out.push_back(each.value);
        }
        return out;
    }
    return error{errc::not_found, "this node has no space of that name"};
}

behavior<lobby_protocol> receive_peers(context<lobby_protocol> self, sharding_state* node) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto wanted = message.get_if<hosts_of>()) {
            wanted.reply(hosts_here(*node, *wanted));
        }
    }
}

}  // namespace

space_base::space_base(std::string its_name, entity_options given)
    : name{std::move(its_name)}, options{std::move(given)} {}
space_base::~space_base() = default;

sharding_state::sharding_state(ownership& who, remoting* way, sharding_options given)
    : owners{who}, network{way}, options{given} {}
sharding_state::~sharding_state() = default;

void sharding_state::view_changed(core& here, const view_ptr& now) {
    if (!started) {
        return;  // not started: the start looks at the newest view itself
    }
    gates[here.id()]->named(owners.self());
    for (auto& space : spaces) {
        space->desks[here.id()]->view_changed(now);
    }
}

void sharding_state::suspended(core& here) {
    if (started) {
        gates[here.id()]->freeze();
    }
}

void sharding_state::resumed(core& here) {
    if (started) {
        gates[here.id()]->look();
    }
}

void sharding_state::fenced(core& here) {
    if (!started) {
        return;
    }
    gates[here.id()]->fenced();
    for (auto& space : spaces) {
        space->desks[here.id()]->fenced();
    }
}

sharding_numbers sharding_state::numbers() const {
    auto sum = sharding_numbers{};
    if (!started) {
        return sum;
    }
    for (const auto& space : spaces) {
        for (const auto& each : space->desks) {
            const auto& counted = each->counters();
            // What ended is read first: an entity that ends meanwhile must not make the difference
            // negative.
            auto ended = counted.ended.value();
            auto bytes_out = counted.bytes_out.value();
            auto disowned = counted.disowned.value();
            sum.started += counted.started.value();
            sum.entities += counted.started.value() - ended;
            sum.content_bytes += counted.bytes_in.value() - bytes_out;
            sum.shards_owned += counted.owned.value() - disowned;
            sum.evicted += counted.evicted.value();
            sum.passivated += counted.passivated.value();
            sum.sent += counted.sent.value();
            sum.received += counted.received.value();
            sum.retries += counted.retries.value();
            sum.redirected += counted.redirected.value();
            sum.refused += counted.refused.value();
            sum.tells_lost += counted.tells_lost.value();
            sum.moves += counted.moves.value();
            sum.activations += counted.activations.value();
        }
    }
    for (const auto& each : gates) {
        sum.suspensions += each->suspensions();
    }
    sum.waiting_bytes = waiting_bytes;
    return sum;
}

}  // namespace detail

sharding::sharding(ownership& owners, remoting* network, sharding_options options)
    : state_{std::make_unique<detail::sharding_state>(owners, network, options)} {
    owners.listen(*state_);
}
sharding::sharding(sharding&&) noexcept = default;
sharding& sharding::operator=(sharding&&) noexcept = default;
sharding::~sharding() = default;

void sharding::add(std::unique_ptr<detail::space_base> made) {
    COHORT_ASSERT(state_->gates.empty(), "spaces are declared before the start");
    COHORT_ASSERT(made->options.shards > 0 && made->options.shards <= 65'536,
                  "a space has 1 to 65,536 shards");
    state_->owners.declare({.name = made->name,
                            .shards = made->options.shards,
                            .hash_id = shard_hash_id,
                            .role = made->options.role});
    state_->spaces.push_back(std::move(made));
}

result<void> sharding::start(system& owner) {
    auto& self = *state_;
    auto cores = owner.cores();
    self.gates.resize(cores);
    for (auto& space : self.spaces) {
        space->desks.resize(cores);
        space->hosts.resize(cores);
    }
    for (std::uint32_t id = 0; id < cores; ++id) {
        owner.on_core(id, [&](core& here) {
            self.gates[id] = std::make_unique<detail::core_gate>(self, here);
            here.set_gate(self.gates[id].get());
            for (auto& space : self.spaces) {
                space->desks[id] = std::make_unique<detail::desk>(self, *space, here, cores);
                space->hosts[id] = space->spawn_host(owner, id, *space->desks[id]);
                space->desks[id]->opened(*here.find(space->hosts[id]));
            }
        });
    }
    self.started = true;
    for (std::uint32_t id = 0; id < cores; ++id) {
        owner.on_core(id, [&](core& here) {
            if (auto now = self.owners.current()) {
                self.view_changed(here, now);
            }
        });
    }
    if (self.network != nullptr) {
        auto lobby = owner.spawn_on_with(0, {.name = "lobby"}, detail::receive_peers, &self);
        self.network->expose(std::string{detail::lobby_name}, lobby);
    }
    return {};
}

task<void> sharding::stop() {
    auto& self = *state_;
    co_await self.owners.leave();
    auto& here = this_core();
    for (auto& space : self.spaces) {
        for (auto host : space->hosts) {
            auto end = [host](core& home) { home.keeper().stop(home, host); };
            if (host.core() == here.id()) {
                end(here);
            } else {
                here.post(host.core(), end);
            }
        }
    }
    while (self.open_desks != 0) {
        co_await sleep_for{std::chrono::milliseconds{1}};
    }
}

result<key_location> sharding::locate(std::string_view space, std::string_view key) const {
    auto known = std::find_if(state_->spaces.begin(), state_->spaces.end(),
                              [space](const auto& each) { return each->name == space; });
    if (known == state_->spaces.end()) {
        return error{errc::not_found, "no space of that name"};
    }
    auto now = state_->owners.current();
    const auto* agreed = now ? now->find_space(space) : nullptr;
    if (agreed == nullptr) {
        return error{errc::unavailable, "this node has not heard from the cluster yet"}.with(
            executed::no);
    }
    auto out = key_location{};
    out.shard = shard_of(key, (*known)->options.shards);
    const auto& entry = agreed->shards[out.shard];
    out.own_epoch = entry.own_epoch;
    out.home_core = home_core(out.shard, static_cast<std::uint32_t>((*known)->desks.size()));
    if (entry.owner < now->members.size()) {
        out.owner = now->members[entry.owner];
        out.here = out.owner->uid == state_->owners.self();
    }
    out.moving = std::any_of(agreed->moving.begin(), agreed->moving.end(),
                             [&](const shard_move& each) { return each.shard == out.shard; });
    return out;
}

sharding_numbers sharding::numbers() const { return state_->numbers(); }

}  // namespace cohort
