#include <cohort/http/server.hpp>

#include <atomic>

#include <cohort/http/detail/connection.hpp>
#include <cohort/http/router.hpp>
#include <cohort/task/combinators.hpp>

namespace cohort {
namespace {

constexpr duration accept_pause = std::chrono::milliseconds{100};
constexpr duration drain_poll = std::chrono::milliseconds{5};

struct accepted {
    std::unique_ptr<incoming_stream> socket;
    detail::admission place;
    bool refused = false;
};
struct drain_connections {};
using host_protocol = protocol<accepted, drain_connections>;

/// One connection. Its state is a parameter, because parameters live until the frame goes: after
/// the tasks that use it have come to rest.
behavior<detail::silent> serve(context<detail::silent> self, detail::server_core* server,
                               std::unique_ptr<stream> socket, detail::admission place,
                               std::unique_ptr<detail::connection> whole) {
    whole = std::make_unique<detail::connection>(*server, cell_of(self), std::move(socket),
                                                 std::move(place));
    self.start(whole->write());
    co_await whole->read();
}

/// Writes one answer, and reads until the client has ended its stream as well.
task<void> answer_and_linger(stream* socket, detail::server_core* server, std::string answer) {
    auto rest = std::as_bytes(std::span{answer});
    while (!rest.empty()) {
        auto buffer = std::array{rest};
        auto outcome = co_await write_some(*socket, buffer);
        if (outcome.code != errc::ok) {
            co_return;
        }
        rest = rest.subspan(outcome.bytes);
    }
    socket->end_writing();
    for (;;) {
        auto outcome = co_await read_some(*socket, server->waste);
        if (outcome.code != errc::ok) {
            co_return;
        }
    }
}

/// A connection over the limit: one answer, and goodbye.
behavior<detail::silent> refuse(context<detail::silent> self, detail::server_core* server,
                                std::unique_ptr<stream> socket) {
    auto out = composer{};
    out.append(problem(503, "too many connections").header("Retry-After", "1"), true,
               connection_after::closes, server->date_at(self.core()));
    auto piece = std::array<std::string_view, 1>{};
    static_cast<void>(out.pieces(piece));
    // Bounded in time, and short in any case: a client that does not read it gets no second answer.
    auto goodbye = answer_and_linger(socket.get(), server, std::string{piece[0]});
    static_cast<void>(co_await with_timeout(server->options->linger_time, std::move(goodbye)));
}

/// What owns a core's connections.
behavior<host_protocol> host(context<host_protocol> self, detail::server_core* server) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto fresh = message.get_if<accepted>()) {
            auto socket = fresh->socket->attach(self.core().reactor());
            if (!socket) {
                self.core().owner().report(
                    {"connection not attached", self.name(), socket.error().message()});
            } else if (fresh->refused) {
                self.spawn(refuse, server, std::move(*socket));
            } else {
                self.spawn(serve, server, std::move(*socket), std::move(fresh->place), nullptr);
            }
        } else {
            server->drain();
        }
    }
}

}  // namespace

struct http_server::state {
    http_options options;
    router routes;
    std::vector<std::string> patterns;
    std::vector<std::unique_ptr<detail::route_call>> calls;
    error first_refusal{errc::ok};
    bool started = false;

    std::vector<std::unique_ptr<detail::server_core>> cores;
    std::vector<ref<host_protocol>> hosts;
    ref<detail::silent> acceptor;
    endpoint local;
    std::atomic<std::uint32_t> open{0};
    core_counter accepted_connections;
    core_counter refused_connections;

    static behavior<detail::silent> accept_all(context<detail::silent> self, state* server,
                                               std::unique_ptr<listener> port);
};

/// Deals connections to the cores in turn.
behavior<detail::silent> http_server::state::accept_all(context<detail::silent> self, state* server,
                                                        std::unique_ptr<listener> port) {
    for (std::size_t turn = 0;; ++turn) {
        auto socket = co_await accept(*port);
        if (!socket) {
            if (socket.error() == errc::cancelled) {
                co_return;
            }
            // Out of descriptors, most likely: others end meanwhile.
            self.core().owner().report(
                {"connection not accepted", self.name(), socket.error().message()});
            co_await self.sleep(accept_pause);
            continue;
        }
        auto message = accepted{std::move(*socket), {}, false};
        if (server->open < server->options.connections_max) {
            server->accepted_connections.add();
            message.place = detail::admission{server->open};
        } else {
            server->refused_connections.add();
            message.refused = true;
        }
        server->hosts[turn % server->hosts.size()].tell(std::move(message));
    }
}

http_server::http_server(http_options options) : state_{std::make_unique<state>()} {
    state_->options = std::move(options);
}
http_server::http_server(http_server&&) noexcept = default;
http_server& http_server::operator=(http_server&&) noexcept = default;
http_server::~http_server() = default;

std::string_view http_server::name() const noexcept { return state_->options.name; }

endpoint http_server::local() const { return state_->local; }

void http_server::add_route(method verb, std::string_view pattern,
                            std::unique_ptr<detail::route_call> call) {
    COHORT_ASSERT(!state_->started, "routes are added before the system starts");
    auto added = state_->routes.add(verb, pattern);
    if (!added) {
        if (state_->first_refusal == errc::ok) {
            state_->first_refusal = added.error();
        }
        return;
    }
    state_->calls.push_back(std::move(call));
    state_->patterns.emplace_back(pattern);
}

result<void> http_server::start(system& owner) {
    auto& self = *state_;
    self.started = true;
    if (!(self.first_refusal == errc::ok)) {
        return self.first_refusal;
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
    self.local = port->local();
    for (std::uint32_t id = 0; id < owner.cores(); ++id) {
        auto& each = *self.cores.emplace_back(std::make_unique<detail::server_core>());
        each.options = &self.options;
        each.routes = &self.routes;
        each.patterns = &self.patterns;
        for (const auto& call : self.calls) {
            each.calls.push_back(call->copy());
        }
        self.hosts.push_back(owner.spawn_on_with(
            id, {.name = self.options.name, .supervision = supervision{restart_options{}}}, host,
            &each));
    }
    self.acceptor = owner.spawn(&state::accept_all, &self, std::move(port));
    return {};
}

task<void> http_server::stop() {
    auto& self = *state_;
    auto& here = this_core();
    here.keeper().stop(here, self.acceptor.address());
    for (const auto& each : self.hosts) {
        each.tell(drain_connections{});
    }
    while (self.open != 0) {
        co_await sleep_for{drain_poll};
    }
}

http_numbers http_server::numbers() const {
    auto& self = *state_;
    auto out = http_numbers{};
    out.connections_accepted = self.accepted_connections.value();
    out.connections_refused = self.refused_connections.value();
    out.connections_open = self.open;
    for (const auto& each : self.cores) {
        out.requests += each->requests.value();
        out.broken_requests += each->broken_requests.value();
        out.timeouts += each->timeouts.value();
        out.handler_failures += each->handler_failures.value();
        for (std::size_t kind = 0; kind < each->answers.size(); ++kind) {
            out.answers[kind] += each->answers[kind].value();
        }
    }
    return out;
}

}  // namespace cohort
