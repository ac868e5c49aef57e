#include <cohort/remoting/remoting.hpp>

#include <algorithm>

#include <cohort/remoting/detail/remote_core.hpp>
#include <cohort/remoting/detail/state.hpp>
#include <cohort/remoting/frame_reader.hpp>
#include <cohort/task/combinators.hpp>

namespace cohort {
namespace {

constexpr duration accept_pause = std::chrono::milliseconds{100};
constexpr duration leave_poll = std::chrono::milliseconds{2};
constexpr duration leave_time = std::chrono::seconds{2};

/// Asks the other node's names actor for an actor that understands the types.
struct resolve {
    static constexpr std::string_view wire_name = "cohort.remoting.resolve";
    using reply = result<std::uint64_t>;
    std::string name;
    std::vector<std::uint32_t> types;
};
using names_protocol = protocol<resolve>;

struct accepted {
    std::unique_ptr<incoming_stream> socket;
    detail::stranger place;
};
using host_protocol = protocol<accepted>;

result<std::uint64_t> resolve_here(detail::remoting_state& node, const resolve& wanted) {
    auto guard = std::lock_guard{node.names_mutex};
    auto found = node.names_known.find(wanted.name);
    if (found == node.names_known.end()) {
        return error{errc::not_found, "no actor is exposed as '" + wanted.name + "'"};
    }
    const auto& known = found->second.types;
    for (auto type : wanted.types) {
        if (std::find(known.begin(), known.end(), type) == known.end()) {
            return error{errc::invalid, "the actor exposed as '" + wanted.name +
                                            "' does not understand every message that is wanted"};
        }
    }
    return found->second.target.value;
}

behavior<names_protocol> answer_names(context<names_protocol> self, detail::remoting_state* node) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto wanted = message.get_if<resolve>()) {
            wanted.reply(resolve_here(*node, *wanted));
        }
    }
}

/// What owns the connections that came to a core.
behavior<host_protocol> host(context<host_protocol> self, detail::remoting_state* node) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto fresh = message.get_if<accepted>()) {
            self.spawn(&detail::inbound::serve, node, std::move(fresh->socket),
                       std::move(fresh->place), nullptr);
        }
    }
}

behavior<detail::silent> accept_all(context<detail::silent> self, detail::remoting_state* node,
                                    std::unique_ptr<listener> port,
                                    std::vector<ref<host_protocol>> hosts) {
    for (std::size_t turn = 0;; ++turn) {
        auto socket = co_await accept(*port);
        if (!socket) {
            if (socket.error() == errc::cancelled) {
                co_return;
            }
            self.core().owner().report(
                {"connection not accepted", self.name(), socket.error().message()});
            co_await self.sleep(accept_pause);
            continue;
        }
        if (node->strangers.all() >= node->options.half_open_max) {
            node->cores[0]->counters().handshakes_refused.add();
            continue;  // dropping it closes it
        }
        hosts[turn % hosts.size()].tell(
            accepted{std::move(*socket), detail::stranger{node->strangers}});
    }
}

behavior<detail::silent> remind(context<detail::silent> self, endpoint open) {
    for (;;) {
        self.core().owner().report(
            {"remoting is insecure", open.text(),
             "whoever reaches this port can send anything to this node's actors"});
        co_await self.sleep(std::chrono::minutes{1});
    }
}

/// Certificates are renewed while the node runs.
behavior<detail::silent> renew(context<detail::silent> self, tls_credentials credentials,
                               duration interval) {
    auto& home = self.core().owner();
    for (;;) {
        co_await self.sleep(interval);
        auto reader = home.world().start_worker("certificates");
        auto look = [&credentials, &home] { return credentials.refresh(home.world()); };
        auto renewed = co_await run_on(*reader, look);
        if (!renewed) {
            home.report({"certificates not renewed", credentials.self().uri(),
                         renewed.error().message() + "; the old ones stay in use"});
        } else if (*renewed) {
            home.report(
                {"certificates renewed", credentials.self().uri(), "new connections use them"});
        }
    }
}

/// Lets the links of one kind send what they have, and waits until the peers took it.
task<void> leave_lanes(detail::remoting_state* node, lane kind, time_point until) {
    node->on_every_core([kind](detail::remote_core& each) { each.leave(kind); });
    bool left = false;
    while (!left && this_core().now() < until) {
        auto cores_left = std::make_shared<std::atomic<std::size_t>>(0);
        node->on_every_core(
            [cores_left](detail::remote_core& each) { *cores_left += each.has_left() ? 1U : 0U; });
        co_await sleep_for{leave_poll};
        left = *cores_left == node->cores.size();
    }
}

