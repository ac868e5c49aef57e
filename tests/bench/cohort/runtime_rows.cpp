// The actor rows in Cohort, as its users write them: default options, so supervision, metrics,
// deadlines and bounded mailboxes are on. `<program> <row> [--cores N]`.

#include "../measure.hpp"

#include <cohort/cohort.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <thread>

namespace cohort::bench {
namespace {

// With its type, one of four such structs is what every peer sends.
struct put {
    std::uint64_t id;
    std::uint64_t value;
};
struct answer {
    std::uint64_t id;
    std::uint64_t value;
};
struct get {
    using reply = answer;
    std::uint64_t id;
    std::uint64_t ticket;
};
struct finish {
    std::uint64_t sent;
};
using work_protocol = protocol<put, get, answer, finish>;
struct meet {
    ref<work_protocol> peer;
};
using pair_protocol = protocol<put, get, answer, finish, meet>;

constexpr std::uint64_t window = 4;

// -- ping-pong
// ----------------------------------------------------------------------------------------

behavior<pair_protocol> echo(context<pair_protocol> self) {
    auto peer = ref<work_protocol>{};
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<get>()) {
            peer.tell(answer{request->id, request->ticket});
        } else if (auto one = message.get_if<meet>()) {
            peer = one->peer;
        } else {
            co_return;
        }
    }
}

behavior<pair_protocol> pinger(context<pair_protocol> self, ref<pair_protocol> peer,
                               std::uint64_t rounds, std::latch* done) {
    peer.tell(meet{self.self()});
    for (std::uint64_t i = 0; i < rounds; ++i) {
        peer.tell(get{i, i});
        auto message = co_await self.receive();
        if (!message.get_if<answer>()) {
            std::abort();
        }
    }
    peer.tell(finish{rounds});
    done->count_down();
}

void ping_pong(system& node, std::uint64_t ops, std::uint32_t far) {
    auto done = std::latch{1};
    auto peer = node.spawn_on(far, echo);
    node.spawn_on(0, pinger, peer, ops, &done);
    done.wait();
}

// -- many to one
// --------------------------------------------------------------------------------------

behavior<pair_protocol> sink(context<pair_protocol> self, std::uint64_t burst,
                             std::uint64_t producers) {
    auto peers = std::vector<ref<work_protocol>>{};
    for (;;) {
        auto message = co_await self.receive();
        if (auto value = message.get_if<put>()) {
            if ((value->id + 1) % burst == 0) {
                peers[value->value].tell(answer{value->id, burst});
            }
        } else if (auto one = message.get_if<meet>()) {
            peers.push_back(one->peer);
        } else if (message.get_if<finish>() && --producers == 0) {
            co_return;
        }
    }
}

behavior<pair_protocol> producer(context<pair_protocol> self, ref<pair_protocol> target,
                                 std::uint64_t burst, std::uint64_t bursts, std::uint64_t number,
                                 std::latch* done) {
    for (std::uint64_t sent = 0, granted = 0; granted < bursts;) {
        if (sent < bursts && sent - granted < window) {
            for (std::uint64_t i = 0; i < burst; ++i) {
                target.tell(put{i, number});
            }
            ++sent;
            continue;
        }
        auto message = co_await self.receive();
        if (message.get_if<answer>()) {
            ++granted;
        }
    }
    target.tell(finish{bursts});
    done->count_down();
}

behavior<pair_protocol> start_producers(context<pair_protocol> self, ref<pair_protocol> target,
                                        std::uint64_t producers, std::uint64_t burst,
                                        std::uint64_t bursts, std::latch* done) {
    for (std::uint64_t i = 0; i < producers; ++i) {
        auto one = self.spawn(producer, target, burst, bursts, i, done);
        target.tell(meet{one});
    }
    // A parent's end is its children's end.
    co_await self.receive();
}

void many_to_one(system& node, std::uint64_t ops, std::uint64_t producers, std::uint64_t burst,
                 std::uint32_t far) {
    auto done = std::latch{static_cast<std::ptrdiff_t>(producers)};
    auto target = node.spawn_on_with(far, {.mailbox_limit = 8000}, sink, burst, producers);
    auto bursts = std::max<std::uint64_t>(1, ops / producers / burst);
    auto parent = node.spawn_on(0, start_producers, target, producers, burst, bursts, &done);
    done.wait();
    node.stop(parent);
}

// -- ring
// ---------------------------------------------------------------------------------------------

