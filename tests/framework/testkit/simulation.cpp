#include <gtest/gtest.h>

#include <cohort/testkit/simulation.hpp>

#include "streams.hpp"

namespace cohort {
namespace {

using namespace streams;
using death = simulated_world::death;

/// A server on the first node and an empty second one.
struct pair_of_nodes {
    explicit pair_of_nodes(simulation_options options = {}) : sim{options} {
        server = &sim.add({.boot = serve_echo});
        client = &sim.add();
    }
    notes& talk(std::string text, std::size_t bytes, std::uint16_t port = 7) {
        auto& out = *all.emplace_back(std::make_unique<notes>());
        static_cast<void>(client->system().spawn(converse, endpoint{server->host(), port},
                                                 std::move(text), bytes, &out));
        return out;
    }
    std::vector<std::unique_ptr<notes>> all;
    simulation sim;
    simulated_node* server = nullptr;
    simulated_node* client = nullptr;
};

TEST(simulation, carries_streams_between_nodes) {
    auto world = pair_of_nodes{};
    auto& seen = world.talk("hello", 5);
    world.sim.run_for(1s);
    EXPECT_EQ(seen.connected, errc::ok);
    EXPECT_EQ(seen.received, "hello");
}

std::uint64_t busy_hash(std::uint64_t seed, bool with_faults) {
    auto sim = simulation{{.seed = seed}};
    auto all = std::vector<notes>(12);
    for (int i = 0; i < 4; ++i) {
        sim.add({.runtime = {.cores = 2}, .shuffled = true, .boot = serve_echo});
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto& from = sim.node(i % 4);
        static_cast<void>(from.system().spawn_on(
            static_cast<std::uint32_t>(i % 2), converse, endpoint{sim.node((i + 1) % 4).host(), 7},
            std::string(50'000, static_cast<char>('a' + i)), 50'000, &all[i]));
    }
    sim.run_for(20ms);
    if (with_faults) {
        sim.crash(sim.node(1));
        sim.network().cut(2, 3);
        sim.node(3).world().set_clock_rate(10'000);
        sim.run_for(1s);
        sim.restart(sim.node(1));
        sim.network().cut(2, 3, false);
    }
    sim.run_for(10s);
    return sim.trace_hash();
}

TEST(simulation, repeats_itself_from_its_seed_to_the_last_byte) {
    EXPECT_EQ(busy_hash(1, false), busy_hash(1, false));
    EXPECT_EQ(busy_hash(2, true), busy_hash(2, true));
    EXPECT_NE(busy_hash(1, false), busy_hash(2, false));
    EXPECT_NE(busy_hash(1, false), busy_hash(1, true));
}

TEST(simulation, refuses_a_connection_where_nobody_listens) {
    auto world = pair_of_nodes{};
    auto& wrong_port = world.talk("", 0, 8);
    auto nowhere = notes{};
    static_cast<void>(
        world.client->system().spawn(converse, endpoint{"10.9.9.9", 7}, "", 0, &nowhere));
    world.sim.run_for(1s);
    EXPECT_EQ(wrong_port.connected, errc::network);
    EXPECT_EQ(nowhere.connected, errc::network);
}

TEST(simulation, keeps_to_itself_what_listens_on_loopback) {
    auto world = pair_of_nodes{};
    auto port = std::unique_ptr<listener>{};
    world.server->system().on_core(0, [&](core& here) {
        port = std::move(*here.reactor().listen({"127.0.0.1", 9}));
        EXPECT_FALSE(here.reactor().listen({"10.0.0.77", 10})) << "not an address of the node";
    });
    auto& seen = world.talk("", 0, 9);
    world.sim.run_for(1s);
    EXPECT_EQ(seen.connected, errc::network);
    world.server->system().on_core(0, [&](core&) { port.reset(); });
}

TEST(simulation, connects_later_when_a_link_is_mended_and_gives_up_in_the_end) {
    auto world = pair_of_nodes{};
    world.sim.network().cut(1, 0);
    auto& patient = world.talk("x", 1);
    world.sim.run_for(5s);
    EXPECT_EQ(patient.connected, errc::not_loaded);
    world.sim.network().cut(1, 0, false);
    world.sim.run_for(5s);
    EXPECT_EQ(patient.received, "x");
    EXPECT_GT(patient.connecting, 5s);

    world.sim.network().cut(0, 1);
    auto& hopeless = world.talk("x", 1);
    world.sim.run_for(10min);
    EXPECT_EQ(hopeless.connected, errc::network);
    EXPECT_GT(hopeless.connecting, 1min);
}

TEST(simulation, holds_data_on_a_cut_link_and_delivers_it_when_it_is_mended) {
    auto world = pair_of_nodes{};
    auto& seen = world.talk("first", 11);
    world.sim.run_for(1s);
    EXPECT_EQ(seen.received, "first");
    // The client's own words get through, the echo does not.
    auto& second = world.talk("second", 6);
    world.sim.run_until([&] { return second.connected == errc::ok; });
    world.sim.network().cut(0, 1);
    world.sim.run_for(20s);
    EXPECT_EQ(second.received, "");
    world.sim.network().cut(0, 1, false);
    world.sim.run_for(1min);
    EXPECT_EQ(second.received, "second");
}

TEST(simulation, fails_a_connection_that_cannot_deliver_for_too_long) {
    auto world = pair_of_nodes{{.give_up = 30s}};
    auto& seen = world.talk(std::string(1000, 'x'), 1001);
    world.sim.run_until([&] { return !seen.received.empty(); });
    world.sim.network().cut(1, 0);
    static_cast<void>(world.talk("held", 4));
    world.sim.run_for(10s);
    EXPECT_EQ(seen.ended, errc::ok) << "it only reads, and hears nothing either way";
    auto& writer = world.talk(std::string(1000, 'y'), 1001);
    world.sim.network().cut(1, 0, false);
    world.sim.run_until([&] { return writer.connected == errc::ok; });
    world.sim.network().cut(1, 0);
    world.sim.run_for(1min);
    EXPECT_EQ(writer.ended, errc::network);
}

TEST(simulation, tears_connections_in_the_middle_of_what_they_carry) {
    auto prefixes = std::size_t{0};
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        auto world = pair_of_nodes{{.seed = seed}};
        auto& seen = world.talk(std::string(60'000, 'x'), 60'000);
        world.sim.run_until([&] { return !seen.received.empty(); });
        EXPECT_EQ(world.sim.network().reset(0, 1, seed, false), 1U);
        world.sim.run_for(1s);
        EXPECT_EQ(seen.ended, errc::end_of_stream);
        prefixes += seen.received.size() < 60'000 ? 1 : 0;
    }
    EXPECT_GT(prefixes, 10U);
}

TEST(simulation, slows_a_link_down_to_its_rate) {
    auto world = pair_of_nodes{};
    world.sim.network().link(1, 0).bytes_per_second = 10'000;
    auto& seen = world.talk(std::string(100'000, 'x'), 100'000);
    world.sim.run_for(9s);
    EXPECT_LT(seen.received.size(), 100'000U);
    world.sim.run_for(3s);
    EXPECT_EQ(seen.received.size(), 100'000U);
    EXPECT_GE(seen.until_ended, 10s);
}

TEST(simulation, turns_bits_where_a_link_is_told_to) {
    auto world = pair_of_nodes{};
    world.sim.network().link(1, 0).corrupt_per_million = 1'000'000;
    auto& seen = world.talk(std::string(1000, 'x'), 1000);
    world.sim.run_for(1s);
    ASSERT_EQ(seen.received.size(), 1000U);
    EXPECT_NE(seen.received, std::string(1000, 'x'));
    EXPECT_GT(world.sim.network().counters().corrupted, 0U);
}

TEST(simulation, tells_the_peers_of_a_process_that_dies_but_not_of_a_machine) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        auto world = pair_of_nodes{{.seed = seed}};
        auto& told = world.talk("x", 2);
        world.sim.run_for(1s);
        world.sim.crash(*world.server, death::process);
        EXPECT_FALSE(world.server->up());
        world.sim.run_for(1s);
        EXPECT_EQ(told.ended, errc::end_of_stream);

        world.sim.restart(*world.server);
        EXPECT_EQ(world.server->incarnation(), 2U);
        auto& half_open = world.talk("x", 2);
        world.sim.run_for(1s);
        EXPECT_EQ(half_open.received, "x");
        world.sim.crash(*world.server, death::machine);
        world.sim.run_for(1h);
        EXPECT_EQ(half_open.ended, errc::ok) << "nobody told it";
        world.sim.restart(*world.server);
        auto& fresh = world.talk("y", 1);
        world.sim.run_for(1min);
        EXPECT_EQ(fresh.received, "y");
        EXPECT_EQ(half_open.ended, errc::ok) << "it sends nothing, so it gets no reset";
        EXPECT_TRUE(world.sim.leaks().empty());
    }
}

behavior<silent> write_on(context<silent> self, endpoint to, errc* ended) {
    auto socket = co_await connect(to);
    while (*ended == errc::ok) {
        *ended = co_await write_all(socket->get(), "ping");
        co_await self.sleep(1s);
    }
}

TEST(simulation, resets_an_old_connection_when_its_machine_is_back) {
    auto world = pair_of_nodes{};
    auto ended = errc::ok;
    static_cast<void>(
        world.client->system().spawn(write_on, endpoint{world.server->host(), 7}, &ended));
    world.sim.run_for(10s);
    world.sim.crash(*world.server, death::machine);
    world.sim.run_for(1min);
    EXPECT_EQ(ended, errc::ok);
    world.sim.restart(*world.server);
    world.sim.run_for(1min);
    EXPECT_EQ(ended, errc::end_of_stream);
}

struct canary {
    explicit canary(int* count) : count_{count} { ++*count_; }
    canary(canary&& other) noexcept : count_{std::exchange(other.count_, nullptr)} {}
    ~canary() {
        if (count_ != nullptr) {
            --*count_;
        }
    }
    int* count_;
};

behavior<silent> wait_somewhere(context<silent> self, int kind, canary held, worker* pool,
                                int* done) {
    if (kind == 0) {
        co_await self.sleep(10s);
    } else if (kind == 1) {
        co_await run_on(*pool, [done] { ++*done; });
    } else if (kind == 2) {
        auto socket = co_await connect({"10.0.0.1", 99});
    } else {
        static_cast<void>(co_await self.receive());
    }
    ++*done;
}

TEST(simulation, takes_a_crashed_node_down_to_the_last_frame_and_runs_nothing_of_it) {
    auto sim = simulation{};
    auto& node = sim.add({.runtime = {.cores = 2}});
    auto living = 0;
    auto done = 0;
    auto pool = node.world().start_worker("test");
    for (int i = 0; i < 40; ++i) {
        static_cast<void>(node.system().spawn_on(static_cast<std::uint32_t>(i % 2), wait_somewhere,
                                                 i / 2 % 4, canary{&living}, pool.get(), &done));
    }
    sim.run_for(10us);
    EXPECT_EQ(living, 40);
    sim.crash(node);
    EXPECT_EQ(living, 0);
    EXPECT_EQ(done, 0);
    EXPECT_TRUE(sim.leaks().empty());
    sim.run_for(1min);
    EXPECT_EQ(done, 0);
}

behavior<silent> look_at_the_clock(context<silent> self, std::vector<duration>* seen) {
    co_await self.sleep(10ms);
    auto first = self.core().now();
    for (int i = 0; i < 6; ++i) {
        seen->push_back(self.core().now() - first);
    }
    co_await self.sleep(10ms);
    seen->push_back(self.core().now() - first);
}

TEST(simulation, stops_a_node_in_the_middle_of_what_it_does) {
    auto sim = simulation{};
    auto& node = sim.add();
    auto seen = std::vector<duration>{};
    static_cast<void>(node.system().spawn(look_at_the_clock, &seen));
    sim.run_for(5ms);
    auto before = sim.now();
    // Wherever the call is that it stops at, its clock goes on meanwhile.
    node.world().stop_for(30s, 8);
    sim.run_until([&] { return seen.size() == 7; });
    EXPECT_GE(sim.now() - before, 30s);
    EXPECT_GE(seen.back(), 10ms);

    auto& other = sim.add();
    auto late = std::vector<duration>{};
    static_cast<void>(other.system().spawn(look_at_the_clock, &late));
    sim.run_for(1ms);
    other.world().stop_for(1h);
    sim.run_for(59min);
    EXPECT_TRUE(late.empty());
    sim.run_for(2min);
    EXPECT_EQ(late.size(), 7U);
}

behavior<silent> read_the_clock(context<silent> self, int times, std::vector<time_point>* seen) {
    for (int i = 0; i < times; ++i) {
        seen->push_back(self.core().now());
    }
    co_return;
}

TEST(simulation, shows_the_length_of_a_stop_between_two_readings_of_the_clock) {
    for (std::uint64_t calls = 1; calls <= 12; ++calls) {
        auto sim = simulation{};
        auto& node = sim.add();
        auto seen = std::vector<time_point>{};
        static_cast<void>(node.system().spawn(read_the_clock, 20, &seen));
        node.world().stop_for(5s, calls);
        sim.run_until([&] { return seen.size() == 20; });
        EXPECT_GE(seen.back() - seen.front() + (sim.now() - sim.now()), 0s);
        if (calls > 4) {
            EXPECT_GE(seen.back() - seen.front(), 5s) << calls;
        }
    }
}

behavior<silent> count_seconds(context<silent> self, int* count) {
    for (;;) {
        co_await self.sleep(1s);
        ++*count;
    }
}

TEST(simulation, gives_every_node_a_clock_of_its_own) {
    auto sim = simulation{};
    auto counts = std::array<int, 4>{};
    for (auto& count : counts) {
        static_cast<void>(sim.add().system().spawn(count_seconds, &count));
    }
    EXPECT_NE(sim.node(0).world().now(), sim.node(1).world().now());
    sim.node(1).world().set_clock_rate(100'000);     // a tenth faster
    sim.node(2).world().set_clock_rate(-500'000);    // half as fast
    sim.node(3).world().set_clock_rate(-1'000'000);  // stands
    sim.run_for(1000s + 100ms);
    EXPECT_NEAR(counts[0], 1000, 2);
    EXPECT_NEAR(counts[1], 1100, 3);
    EXPECT_NEAR(counts[2], 500, 2);
    EXPECT_EQ(counts[3], 0);
    auto before = sim.node(0).world().now();
    sim.node(0).world().jump_clock(1h);
    EXPECT_GE(sim.node(0).world().now() - before, 1h);
    sim.node(3).world().set_clock_rate(0);
    sim.run_for(10s);
    EXPECT_GE(counts[3], 9);
}

TEST(simulation, answers_for_names_and_lies_where_it_is_told_to) {
    auto sim = simulation{};
    auto& honest = sim.add().world();
    auto& fooled = sim.add().world();
    sim.network().name("cache", {"10.0.0.1", "10.0.0.2"});
    sim.network().lie(1, "cache", {"10.0.0.9"});
    EXPECT_EQ(*honest.resolve("cache"), (std::vector<std::string>{"10.0.0.1", "10.0.0.2"}));
    EXPECT_EQ(*fooled.resolve("cache"), (std::vector<std::string>{"10.0.0.9"}));
    sim.network().stop_lying();
    EXPECT_EQ(fooled.resolve("cache")->size(), 2U);
    EXPECT_EQ(honest.resolve("missing").error().code(), errc::not_found);
}

struct number {
    int value = 0;
};
using numbers = protocol<number>;

behavior<numbers> collect(context<numbers> self, std::vector<int>* seen) {
    for (;;) {
        auto message = co_await self.receive();
        seen->push_back(message.get_if<number>()->value);
    }
}

behavior<silent> send_many(context<silent> self, ref<numbers> target, int from) {
    for (int i = 0; i < 100; ++i) {
        target.tell(number{from + i});
        if (i % 10 == 0) {
            co_await self.sleep(1ms);
        }
    }
}

TEST(simulation, shuffles_what_runs_and_keeps_the_order_of_every_sender) {
    auto orders = std::vector<std::vector<int>>{};
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        auto sim = simulation{{.seed = seed}};
        auto& node = sim.add({.runtime = {.cores = 2}, .shuffled = true});
        auto seen = std::vector<int>{};
        auto target = node.system().spawn(collect, &seen);
        for (int sender = 0; sender < 4; ++sender) {
            static_cast<void>(node.system().spawn_on(static_cast<std::uint32_t>(sender % 2),
                                                     send_many, target, sender * 1000));
        }
        sim.run_for(1s);
        EXPECT_EQ(seen.size(), 400U);
        auto last = std::array<int, 4>{-1, -1, -1, -1};
        for (auto each : seen) {
            auto& before = last[static_cast<std::size_t>(each / 1000)];
            EXPECT_GT(each, before);
            before = each;
        }
        orders.push_back(std::move(seen));
    }
    EXPECT_NE(orders[0], orders[1]);
}

TEST(simulation, stops_a_node_in_order_and_starts_it_again) {
    auto world = pair_of_nodes{};
    auto& seen = world.talk("x", 2);
    world.sim.run_for(1s);
    EXPECT_TRUE(world.sim.stop(*world.server));
    world.sim.run_for(1s);
    EXPECT_EQ(seen.ended, errc::end_of_stream);
    world.sim.restart(*world.server);
    auto& again = world.talk("x", 1);
    world.sim.run_for(1s);
    EXPECT_EQ(again.received, "x");
    EXPECT_TRUE(world.sim.leaks().empty());
}

TEST(event_queue, runs_in_the_order_of_time_and_then_of_scheduling) {
    auto queue = event_queue{};
    auto order = std::vector<int>{};
    auto start = queue.now();
    queue.at(start + 2ms, [&] { order.push_back(3); });
    queue.at(start + 1ms, [&] {
        order.push_back(1);
        queue.at(start, [&] { order.push_back(2); });
    });
    queue.at(start + 2ms, [&] { order.push_back(4); });
    queue.at(start + 9ms, [&] { order.push_back(5); });
    while (queue.run_next(start + 5ms)) {
    }
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
    EXPECT_EQ(queue.now(), start + 2ms);
    EXPECT_EQ(queue.next(), start + 9ms);
}

TEST(keyed_random, draws_by_name_whatever_else_was_drawn) {
    auto one = keyed_random{7};
    EXPECT_EQ(one.draw(1, 2, 3), keyed_random{7}.draw(1, 2, 3));
    EXPECT_NE(one.draw(1, 2, 3), one.draw(1, 2, 4));
    EXPECT_NE(one.draw(1, 2, 3), one.draw(1, 3, 3));
    EXPECT_NE(one.draw(1, 2, 3), one.draw(2, 2, 3));
    EXPECT_NE(one.draw(1, 2, 3), keyed_random{8}.draw(1, 2, 3));
    auto counts = std::array<int, 10>{};
    for (std::uint64_t n = 0; n < 10'000; ++n) {
        ++counts[below(one.draw(0, 0, n), 10)];
    }
    for (auto count : counts) {
        EXPECT_NEAR(count, 1000, 150);
    }
}

}  // namespace
}  // namespace cohort
