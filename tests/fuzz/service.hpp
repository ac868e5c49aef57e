#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cohort/actor/lifecycle.hpp>
#include <cohort/remoting/remoting.hpp>
#include <cohort/sharding/sharding.hpp>
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

struct write_line {
    using reply = result<std::uint32_t>;
    std::string text;
};
struct remark {
    std::string text;
};
struct read_lines {
    using reply = result<std::vector<std::string>>;
    static constexpr bool idempotent = true;
};
/// What the entities understand that both nodes share.
using page = protocol<write_line, remark, read_lines>;

inline constexpr std::uint16_t port = 4000;
/// The second node's name, which its seed draws.
inline constexpr auto right_uid = node_uid{0x97e5'e9c2'e64b'd571, 0x5afd'ab1e'c816'fe96};
inline constexpr std::size_t node_bytes_max = std::size_t{4} << 20;

/// Two nodes that share four shards for good.
class shared_ownership final : public ownership {
public:
    static constexpr std::uint32_t shards = 4;

    shared_ownership(const endpoint& own, const endpoint& other)
        : left_{own.text() < other.text()} {
        auto now = view{.cluster_id = {7, 7}, .epoch = 3, .config = 1};
        for (std::uint64_t i = 1; i <= 2; ++i) {
            now.members.push_back({.uid = {i, i},
                                   .address = (i == 1) == left_ ? own : other,
                                   .roles = {},
                                   .spaces = {"pages"},
                                   .build = {},
                                   .phase = member_phase::ready,
                                   .acceptor = {i, i}});
        }
        now.spaces.push_back(
            {{.name = "pages", .shards = shards, .hash_id = 1, .role = {}}, {}, {}});
        for (std::uint16_t shard = 0; shard < shards; ++shard) {
            now.spaces[0].shards.push_back({static_cast<std::uint16_t>(shard / 2), 2});
        }
        only_ = std::make_shared<const view>(std::move(now));
        held_.set_end(time_point::max());
    }

    void declare(space_options) override {}
    void listen(ownership_listener&) override {}
    [[nodiscard]] node_uid self() const noexcept override {
        return only_->members[left_ ? 0 : 1].uid;
    }
    [[nodiscard]] const lease& own_lease() const noexcept override { return held_; }
    [[nodiscard]] view_ptr current() const override { return only_; }
    void release(std::string, std::uint32_t, std::uint64_t) override {}
    void look_for(std::uint64_t) override {}
    [[nodiscard]] task<void> leave() override { co_return; }

private:
    bool left_;
    lease held_;
    view_ptr only_;
};

/// What a node is made of.
struct station {
    std::unique_ptr<shared_ownership> owners;
    std::optional<sharded<page>> pages;
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

inline behavior<page> keep_page(entity_context<page> self) {
    constexpr std::size_t lines_max = 8;
    auto lines = std::vector<std::string>{};
    for (;;) {
        auto message = co_await self.receive();
        if (auto wanted = message.get_if<write_line>()) {
            if (lines.size() == lines_max) {
                lines.clear();
            }
            lines.push_back(wanted->text);
            wanted.reply(static_cast<std::uint32_t>(lines.size()));
        } else if (auto told = message.get_if<remark>()) {
            self.holds(told->text.size());
        } else if (auto asked = message.get_if<read_lines>()) {
            asked.reply(lines);
        }
    }
}

/// Speaks to a page of every shard, whoever owns it.
inline task<void> use_pages(sharded<page> pages) {
    constexpr auto within = 100ms;
    for (char letter = 'a'; letter < 'i'; ++letter) {
        auto key = std::string(1, letter);
        pages[key].tell<remark>("a remark");
        static_cast<void>(co_await pages.ask<write_line>(key, within, "a line"));
        static_cast<void>(co_await pages.ask<read_lines>(key, within));
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
        co_await use_pages(*here->pages);
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
    auto here = std::make_shared<station>();
    here->owners = std::make_unique<shared_ownership>(advertised, where);
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
    auto& system = node.system();
    here->network = &system.use(remoting{options});
    auto& shards = system.use(sharding{*here->owners, here->network});
    here->pages = shards.space<page>("pages", keep_page, {.shards = shared_ownership::shards});
    auto started = system.start();
    COHORT_ASSERT(started.has_value(), "the options are good and the port is free");
    auto last = system.cores() - 1;
    here->served = system.spawn_on(last, serve, here.get());
    here->network->expose("service", here->served);
    here->driver = system.spawn(call, here.get(), std::move(where));
    node.state = here;
}

}  // namespace cohort::conversation