behavior<pair_protocol> member(context<pair_protocol> self, ref<pair_protocol> next,
                               std::latch* done) {
    auto following = ref<work_protocol>{next};
    for (;;) {
        auto message = co_await self.receive();
        if (auto token = message.get_if<put>()) {
            if (token->value == 0) {
                done->count_down();
            } else {
                following.tell(put{token->id, token->value - 1});
            }
        } else if (auto one = message.get_if<meet>()) {
            following = one->peer;
        }
    }
}

behavior<pair_protocol> make_ring(context<pair_protocol> self, std::uint64_t hops,
                                  std::latch* done) {
    auto first = self.spawn(member, ref<pair_protocol>{}, done);
    auto next = first;
    for (int i = 1; i < 1000; ++i) {
        next = self.spawn(member, next, done);
    }
    first.tell(meet{next});
    first.tell(put{0, hops});
    co_await self.receive();
}

void ring(system& node, std::uint64_t ops) {
    auto done = std::latch{1};
    auto parent = node.spawn(make_ring, ops, &done);
    done.wait();
    node.stop(parent);
}

// -- ask and receive
// ----------------------------------------------------------------------------------

behavior<work_protocol> server(context<work_protocol> self) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<get>()) {
            request.reply(answer{request->id, request->ticket});
        } else if (message.get_if<finish>()) {
            co_return;
        }
    }
}

behavior<work_protocol> asker(context<work_protocol>, ref<work_protocol> peer, std::uint64_t rounds,
                              std::latch* done) {
    for (std::uint64_t i = 0; i < rounds; ++i) {
        auto got = co_await peer.ask<get>(5s, i, i);
        if (!got || got->id != i) {
            std::abort();
        }
    }
    peer.tell(finish{rounds});
    done->count_down();
}

void ask(system& node, std::uint64_t ops) {
    auto done = std::latch{1};
    auto peer = node.spawn(server);
    node.spawn(asker, peer, ops, &done);
    done.wait();
}

// Fills its own mailbox, untimed, and takes what is there: the row is the taking.
behavior<work_protocol> self_feeder(context<work_protocol> self, std::uint64_t ops, double* spent,
                                    std::latch* done) {
    constexpr std::uint64_t batch = 512;
    for (std::uint64_t left = ops; left > 0;) {
        auto count = std::min(batch, left);
        for (std::uint64_t i = 0; i < count; ++i) {
            self.self().tell(put{i, i});
        }
        co_await self.yield();
        auto before = wall_now_ns();
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto message = co_await self.receive();
            sum += message.get_if<put>()->id;
        }
        *spent += wall_now_ns() - before;
        if (sum != count * (count - 1) / 2) {
            std::abort();
        }
        left -= count;
    }
    done->count_down();
}

double receive(system& node, std::uint64_t ops) {
    double spent = 0;
    auto done = std::latch{1};
    node.spawn(self_feeder, ops, &spent, &done);
    done.wait();
    return spent;
}

// -- spawn and skynet
// ---------------------------------------------------------------------------------

behavior<work_protocol> one_shot(context<work_protocol> self, std::uint64_t* left,
                                 ref<work_protocol> parent) {
    auto message = co_await self.receive();
    if (message.get_if<put>() && --*left == 0) {
        parent.tell(finish{0});
    }
}

behavior<work_protocol> spawner(context<work_protocol> self, std::uint64_t ops, std::latch* done) {
    constexpr std::uint64_t batch = 10'000;
    for (std::uint64_t made = 0; made < ops;) {
        auto left = std::min(batch, ops - made);
        made += left;
        for (auto count = left; count > 0; --count) {
            self.spawn(one_shot, &left, self.self()).tell(put{count, count});
        }
        co_await self.receive();
    }
    done->count_down();
}

void spawn(system& node, std::uint64_t ops) {
    auto done = std::latch{1};
    node.spawn(spawner, ops, &done);
    done.wait();
}

behavior<work_protocol> skynet_node(context<work_protocol> self, ref<work_protocol> parent,
                                    std::uint64_t number, std::uint64_t size) {
    if (size == 1) {
        parent.tell(answer{0, number});
        co_return;
    }
    for (std::uint64_t i = 0; i < 10; ++i) {
        static_cast<void>(
            self.spawn(skynet_node, self.self(), number + i * (size / 10), size / 10));
    }
    std::uint64_t sum = 0;
    for (int i = 0; i < 10; ++i) {
        auto message = co_await self.receive();
        sum += message.get_if<answer>()->value;
    }
    parent.tell(answer{0, sum});
}

