// The actor rows in CAF 0.17, as its users write them: function-based actors with one behaviour of
// four message types. `<program> <row> [--cores N]`, N scheduler threads.

#include "../../measure.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <vector>

namespace cohort::bench {

// With its tag, one of four such structs is 24 bytes: what every peer sends.
struct put {
    std::uint64_t id;
    std::uint64_t value;
};
struct get {
    std::uint64_t id;
    std::uint64_t ticket;
};
struct answer {
    std::uint64_t id;
    std::uint64_t value;
};
struct finish {
    std::uint64_t sent;
};

}  // namespace cohort::bench

// No message leaves the process, so none needs a serialiser.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cohort::bench::put)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cohort::bench::get)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cohort::bench::answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cohort::bench::finish)

namespace cohort::bench {

namespace {

using counter = std::atomic<std::uint64_t>;
using self_pointer = caf::event_based_actor*;

/// Answers each `get`, counts each `put` and grants the sender more after each burst.
caf::behavior server(self_pointer self, std::uint64_t burst) {
    return {
        [](const get& request) { return answer{request.id, request.ticket}; },
        [self, burst](const put& value) {
            if ((value.id + 1) % burst == 0) {
                self->send(caf::actor_cast<caf::actor>(self->current_sender()),
                           answer{value.id, burst});
            }
        },
        [](const answer&) {},
        [self](const finish&) { self->quit(); },
    };
}

caf::behavior pinger(self_pointer self, caf::actor server, std::uint64_t rounds) {
    return {
        [self, server, rounds](const answer& got) {
            if (got.id == rounds) {
                self->send(server, finish{rounds});
                self->quit();
                return;
            }
            self->send(server, get{got.id + 1, got.value});
        },
        [](const put&) {},
        [](const get&) {},
        [self](const finish&) { self->quit(); },
    };
}

void ping_pong(caf::actor_system& system, std::uint64_t ops) {
    const auto peer = system.spawn(server, 1);
    caf::anon_send(system.spawn(pinger, peer, ops), answer{0, 0});
    system.await_all_actors_done();
}

/// Sends bursts of puts, at most `window` of them without an answer.
caf::behavior producer(self_pointer self, caf::actor sink, std::uint64_t burst,
                       std::uint64_t window, std::uint64_t bursts, counter* still_running) {
    struct progress {
        std::uint64_t sent = 0;
        std::uint64_t granted = 0;
    };
    auto state = std::make_shared<progress>();
    const auto send_burst = [self, sink, burst, state] {
        for (std::uint64_t i = 0; i < burst; ++i) {
            self->send(sink, put{i, state->sent});
        }
        ++state->sent;
    };
    return {
        [=](const get&) {
            while (state->sent < std::min(window, bursts)) {
                send_burst();
            }
        },
        [=](const answer&) {
            if (state->sent < bursts) {
                send_burst();
            }
            if (++state->granted == bursts) {
                if (still_running->fetch_sub(1) == 1) {
                    self->send(sink, finish{bursts});
                }
                self->quit();
            }
        },
        [](const put&) {},
        [self](const finish&) { self->quit(); },
    };
}

void many_to_one(caf::actor_system& system, std::uint64_t ops, std::uint64_t producers,
                 std::uint64_t burst, std::uint64_t window) {
    counter still_running{producers};
    const auto sink = system.spawn(server, burst);
    const std::uint64_t bursts = ops / producers / burst;
    for (std::uint64_t i = 0; i < producers; ++i) {
        caf::anon_send(system.spawn(producer, sink, burst, window, bursts, &still_running),
                       get{0, 0});
    }
    system.await_all_actors_done();
}

caf::behavior ring_member(self_pointer self, caf::actor next) {
    auto following = std::make_shared<caf::actor>(next);
    return {
        [self, following](const put& token) {
            if (token.value == 0) {
                self->send(*following, finish{0});
                return;
            }
            self->send(*following, put{token.id, token.value - 1});
        },
        // The first member is told its successor last, which closes the ring.
        [following](const caf::actor& successor) { *following = successor; },
        [](const get&) {},
        [](const answer&) {},
        [self, following](const finish&) {
            self->send(*following, finish{0});
            *following = nullptr;
            self->quit();
        },
    };
}

void ring(caf::actor_system& system, std::uint64_t ops) {
    const auto first = system.spawn(ring_member, caf::actor{});
    auto next = first;
    for (int i = 1; i < 1000; ++i) {
        next = system.spawn(ring_member, next);
    }
    caf::anon_send(first, next);
    caf::anon_send(first, put{0, ops});
    next = nullptr;
    system.await_all_actors_done();
}

void ask_next(self_pointer self, const caf::actor& server, std::uint64_t left) {
    if (left == 0) {
        self->send(server, finish{0});
        self->quit();
        return;
    }
    self->request(server, std::chrono::seconds(5), get{left, left})
        .then([self, server, left](const answer&) { ask_next(self, server, left - 1); });
}

caf::behavior asker(self_pointer self, caf::actor server, std::uint64_t rounds) {
    return {
        [=](const put&) { ask_next(self, server, rounds); },
        [](const get&) {},
        [self](const finish&) { self->quit(); },
    };
}

void ask(caf::actor_system& system, std::uint64_t ops) {
    const auto peer = system.spawn(server, 1);
    caf::anon_send(system.spawn(asker, peer, ops), put{0, 0});
    system.await_all_actors_done();
}

caf::behavior worker(self_pointer self, caf::actor parent, counter* still_running) {
    return {
        [=](const put& work) {
            if (still_running->fetch_sub(1) == 1) {
                self->send(parent, answer{work.id, work.value});
            }
            self->quit();
        },
        [](const get&) {},
        [](const answer&) {},
        [self](const finish&) { self->quit(); },
    };
}

constexpr std::uint64_t spawn_batch = 10'000;

/// Spawns batches of workers; each gets one message and exits.
caf::behavior spawner(self_pointer self, std::uint64_t batches) {
    auto still_running = std::make_shared<counter>(0);
    return {
        [=](const answer& got) {
            if (got.id == batches) {
                self->quit();
                return;
            }
            still_running->store(spawn_batch);
            const auto parent = caf::actor_cast<caf::actor>(self);
            for (std::uint64_t i = 0; i < spawn_batch; ++i) {
                self->send(self->spawn(worker, parent, still_running.get()), put{got.id + 1, i});
            }
        },
        [](const put&) {},
        [](const get&) {},
        [self](const finish&) { self->quit(); },
    };
}

void spawn(caf::actor_system& system, std::uint64_t batches) {
    caf::anon_send(system.spawn(spawner, batches), answer{0, 0});
    system.await_all_actors_done();
}

/// One node of the tree: a leaf sends its number up, the others add what their ten children send.
caf::behavior skynet_node(self_pointer self, caf::actor parent, std::uint64_t* total) {
    struct progress {
        std::uint64_t sum = 0;
        unsigned missing = 10;
    };
    auto state = std::make_shared<progress>();
    const auto report = [=](std::uint64_t sum) {
        if (parent) {
            self->send(parent, answer{0, sum});
        } else {
            *total = sum;
        }
        self->quit();
    };
    return {
        [=](const get& request) {
            if (request.ticket == 1) {
                report(request.id);
                return;
            }
            const auto own = caf::actor_cast<caf::actor>(self);
            const std::uint64_t size = request.ticket / 10;
            for (std::uint64_t i = 0; i < 10; ++i) {
                self->send(self->spawn(skynet_node, own, total), get{request.id + i * size, size});
            }
        },
        [=](const answer& part) {
            state->sum += part.value;
            if (--state->missing == 0) {
                report(state->sum);
            }
        },
        [](const put&) {},
        [self](const finish&) { self->quit(); },
    };
}

void skynet(caf::actor_system& system, std::uint64_t leaves) {
    std::uint64_t total = 0;
    caf::anon_send(system.spawn(skynet_node, caf::actor{}, &total), get{0, leaves});
    system.await_all_actors_done();
    if (total != leaves * (leaves - 1) / 2) {
        std::fprintf(stderr, "skynet added up to %llu\n", static_cast<unsigned long long>(total));
        std::exit(1);
    }
}

caf::behavior idle(self_pointer self, counter* parked) {
    ++*parked;
    return {
        [](const put&) {},
        [](const get&) {},
        [](const answer&) {},
        [self](const finish&) { self->quit(); },
    };
}

void idle_memory(caf::actor_system& system, unsigned cores) {
    constexpr std::uint64_t actors = 1'000'000;
    counter parked{0};
    std::vector<caf::actor> handles;
    handles.reserve(actors);
    const std::uint64_t before = resident_bytes();
    const sample taken = time_once(actors, [&](std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            handles.push_back(system.spawn(idle, &parked));
        }
        while (parked != count) {
            std::this_thread::yield();
        }
    });
    const std::uint64_t held = resident_bytes() - before - actors * sizeof(caf::actor);
    print({.peer = "caf",
           .row = "idle_memory",
           .cores = cores,
           .unit = "bytes",
           .value = static_cast<double>(held) / actors,
           .cpu_ns = taken.cpu_ns / actors,
           .ops = actors});
    // Ends here: taking a million actors down is no part of this row.
    std::fflush(stdout);
    std::_Exit(0);
}

int run(const arguments& asked) {
    caf::actor_system_config config;
    config.set("scheduler.max-threads", asked.cores);
    caf::actor_system system{config};
    const auto report = [&](std::uint64_t first_ops, auto work, std::uint64_t ops_each = 1) {
        auto taken = measure(first_ops, [&](std::uint64_t ops) { work(system, ops); });
        taken.ops *= ops_each;
        print("caf", asked.row, asked.cores, taken);
        return 0;
    };
    if (asked.row == "ping_pong") {
        return report(10'000, ping_pong);
    }
    if (asked.row == "pipelined") {
        return report(100'000, [](caf::actor_system& in, std::uint64_t ops) {
            many_to_one(in, ops, 1, 1000, 4);
        });
    }
    if (asked.row == "fan_in") {
        return report(100'000, [](caf::actor_system& in, std::uint64_t ops) {
            many_to_one(in, ops, 100, 10, 4);
        });
    }
    if (asked.row == "ring") {
        return report(100'000, ring);
    }
    if (asked.row == "ask") {
        return report(10'000, ask);
    }
    if (asked.row == "spawn") {
        return report(1, spawn, spawn_batch);
    }
    if (asked.row == "skynet") {
        skynet(system, 10'000);
        auto taken = time_once(1'000'000, [&](std::uint64_t leaves) { skynet(system, leaves); });
        taken.ops = 1'111'111;
        print("caf", asked.row, asked.cores, taken);
        return 0;
    }
    if (asked.row == "idle_memory") {
        idle_memory(system, asked.cores);
    }
    std::fprintf(stderr, "no such row: %.*s\n", static_cast<int>(asked.row.size()),
                 asked.row.data());
    return 2;
}

}  // namespace

}  // namespace cohort::bench

int main(int argc, char** argv) {
    return cohort::bench::run(cohort::bench::parse_arguments(argc, argv));
}
