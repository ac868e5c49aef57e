#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include <cohort/sharding/detail/lobby.hpp>
#include <cohort/sharding/shard_map.hpp>

#include "houses.hpp"

namespace cohort::sharding_tests {

inline constexpr std::uint32_t keys = 6;

inline std::string key_of(std::uint64_t number) {
    return houses::key_in(static_cast<std::uint32_t>(number % keys));
}

/// Says to the hosts of another node what a message can say and no node would: shards that are at
/// home elsewhere, keys of other shards, epochs to come, rounds that were never begun. Its entities
/// are those of the others, its names are its own. Few streams: a node remembers 64 that it has
/// turned away.
struct liar {
    using host_ref = ref<detail::host_protocol<diary_protocol>>;

    const houses* world;
    std::uint64_t* lies;
    const bool* quiet;
    std::mt19937_64 random;

    detail::arrival head() {
        auto epoch = world->next.epoch + random() % 4;
        return {.shard = static_cast<std::uint32_t>(random() % (shard_count + 2)),
                .epoch = random() % 16 == 0 ? ~std::uint64_t{0} : epoch - std::min(epoch, 2UL),
                .stream = 2 * (random() % 4),
                .round = static_cast<std::uint32_t>(random() % 4 == 0 ? ~0U : random() % 4)};
    }
    template <template <class> class Wrapper, class M>
    Wrapper<M> wrap(M content) {
        ++*lies;
        auto at = head();
        auto key = random() % 4 == 0 ? key_of(random()) : houses::key_in(at.shard % shard_count);
        return {at, std::move(key), std::move(content)};
    }
    std::string who() { return "liar" + std::to_string(random()); }

    template <class M>
    static task<void> ask(host_ref host, detail::entity_request<M> what) {
        static_cast<void>(co_await host.ask<detail::entity_request<M>>(
            20ms, what.head, std::move(what.key), std::move(what.content)));
    }
    void say_one(const context<detail::silent>& self, const host_ref& host) {
        using namespace detail;
        switch (random() % 6) {
            case 0:
                return host.tell(wrap<entity_note>(note{who(), 1}));
            case 1:
                return host.tell(wrap<entity_note>(put{who(), 1}));
            case 2:
                return host.tell(wrap<entity_request>(put{who(), 1}));  // told, though it asks
            case 3:
                return host.tell(wrap<entity_request>(last{}));
            case 4:
                return self.start(ask(host, wrap<entity_request>(look{who()})));
            default:
                return self.start(ask(host, wrap<entity_request>(put{who(), 1})));
        }
    }
};

inline behavior<detail::silent> lie(context<detail::silent> self, remoting* network, liar it,
                                    endpoint victim) {
    while (!*it.quiet) {
        co_await self.sleep(1ms);
        auto lobby = co_await network->find<detail::lobby_protocol>(
            victim, std::string{detail::lobby_name}, duration{100ms});
        if (!lobby) {
            continue;
        }
        static_cast<void>(co_await lobby->ask<detail::hosts_of>(
            100ms, it.who(), shard_count, static_cast<std::uint32_t>(it.random())));
        auto hosts =
            co_await lobby->ask<detail::hosts_of>(100ms, "diaries", shard_count, shard_hash_id);
        if (!hosts) {
            continue;
        }
        const auto& there = lobby->where();
        for (int i = 0; i < 100 && !*it.quiet; ++i) {
            auto which = (*hosts)[it.random() % hosts->size()];
            auto host = actor_address::remote({which}, there.place(), there.generation);
            it.say_one(self, liar::host_ref{host});
            co_await self.sleep(duration{static_cast<std::int64_t>(it.random() % 2'000'000)});
        }
    }
    co_await self.sleep(1s);
}

}  // namespace cohort::sharding_tests