behavior<work_protocol> skynet_root(context<work_protocol> self, std::latch* done) {
    self.spawn(skynet_node, self.self(), std::uint64_t{0}, std::uint64_t{1'000'000});
    auto message = co_await self.receive();
    if (message.get_if<answer>()->value != 499'999'500'000) {
        std::abort();
    }
    done->count_down();
}

void skynet(system& node) {
    auto done = std::latch{1};
    node.spawn(skynet_root, &done);
    done.wait();
}

// -- memory and idling
// --------------------------------------------------------------------------------

behavior<work_protocol> make_idle(context<work_protocol> self, std::uint64_t count,
                                  std::latch* done) {
    for (std::uint64_t i = 0; i < count; ++i) {
        self.spawn(server);
    }
    co_await self.sleep(1ms);
    done->count_down();
    co_await self.receive();
}

void idle_memory(system& node) {
    constexpr std::uint64_t count = 1'000'000;
    auto first = std::latch{1};
    node.spawn(make_idle, std::uint64_t{1000}, &first);
    first.wait();
    auto before = resident_bytes();
    auto done = std::latch{1};
    node.spawn(make_idle, count, &done);
    done.wait();
    print({.peer = "cohort",
           .row = "idle_memory",
           .unit = "bytes",
           .value = static_cast<double>(resident_bytes() - before) / static_cast<double>(count),
           .ops = count});
}

void idle_cpu(unsigned cores) {
    auto node = system{{.cores = cores}};
    node.spawn(server);
    auto ignored = node.start();
    auto settle = std::chrono::seconds{1};
    std::this_thread::sleep_for(settle);
    auto before = cpu_now_ns();
    std::this_thread::sleep_for(std::chrono::seconds{10});
    print({.peer = "cohort",
           .row = "idle_cpu",
           .cores = cores,
           .unit = "ms",
           .value = (cpu_now_ns() - before) / 1e6,
           .ops = 1});
}

int run(const arguments& given) {
    auto row = given.row;
    if (row == "idle_cpu") {
        idle_cpu(std::max(1U, given.cores));
        return 0;
    }
    bool cross = row.starts_with("cross_");
    auto cores = cross ? 2U : given.cores;
    auto node = system{{.cores = cores}};
    if (auto started = node.start(); !started) {
        return 1;
    }
    // Rows on one core pin nothing: the row with two cores lets the second one idle, as with peers.
    auto timed = [&](std::uint64_t first, const std::function<void(std::uint64_t)>& work) {
        print("cohort", row, cores, measure(first, work));
        return 0;
    };
    if (row == "ping_pong" || row == "cross_ping_pong") {
        return timed(100'000, [&](std::uint64_t ops) { ping_pong(node, ops, cross ? 1 : 0); });
    }
    if (row == "pipelined" || row == "cross_pipelined") {
        return timed(1'000'000,
                     [&](std::uint64_t ops) { many_to_one(node, ops, 1, 1000, cross ? 1 : 0); });
    }
    if (row == "fan_in") {
        return timed(1'000'000, [&](std::uint64_t ops) { many_to_one(node, ops, 100, 10, 0); });
    }
    if (row == "ring") {
        return timed(100'000, [&](std::uint64_t ops) { ring(node, ops); });
    }
    if (row == "ask") {
        return timed(100'000, [&](std::uint64_t ops) { ask(node, ops); });
    }
    if (row == "spawn") {
        return timed(100'000, [&](std::uint64_t ops) { spawn(node, ops); });
    }
    if (row == "receive") {
        receive(node, 1'000'000);
        constexpr std::uint64_t ops = 20'000'000;
        auto cpu = cpu_now_ns();
        auto spent = receive(node, ops);
        print("cohort", row, cores, {spent, cpu_now_ns() - cpu, ops});
        return 0;
    }
    if (row == "skynet") {
        skynet(node);
        auto taken = time_once(1'111'111, [&](std::uint64_t) { skynet(node); });
        print("cohort", row, cores, taken);
        return 0;
    }
    if (row == "idle_memory") {
        idle_memory(node);
        return 0;
    }
    std::fprintf(stderr, "no such row: %s\n", std::string{row}.c_str());
    return 2;
}

}  // namespace
}  // namespace cohort::bench

int main(int argc, char** argv) {
    return cohort::bench::run(cohort::bench::parse_arguments(argc, argv));
}