bool loopback(const std::string& host) {
    return host.starts_with("127.") || host == "::1" || host == "localhost";
}

result<void> check(const remoting_options& options) {
    auto wrong = [](std::string why) { return error{errc::invalid, std::move(why), "remoting"}; };
    if (options.cluster.size() > handshake_reader::text_max ||
        options.advertised.host.size() > handshake_reader::text_max) {
        return wrong("the cluster's name and the advertised host have at most 255 bytes");
    }
    if (options.frame_bytes_max < 2 * chunk_bytes_max ||
        options.frame_bytes_max > frame_reader::hard_bytes_max) {
        return wrong("frame_bytes_max is between 64 KiB and 16 MiB");
    }
    if (options.message_bytes_max < options.frame_bytes_max ||
        options.message_bytes_max > (1U << 30)) {
        return wrong("message_bytes_max is at least frame_bytes_max and at most 1 GiB");
    }
    if (options.credentials && options.credentials->self().cluster != options.cluster) {
        return wrong("the node's certificate is for the cluster '" +
                     options.credentials->self().cluster + "', not '" + options.cluster + "'");
    }
    if (!options.insecure && !options.credentials && !loopback(options.listen.host)) {
        return wrong("listening on " + options.listen.host +
                     " without encryption has to be asked for: give credentials, or set insecure");
    }
    return {};
}

}  // namespace

remoting::remoting(remoting_options options)
    : state_{std::make_unique<detail::remoting_state>(std::move(options))} {}
remoting::remoting(remoting&&) noexcept = default;
remoting& remoting::operator=(remoting&&) noexcept = default;
remoting::~remoting() = default;

endpoint remoting::local() const { return state_->local; }
node_uid remoting::uid() const { return state_->uid; }

result<void> remoting::start(system& owner) {
    auto& self = *state_;
    detail::pass_door<names_protocol>();
    if (auto good = check(self.options); !good) {
        return good;
    }
    if (auto built = self.formats.build(); !built) {
        return built;
    }
    auto port = std::unique_ptr<listener>{};
    auto failure = error{errc::ok};
    owner.on_core(0, [&](core& here) {
        auto opened = here.reactor().listen(self.options.listen);
        if (opened) {
            port = std::move(*opened);
        } else {
            failure = opened.error();
        }
    });
    if (!port) {
        return failure;
    }
    self.local = self.options.advertised;
    self.local.host = self.local.host.empty() ? port->local().host : self.local.host;
    self.local.port = self.local.port == 0 ? port->local().port : self.local.port;
    self.uid = {owner.world().random() | 1, owner.world().random()};
    self.node = &owner.runtime();
    self.peers = std::make_unique<detail::directory>(owner.world());
    for (std::uint32_t id = 0; id < owner.cores(); ++id) {
        self.cores.push_back(
            std::make_unique<detail::remote_core>(self, owner.runtime().at(id), owner.cores()));
    }
    auto hosts = std::vector<ref<host_protocol>>{};
    for (std::uint32_t id = 0; id < owner.cores(); ++id) {
        owner.on_core(id, [&](core& here) { here.set_remote(self.cores[id].get()); });
        hosts.push_back(owner.spawn_on_with(id, {.name = "remoting"}, host, &self));
    }
    self.resolver = owner.spawn_on_with(0, {.name = "resolver"}, detail::resolve_names);
    self.names = owner.spawn_on_with(0, {.name = "names"}, answer_names, &self).address();
    acceptor_ = owner.spawn(accept_all, &self, std::move(port), std::move(hosts));
    if (self.options.insecure && !self.options.credentials) {
        owner.spawn(remind, self.local);
    }
    if (self.options.credentials && self.options.credentials_interval > duration::zero()) {
        owner.spawn(renew, *self.options.credentials, self.options.credentials_interval);
    }
    return {};
}

task<void> remoting::stop() {
    auto& self = *state_;
    auto& here = this_core();
    self.leaving = true;
    here.keeper().stop(here, acceptor_.address());
    auto until = here.now() + leave_time;
    co_await leave_lanes(&self, lane::data, until);
    co_await leave_lanes(&self, lane::control, until);
}

