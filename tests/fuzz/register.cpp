// Nodes of the cluster's register that say anything, at any time, to one that is in order: it goes
// on, what it says is small, and every view that it takes for the newest is one that can be.
//
// The first byte says which node it is; see `step` for the rest. An empty message makes it leave.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "register.hpp"

namespace {

using namespace cohort;
using namespace cohort::register_talk;

constexpr std::size_t steps_max = 200;

void look_at(register_node& it, time_point now) {
    for (const auto& each : it.take_outgoing()) {
        auto out = byte_buffer{};
        encode(each.content, out).value();
    }
    for (const auto& each : it.take_events()) {
        COHORT_ASSERT(each.view == nullptr || what_is_wrong(*each.view) == nullptr,
                      "a view that a node takes can be");
    }
    static_cast<void>(it.seats(now));
    static_cast<void>(it.leases(now));
    static_cast<void>(it.is_driver(now));
    static_cast<void>(it.seats_held(now));
}

void play(register_node it, std::string_view input) {
    auto now = time_point{1h};
    it.start(now);
    look_at(it, now);
    auto next = step{};
    for (std::size_t i = 0; i < steps_max && read_step(input, next); ++i) {
        auto then = now + tick * next.ticks;
        while (it.due() <= then) {
            now = std::max(now, it.due());
            it.tick(now);
            look_at(it, now);
        }
        now = then;
        auto message = decode<control_message>(next.message);
        if (message) {
            it.receive(now, address_of(next.from % nodes), *message);
        } else if (next.message.empty() && next.from == 0xff) {
            it.leave(now);
        }
        look_at(it, now);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size != 0) {
        play(make_node(data[0] % nodes), {reinterpret_cast<const char*>(data) + 1, size - 1});
    }
    return 0;
}
