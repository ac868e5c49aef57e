#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <cohort/task/combinators.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort::streams {

// Programs for simulated nodes: a server that sends back what it reads, and clients that note what
// they see.

struct nothing {};
using silent = protocol<nothing>;

inline task<errc> write_all(stream* to, std::string text) {
    auto rest = std::as_bytes(std::span{text});
    while (!rest.empty()) {
        auto buffers = std::array{rest};
        auto outcome = co_await write_some(*to, buffers);
        if (outcome.code != errc::ok) {
            co_return outcome.code;
        }
        rest = rest.subspan(outcome.bytes);
    }
    co_return errc::ok;
}

inline behavior<silent> echo_one(context<silent>, std::unique_ptr<stream> socket) {
    for (;;) {
        auto room = std::array<std::byte, 512>{};
        auto outcome = co_await read_some(*socket, room);
        if (outcome.code != errc::ok) {
            co_return;
        }
        auto text = std::string{reinterpret_cast<const char*>(room.data()), outcome.bytes};
        auto sent = co_await write_all(socket.get(), std::move(text));
        if (sent != errc::ok) {
            co_return;
        }
    }
}

inline behavior<silent> echo_all(context<silent> self, std::unique_ptr<listener> port) {
    for (;;) {
        auto incoming = co_await accept(*port);
        if (!incoming) {
            co_return;
        }
        auto socket = (*incoming)->attach(self.core().reactor());
        if (socket) {
            self.spawn(echo_one, std::move(*socket));
        }
    }
}

inline void serve_echo(simulated_node& node) {
    auto started = node.system().start();
    COHORT_ASSERT(started.has_value(), "it has no extensions");
    node.system().on_core(0, [&](core& here) {
        auto port = here.reactor().listen({"0.0.0.0", 7});
        COHORT_ASSERT(port.has_value(), "the port is free");
        node.system().spawn(echo_all, std::move(*port));
    });
}

/// What a client saw.
struct notes {
    errc connected = errc::not_loaded;
    errc ended = errc::not_loaded;
    std::string received;
    duration connecting{};
    duration until_ended{};
};

/// Connects, writes, and reads until it has so many bytes or the stream fails.
inline behavior<silent> converse(context<silent> self, endpoint to, std::string text,
                                 std::size_t bytes, notes* out) {
    auto began = self.now();
    auto socket = co_await connect(to);
    out->connecting = self.core().now() - began;
    out->connected = socket ? errc::ok : socket.error().code();
    if (!socket) {
        co_return;
    }
    out->ended = co_await write_all(socket->get(), std::move(text));
    while (out->received.size() < bytes) {
        auto room = std::array<std::byte, 512>{};
        auto outcome = co_await read_some(**socket, room);
        out->ended = outcome.code;
        if (outcome.code != errc::ok) {
            break;
        }
        out->received.append(reinterpret_cast<const char*>(room.data()), outcome.bytes);
    }
    out->until_ended = self.core().now() - began;
}

}  // namespace cohort::streams