namespace {

/// Calls an address to learn who listens there.
task<result<detail::peer>> make_contact(detail::remoting_state* node, endpoint address) {
    auto first = hello{.lane = lane::contact,
                       .caller = node->uid,
                       .frame_bytes_max = node->options.frame_bytes_max,
                       .message_bytes_max = node->options.message_bytes_max,
                       .cluster = node->options.cluster,
                       .host = node->local.host,
                       .port = node->local.port};
    auto greeted =
        co_await with_timeout(node->options.handshake_time, greet(node, address, std::move(first)));
    if (!greeted) {
        co_return error{errc::unavailable, address.text() + " does not answer", "remoting"};
    }
    if (!*greeted) {
        co_return std::move(*greeted).error();
    }
    const auto& answer = (*greeted)->answer;
    (*greeted)->socket->close();
    if (answer.why != rejection::none) {
        co_return error{errc::unavailable,
                        address.text() + " refused: " + std::string{cohort::name(answer.why)},
                        "remoting"};
    }
    auto known = node->peers->learn(answer.callee, address, handle{answer.names});
    if (!known) {
        co_return error{errc::overloaded, "too many peers are known", "remoting"};
    }
    co_return std::move(*known);
}

}  // namespace

task<result<actor_address>> remoting::find_address(endpoint node, std::string name,
                                                   std::vector<std::uint32_t> types,
                                                   duration within) {
    auto& self = *state_;
    COHORT_ASSERT(self.peers != nullptr, "names are looked up after the system has started");
    auto until = after(this_core().now(), within);
    if (node == self.local) {
        auto found = resolve_here(self, {std::move(name), std::move(types)});
        if (!found) {
            co_return std::move(found).error();
        }
        co_return actor_address{{*found}};
    }
    auto last = error{errc::unavailable};
    auto known = self.peers->find(node);
    // What is known of an address may be of a node that is not there any more.
    for (int attempt = known && known->names ? 0 : 1; attempt < 2; ++attempt) {
        if (attempt == 1) {
            auto left = until - this_core().now();
            auto contacted = co_await with_timeout(left, make_contact(&self, node));
            if (!contacted) {
                co_return errc::timeout;
            }
            if (!*contacted) {
                co_return std::move(*contacted).error();
            }
            known = std::move(**contacted);
        }
        auto names = ref<names_protocol>{
            actor_address::remote(known->names, known->place, known->generation)};
        // One that was known may be there no more, without a word: time is left for calling anew.
        auto now = this_core().now();
        auto wait_until = attempt == 0 ? now + (until - now) / 2 : until;
        auto answer = co_await names.ask<resolve>(deadline{wait_until, 0}, name, types);
        if (answer) {
            co_return actor_address::remote({*answer}, known->place, known->generation);
        }
        last = std::move(answer).error();
        if (last == errc::not_found || last == errc::invalid) {
            break;
        }
    }
    co_return last;
}

remoting_numbers remoting::numbers() const {
    auto& self = *state_;
    auto out = remoting_numbers{};
    for (const auto& each : self.cores) {
        const auto& counted = each->counters();
        out.messages_out += counted.messages_out.value();
        out.messages_in += counted.messages_in.value();
        out.bytes_out += counted.bytes_out.value();
        out.bytes_in += counted.bytes_in.value();
        out.writes += counted.writes.value();
        out.tells_dropped += counted.tells_dropped.value();
        out.tells_lost += counted.tells_lost.value();
        out.asks_refused += counted.asks_refused.value();
        out.unknown_types += counted.unknown_types.value();
        out.not_understood += counted.not_understood.value();
        out.bad_bytes += counted.bad_bytes.value();
        out.handshakes_refused += counted.handshakes_refused.value();
        out.connections_made += counted.connections_made.value();
        out.connections_lost += counted.connections_lost.value();
        out.stalled += counted.stalled.value();
    }
    out.peers_gone = self.peers_gone;
    out.peers = self.peers ? self.peers->all().size() : 0;
    out.outbound_bytes_left = self.outbound.left();
    out.inbound_bytes_left = self.inbound.left();
    return out;
}

bool remoting::knows_peer(const actor_address& of) const {
    return state_->peers->find(of.place(), of.generation).has_value();
}

void remoting::expose_as(std::string name, handle target, std::vector<std::uint32_t> types) {
    COHORT_ASSERT(target.core() != core_elsewhere, "a node exposes its own actors");
    auto guard = std::lock_guard{state_->names_mutex};
    state_->names_known.insert_or_assign(std::move(name),
                                         detail::remoting_state::exposed{target, std::move(types)});
}

}  // namespace cohort
