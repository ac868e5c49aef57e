#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cohort/actor/lifecycle.hpp>
#include <cohort/remoting/remoting.hpp>
#include <cohort/testkit/simulation.hpp>

/// A node that speaks every kind of frame, for conversations that are recorded and then spoken
/// wrongly. It boots the same way in both, so that what was recorded fits what is fuzzed.
namespace cohort::conversation {

using namespace std::chrono_literals;

struct heard {
    std::int64_t value = 0;
};
using hearer = protocol<heard>;

struct put {
    using reply = result<std::uint32_t>;
    std::string key;
    bytes content;
    std::optional<std::uint32_t> ttl;
};
struct fetch {
    using reply = result<std::map<std::string, bytes>>;
    std::vector<std::string> keys;
};
struct note {
    std::int64_t number = 0;
    std::string text;
};
struct listen_to {
    using reply = result<ref<hearer>>;
    ref<hearer> target;
};
using service = protocol<put, fetch, note, listen_to, heard>;

inline constexpr std::uint16_t port = 4000;
inline constexpr std::size_t node_bytes_max = std::size_t{4} << 20;

/// What a node is made of.
struct station {
    remoting* network = nullptr;
    ref<service> served;
    ref<detail::silent> driver;
    std::uint64_t notes = 0;
};

inline behavior<hearer> listen(context<hearer> self) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto told = message.get_if<heard>(); told && told->value == 2) {
            co_return;
        }
    }
}

inline behavior<service> serve(context<service> self, station* here) {
    constexpr std::size_t kept_max = 16;
    auto kept = std::map<std::string, bytes>{};
    for (;;) {
        auto message = co_await self.receive();
        if (auto wanted = message.get_if<put>()) {
            if (kept.size() == kept_max) {
                kept.clear();
            }
            kept[wanted->key] = wanted->content;
            wanted.reply(static_cast<std::uint32_t>(kept.size()));
        } else if (auto asked = message.get_if<fetch>()) {
            if (asked->keys.empty()) {
                asked.reply(errc::not_found);
            } else {
                asked.reply(kept);
            }
        } else if (auto told = message.get_if<note>()) {
            ++here->notes;
        } else if (auto offered = message.get_if<listen_to>()) {
            // A ref that came over the wire is told, watched and forgotten.
            offered->target.tell(heard{1});
            self.watch(offered->target);
            offered.reply(ref<hearer>{self.spawn(listen)});
        }
    }
}

/// Calls the service of another node with everything that there is to say.
inline behavior<detail::silent> call(context<detail::silent> self, station* here, endpoint where) {
    constexpr auto within = 100ms;
    {
        auto found = co_await here->network->find<service>(where, "service", within);
        if (!found) {
            co_return;
        }
        self.watch(*found);
        found->tell(note{7, "a note"});
        static_cast<void>(co_await found->ask<put>(within, "key", bytes{"content"}, 5U));
        static_cast<void>(co_await found->ask<fetch>(within, std::vector<std::string>{"key"}));
        static_cast<void>(co_await found->ask<fetch>(within));
        auto mine = self.spawn(listen);
        auto theirs = co_await found->ask<listen_to>(within, mine);
        if (theirs && *theirs) {
            self.watch(*theirs);
            theirs->tell(heard{2});
            co_await self.sleep(10ms);
            static_cast<void>(co_await theirs->send(heard{3}));  // it has ended by now
        }
        static_cast<void>(co_await found->send(note{8, std::string(100, 'n')}));
        self.unwatch(*found);
        found->tell(note{9, std::string(40'000, 'c')});
        static_cast<void>(co_await found->ask<put>(within, "large", bytes{std::string(40'000, 'p')},
                                                   std::nullopt));
        static_cast<void>(co_await found->ask<fetch>(within, std::vector<std::string>{"large"}));
    }
    co_await self.sleep(100ms);
}

/// Boots a node that is reached at `advertised` and calls the node at `where`.
inline void boot(simulated_node& node, endpoint advertised, endpoint where) {
    auto options = remoting_options{.cluster = "fuzz",
                                    .listen = {node.host(), port},
                                    .advertised = std::move(advertised),
                                    .insecure = true};
    options.frame_bytes_max = 64 * 1024;
    options.message_bytes_max = 128 * 1024;
    options.peer_bytes_max = 256 * 1024;
    options.node_bytes_max = node_bytes_max;
    options.requests_max = 64;
    options.handshake_time = 300ms;
    options.ping_interval = 200ms;
    options.stall_time = 600ms;
    options.control_patience = 400ms;
    options.gone_after = 600ms;
    options.backoff = 200ms;
    auto here = std::make_shared<station>();
    auto& system = node.system();
    here->network = &system.use(remoting{options});
    auto started = system.start();
    COHORT_ASSERT(started.has_value(), "the options are good and the port is free");
    auto last = system.cores() - 1;
    here->served = system.spawn_on(last, serve, here.get());
    here->network->expose("service", here->served);
    here->driver = system.spawn(call, here.get(), std::move(where));
    node.state = here;
}

}  // namespace cohort::conversation
