#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <cohort/remoting/detail/connection.hpp>
#include <cohort/task/combinators.hpp>
#include <cohort/testkit/checkers/leaks.hpp>

#include "service.hpp"

/// A peer that is let in and then says what a script says: the node goes on serving, gives back
/// what the peer has cost when it is gone, and ends with nothing left. All of that is asserted.
namespace cohort::conversation {

using silent = detail::silent;

inline constexpr auto pace = 2ms;

struct script {
    bool calls = false;  // on a connection of its own, or as an answer to the node's
    lane on = lane::data;
    std::vector<std::string> frames;
    std::uint32_t message_bytes_max = 128 * 1024;  // as it says of itself
    node_uid victim;
    endpoint victim_at;
    bool spoken = false;
};

/// Says everything and listens until the other side closes.
inline task<void> speak(stream* to, script* lines) {
    for (const auto& each : lines->frames) {
        bool written = co_await detail::write_all(to, each);
        if (!written) {
            co_return;
        }
        co_await sleep_for{pace};
    }
}
inline task<void> hear(stream* from) {
    auto bytes = std::array<std::byte, 4096>{};
    for (;;) {
        auto outcome = co_await read_some(*from, bytes);
        if (outcome.code != errc::ok) {
            co_return;
        }
    }
}
inline task<void> speak_and_hear(stream* with, script* lines) {
    if (!std::exchange(lines->spoken, true)) {
        static_cast<void>(co_await when_any(speak(with, lines), hear(with)));
    }
    static_cast<void>(co_await with_timeout(400ms, hear(with)));
}

template <class Message>
task<bool> read_handshake(stream* from, Message* out) {
    auto reader = handshake_reader{};
    auto found = reader.next(*out);
    while (found == handshake_reader::state::need_more) {
        auto outcome = co_await read_some(*from, reader.prepare());
        if (outcome.code != errc::ok) {
            co_return false;
        }
        reader.commit(outcome.bytes);
        found = reader.next(*out);
    }
    co_return found == handshake_reader::state::complete;
}

/// A connection of the node, welcomed as it wants to be.
inline behavior<silent> answer(context<silent>, std::unique_ptr<stream> with, script* lines) {
    auto first = hello{};
    bool heard = co_await read_handshake(with.get(), &first);
    if (!heard) {
        co_return;
    }
    auto out = byte_buffer{};
    write_handshake(welcome{.version = wire_version_max,
                            .callee = right_uid,
                            .nonce = first.nonce,
                            .callee_session = 77,
                            .frame_bytes_max = 64 * 1024,
                            .message_bytes_max = lines->message_bytes_max,
                            .names = 9,
                            .host = "10.0.0.2",
                            .port = port},
                    out);
    bool welcomed = co_await detail::write_all(with.get(), out.view());
    if (!welcomed || lines->calls || first.lane != lines->on) {
        co_await hear(with.get());
        co_return;
    }
    co_await speak_and_hear(with.get(), lines);
}

inline behavior<silent> answer_all(context<silent> self, std::unique_ptr<cohort::listener> at,
                                   script* lines) {
    for (;;) {
        auto fresh = co_await accept(*at);
        auto with = fresh ? (*fresh)->attach(self.core().reactor())
                          : result<std::unique_ptr<stream>>{errc::network};
        if (!with) {
            co_return;
        }
        self.spawn(answer, std::move(*with), lines);
    }
}

/// A connection of its own.
inline behavior<silent> knock(context<silent>, script* lines) {
    auto with = co_await connect(lines->victim_at);
    if (!with) {
        co_return;
    }
    auto out = byte_buffer{};
    write_handshake(hello{.lane = lines->on,
                          .caller = right_uid,
                          .callee = lines->victim,
                          .attempt = 1,
                          .caller_session = 77,
                          .frame_bytes_max = 64 * 1024,
                          .message_bytes_max = lines->message_bytes_max,
                          .cluster = "fuzz",
                          .host = "10.0.0.2",
                          .port = port},
                    out);
    bool said = co_await detail::write_all(with->get(), out.view());
    auto answered = welcome{};
    if (!said || !co_await read_handshake(with->get(), &answered)) {
        co_return;
    }
    COHORT_ASSERT(answered.why == rejection::none, "the peer is let in");
    co_await speak_and_hear(with->get(), lines);
}

inline void boot_attacker(simulated_node& node, script* lines) {
    auto& system = node.system();
    auto started = system.start();
    COHORT_ASSERT(started.has_value(), "a node without extensions starts");
    auto port_opened = std::unique_ptr<cohort::listener>{};
    system.on_core(0, [&](core& here) {
        port_opened = std::move(*here.reactor().listen({node.host(), port}));
    });
    static_cast<void>(system.spawn_on(0, answer_all, std::move(port_opened), lines));
    if (lines->calls) {
        static_cast<void>(system.spawn_on(0, knock, lines));
    }
}

/// Gives the numbers of the node before the attacker is gone.
inline remoting_numbers play(script lines) {
    auto sim = simulation{{.seed = 1}};
    auto& victim = sim.add({.runtime = {.cores = 2}, .boot = [](simulated_node& node) {
                                boot(node, {node.host(), port}, {"10.0.0.2", port});
                            }});
    auto here = std::static_pointer_cast<station>(victim.state);
    lines.victim = here->network->uid();
    lines.victim_at = here->network->local();
    auto& attacker =
        sim.add({.boot = [&lines](simulated_node& node) { boot_attacker(node, &lines); }});
    sim.run_for(600ms);
    auto own = victim.system().ask<put>(here->served, 1s, "own", bytes{"own"}, std::nullopt);
    sim.run_for(100ms);
    COHORT_ASSERT(lines.spoken, "the peer has its say");
    COHORT_ASSERT(own.get().has_value(), "the node goes on serving");
    auto heard = here->network->numbers();
    sim.crash(attacker);
    bool given_up = sim.run_until([&] { return here->network->numbers().peers == 0; }, 10s);
    COHORT_ASSERT(given_up, "a peer that is gone is given up");
    sim.run_for(10ms);
    auto numbers = here->network->numbers();
    COHORT_ASSERT(numbers.inbound_bytes_left == static_cast<std::int64_t>(node_bytes_max) &&
                      numbers.outbound_bytes_left == numbers.inbound_bytes_left,
                  "what a peer has cost is given back");
    here.reset();
    bool ended = sim.stop(victim);
    COHORT_ASSERT(ended, "the node ends in order");
    COHORT_ASSERT(!leak_checker::left_by(sim), "nothing of a peer is left");
    return heard;
}

}  // namespace cohort::conversation
