#include "houses.hpp"

#include <cohort/sharding/detail/lobby.hpp>
#include <cohort/sharding/shard_map.hpp>

namespace cohort::sharding_tests {
namespace {

using silent = detail::silent;
using diaries = sharded<diary_protocol>;

behavior<silent> put_some(context<silent>, diaries all, std::string key, std::string who,
                          std::int64_t from, std::int64_t to, std::vector<error>* failures) {
    for (auto i = from; i < to; ++i) {
        auto done = co_await all[key].ask<put>(5s, who, i);
        if (!done) {
            failures->push_back(done.error());
        }
    }
}

std::vector<std::int64_t> count_to(std::int64_t end) {
    auto out = std::vector<std::int64_t>{};
    for (std::int64_t i = 0; i < end; ++i) {
        out.push_back(i);
    }
    return out;
}

TEST(sharding_nodes, reach_the_owner_from_every_node) {
    for (unsigned cores : {1U, 2U}) {
        auto failures = std::vector<error>{};
        auto world = houses{3, cores};
        world.own_all(1).publish();
        for (std::size_t i = 0; i < 3; ++i) {
            for (std::uint32_t shard = 0; shard < shard_count; ++shard) {
                auto who = std::to_string(i) + "/" + std::to_string(shard);
                world.run(i, put_some, *world.at(i).all, houses::key_in(shard), who,
                          std::int64_t{0}, std::int64_t{3}, &failures);
                EXPECT_EQ(world.seen.numbers_of(who), count_to(3));
            }
        }
        EXPECT_TRUE(failures.empty()) << failures.front().message();
        EXPECT_EQ(world.at(1).shards->numbers().entities, shard_count);
        EXPECT_EQ(world.at(0).shards->numbers().sent, 3U * shard_count);
        EXPECT_EQ(world.at(1).shards->numbers().received, 6U * shard_count);
        EXPECT_EQ(world.seen.most, 1);
    }
}

behavior<silent> tell_and_look(context<silent>, diaries all, std::string key,
                               std::vector<std::int64_t>* out) {
    for (std::int64_t i = 0; i < 100; ++i) {
        all[key].tell(note{"teller", i});
    }
    auto seen = co_await all[key].ask<look>(5s, "teller");
    EXPECT_TRUE(seen) << seen.error().message();
    if (seen) {
        *out = *seen;
    }
}

TEST(sharding_nodes, tells_and_asks_keep_their_order) {
    auto out = std::vector<std::int64_t>{};
    auto world = houses{2, 2};
    world.own_all(1).publish();
    world.run(0, tell_and_look, *world.at(0).all, std::string{"k"}, &out);
    EXPECT_EQ(out, count_to(100));
}

TEST(sharding_nodes, a_message_waits_for_the_first_view) {
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{2};
    world.start(0, &ended, put_some, *world.at(0).all, std::string{"k"}, std::string{"early"},
                std::int64_t{0}, std::int64_t{2}, &failures);
    world.sim.run_for(1s);
    EXPECT_FALSE(ended);
    world.own_all(1).publish();
    world.sim.run_for(1s);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(failures.empty());
    EXPECT_EQ(world.at(0).shards->numbers().waiting_bytes, 0);
}

TEST(sharding_nodes, what_waits_too_long_was_not_executed) {
    auto failures = std::vector<error>{};
    auto world = houses{2};
    world.run(0, put_some, *world.at(0).all, std::string{"k"}, std::string{"late"}, std::int64_t{0},
              std::int64_t{1}, &failures);
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0].executed(), executed::no);
    EXPECT_EQ(failures[0], errc::unavailable);
    world.own_all(1).publish();
    world.sim.run_for(10s);
    EXPECT_TRUE(world.seen.acts.empty());
}

TEST(sharding_nodes, a_move_is_heard_of_by_nobody) {
    for (unsigned cores : {1U, 2U}) {
        auto failures = std::vector<error>{};
        bool ended[3] = {};
        auto world = houses{3, cores};
        world.own_all(1).publish();
        auto key = houses::key_in(5);
        for (std::size_t i = 0; i < 3; ++i) {
            world.start(i, &ended[i], put_some, *world.at(i).all, key, std::to_string(i),
                        std::int64_t{0}, std::int64_t{2000}, &failures);
        }
        auto owner = std::size_t{1};
        for (int moves = 0; moves < 10; ++moves) {
            world.sim.run_for(5ms);
            auto to = (owner + 1) % 3;
            auto& releases = world.at(owner).owners->released;
            auto before = releases.size();
            world.move(5, to).publish();
            EXPECT_TRUE(world.sim.run_until([&] { return releases.size() > before; }, 10s));
            EXPECT_EQ(releases.back(),
                      (std::pair<std::uint32_t, std::uint64_t>{5, world.next.epoch}));
            world.own(5, to);
            // The new owner may hear of it last.
            auto made = world.make();
            for (std::size_t i = 0; i < 3; ++i) {
                if (i != to) {
                    world.show(i, made);
                    world.sim.run_for(3ms);
                }
            }
            world.show(to, made);
            owner = to;
        }
        EXPECT_TRUE(world.sim.run_until([&] { return ended[0] && ended[1] && ended[2]; }, 60s));
        EXPECT_TRUE(failures.empty()) << failures.front().message();
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(world.seen.numbers_of(std::to_string(i)), count_to(2000));
        }
        EXPECT_EQ(world.seen.most, 1);
    }
}

behavior<silent> ask_linger(context<silent>, diaries all, std::string key, std::int64_t length,
                            duration within, std::vector<result<std::int64_t>>* out) {
    auto answer = co_await all[key].ask<linger>(within, length, 1);
    out->push_back(answer);
}

TEST(sharding_nodes, a_move_waits_for_what_was_admitted) {
    auto out = std::vector<result<std::int64_t>>{};
    auto ended = false;
    auto world = houses{2};
    world.own_all(1).publish();
    world.start(0, &ended, ask_linger, *world.at(0).all, houses::key_in(2), std::int64_t{2000},
                duration{10s}, &out);
    world.sim.run_for(100ms);
    world.move(2, 0).publish();
    world.sim.run_for(1s);
    EXPECT_TRUE(world.at(1).owners->released.empty());
    EXPECT_TRUE(world.sim.run_until([&] { return ended; }, 5s));
    EXPECT_TRUE(out[0]) << out[0].error().message();
    world.sim.run_for(10ms);
    EXPECT_EQ(world.at(1).owners->released.size(), 1U);
}

TEST(sharding_nodes, a_move_does_not_wait_for_ever) {
    auto out = std::vector<result<std::int64_t>>{};
    auto failures = std::vector<error>{};
    auto ended = false;
    auto also_ended = false;
    auto world = houses{2};
    world.own_all(1).publish();
    auto key = houses::key_in(2);
    world.start(0, &ended, ask_linger, *world.at(0).all, key, std::int64_t{60'000}, duration{20s},
                &out);
    world.sim.run_for(100ms);
    world.start(0, &also_ended, put_some, *world.at(0).all, key, std::string{"behind"},
                std::int64_t{0}, std::int64_t{1}, &failures);
    world.sim.run_for(10ms);
    world.move(2, 0).publish();
    world.sim.run_for(4900ms);
    EXPECT_TRUE(world.at(1).owners->released.empty());
    world.sim.run_for(110ms);
    EXPECT_EQ(world.at(1).owners->released.size(), 1U);
    world.own(2, 0).publish();
    world.sim.run_for(1s);
    EXPECT_TRUE(ended);
    ASSERT_EQ(out.size(), 1U);
    ASSERT_FALSE(out[0]);
    EXPECT_NE(out[0].error().executed(), executed::no) << "it had begun";
}

TEST(sharding_nodes, a_move_that_is_called_off_leaves_the_shard_where_it_is) {
    auto failures = std::vector<error>{};
    auto world = houses{2};
    world.own_all(1).publish();
    auto key = houses::key_in(3);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{0},
              std::int64_t{5}, &failures);
    world.move(3, 0).publish();
    world.sim.run_for(100ms);
    EXPECT_EQ(world.at(1).owners->released.size(), 1U);
    world.cancel_moves().publish();
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{5},
              std::int64_t{9}, &failures);
    EXPECT_TRUE(failures.empty());
    EXPECT_EQ(world.seen.numbers_of("a"), count_to(9));
    world.move(3, 0).publish();
    world.sim.run_for(100ms);
    EXPECT_EQ(world.at(1).owners->released.size(), 2U);
    EXPECT_EQ(world.at(1).owners->released.back().second, world.next.epoch);
}

TEST(sharding_nodes, entities_stand_still_while_the_lease_is_over) {
    auto out = std::vector<result<std::int64_t>>{};
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{2};
    world.own_all(1).publish();
    auto key = houses::key_in(4);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{0},
              std::int64_t{5}, &failures);
    // In the middle of an await whose end comes while the lease is over.
    world.start(0, &ended, ask_linger, *world.at(0).all, key, std::int64_t{200}, duration{20s},
                &out);
    world.sim.run_for(100ms);
    world.at(1).owners->suspend();
    world.sim.run_for(2s);
    EXPECT_FALSE(ended);
    EXPECT_EQ(world.seen.acts.size(), 5U);
    world.at(1).owners->resume();
    world.sim.run_for(100ms);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(out.at(0)) << out.at(0).error().message();
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{5},
              std::int64_t{9}, &failures);
    EXPECT_TRUE(failures.empty());
    EXPECT_EQ(world.seen.numbers_of("a"), count_to(9));
    EXPECT_EQ(world.at(1).shards->numbers().started, 1U) << "its state is as it was";
}

TEST(sharding_nodes, the_lease_is_read_when_an_entity_runs_not_when_somebody_says_so) {
    auto out = std::vector<result<std::int64_t>>{};
    auto ended = false;
    auto world = houses{2};
    world.own_all(1).publish();
    world.start(0, &ended, ask_linger, *world.at(0).all, houses::key_in(4), std::int64_t{200},
                duration{20s}, &out);
    world.sim.run_for(100ms);
    auto& held = world.at(1).owners->held;
    held.set_end(world.node(1).system().world().now() + 50ms);
    world.sim.run_for(1s);
    EXPECT_TRUE(world.seen.acts.empty());
    EXPECT_FALSE(ended);
    held.set_end(time_point::max());
    world.sim.run_for(50ms);
    EXPECT_TRUE(ended);
    EXPECT_EQ(world.seen.acts.size(), 1U);
}

behavior<silent> look_for_something(context<silent>, diaries all, std::string key, bool* found) {
    *found = all.peek<shown_act>(key) != nullptr;
    co_return;
}

/// Whether a node shows something of a key.
bool shows(houses& world, std::size_t i, const std::string& key) {
    auto out = false;
    world.run(i, look_for_something, *world.at(i).all, key, &out);
    return out;
}

/// One node owns all, and one of its entities has something to show.
struct shown_house {
    std::vector<error> failures;
    houses world;
    std::string key = houses::key_in(4);
    std::int64_t puts = 0;

    explicit shown_house(std::size_t nodes = 2) : world{nodes} {
        world.own_all(1).publish();
        act();
        EXPECT_TRUE(shown());
    }
    void act() {
        world.run(1, put_some, *world.at(1).all, key, std::string{"a"}, puts, puts + 1, &failures);
        ++puts;
        EXPECT_TRUE(failures.empty());
        world.sim.run_for(1ms);
    }
    bool shown() { return shows(world, 1, key); }
};

TEST(sharding_peek, reads_the_lease_before_it_shows_anything) {
    auto house = shown_house{};
    auto& owners = *house.world.at(1).owners;
    // Nobody has said so yet.
    owners.held.set_end(house.world.node(1).system().world().now());
    EXPECT_FALSE(house.shown());
    owners.held.set_end(time_point::max());
    EXPECT_TRUE(house.shown());
    owners.suspend();
    house.world.sim.run_for(1s);
    EXPECT_FALSE(house.shown());
    owners.held.set_end(time_point::max());
    EXPECT_FALSE(house.shown()) << "it was not said to hold again";
    owners.resume();
    house.world.sim.run_for(10ms);
    EXPECT_TRUE(house.shown());
}

TEST(sharding_peek, shows_nothing_of_a_shard_that_moves_or_moved) {
    auto house = shown_house{};
    auto& world = house.world;
    auto out = std::vector<result<std::int64_t>>{};
    auto ended = false;
    // Another entity of the shard is busy, so the shard goes on draining.
    auto busy = std::string{"busy"};
    for (int i = 0; shard_of(busy, shard_count) != 4; ++i) {
        busy = "busy" + std::to_string(i);
    }
    world.start(0, &ended, ask_linger, *world.at(0).all, busy, std::int64_t{1000}, duration{20s},
                &out);
    world.sim.run_for(10ms);
    EXPECT_TRUE(house.shown());
    world.move(4, 0).publish();
    EXPECT_FALSE(house.shown()) << "it drains";
    world.sim.run_for(100ms);
    EXPECT_FALSE(house.shown());
    world.cancel_moves().publish();
    world.sim.run_for(10ms);
    EXPECT_FALSE(house.shown()) << "the entity was told to end while the shard was to move";
    house.act();
    EXPECT_TRUE(house.shown());
    world.sim.run_for(2s);
    EXPECT_TRUE(ended);
    world.move(4, 0).publish();
    world.sim.run_for(100ms);
    EXPECT_EQ(world.at(1).owners->released.size(), 1U);
    EXPECT_FALSE(house.shown()) << "it is released";
    world.own(4, 0).publish();
    EXPECT_FALSE(house.shown());
    EXPECT_FALSE(shows(world, 0, house.key));
    house.act();
    EXPECT_FALSE(house.shown()) << "it lives on the other node";
    EXPECT_TRUE(shows(world, 0, house.key));
    world.move(4, 1).publish();
    world.sim.run_for(100ms);
    world.own(4, 1).publish();
    EXPECT_FALSE(house.shown()) << "it is back, and has not begun";
    EXPECT_FALSE(shows(world, 0, house.key));
    house.act();
    EXPECT_TRUE(house.shown());
}

TEST(sharding_peek, shows_nothing_from_before_a_fence) {
    auto house = shown_house{3};
    auto& world = house.world;
    world.at(1).owners->suspend();
    world.sim.run_for(100ms);
    world.remove(1).own_all(2);
    auto made = world.make();
    world.show(0, made);
    world.show(2, made);
    world.sim.run_for(100ms);
    world.at(1).owners->fence(999);
    world.uids[1] = {999, 999};
    EXPECT_FALSE(house.shown());
    world.join(1).publish();
    world.move(4, 1).publish();
    world.sim.run_for(100ms);
    world.own(4, 1).publish();
    EXPECT_FALSE(house.shown()) << "owned again, by another name";
    house.act();
    EXPECT_TRUE(house.shown());
}

TEST(sharding_peek, shows_nothing_while_something_waits_in_front_of_it) {
    auto failures = std::vector<error>{};
    auto ended = false;
    auto house = shown_house{};
    auto& world = house.world;
    world.at(1).owners->suspend();
    world.sim.run_for(1ms);
    world.start(1, &ended, put_some, *world.at(1).all, house.key, std::string{"b"}, std::int64_t{0},
                std::int64_t{1}, &failures);
    world.sim.run_for(10ms);
    EXPECT_FALSE(ended);
    EXPECT_FALSE(house.shown());
    world.at(1).owners->resume();
    world.sim.run_for(10ms);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(house.shown());
}

behavior<silent> ask_last(context<silent>, diaries all, std::string key,
                          std::vector<std::int64_t>* out) {
    auto answer = co_await all[key].ask<last>(5s, 100);
    out->push_back(answer ? *answer : -2);
}

TEST(sharding_shown, a_request_is_answered_by_what_its_entity_shows) {
    auto out = std::vector<std::int64_t>{};
    auto lingered = std::vector<result<std::int64_t>>{};
    auto ended = false;
    auto house = shown_house{};
    auto& world = house.world;
    for (std::size_t from : {1U, 0U}) {
        world.run(from, ask_last, *world.at(from).all, house.key, &out);
    }
    EXPECT_EQ(out, (std::vector<std::int64_t>{100, 100})) << "from its node, and from another";
    house.act();
    world.run(0, ask_last, *world.at(0).all, house.key, &out);
    EXPECT_EQ(out.back(), 101);
    world.run(0, ask_last, *world.at(0).all, houses::key_in(5), &out);
    EXPECT_EQ(out.back(), -1) << "it shows nothing yet";
    // What was sent before goes first.
    auto seen = out.size();
    world.start(0, &ended, ask_linger, *world.at(0).all, house.key, std::int64_t{1000},
                duration{20s}, &lingered);
    world.sim.run_for(10ms);
    auto answered = false;
    world.start(0, &answered, ask_last, *world.at(0).all, house.key, &out);
    world.sim.run_for(500ms);
    EXPECT_EQ(out.size(), seen) << "the entity is at work";
    world.sim.run_for(2s);
    EXPECT_TRUE(ended && answered);
    EXPECT_EQ(out.back(), -1);
    world.run(0, ask_last, *world.at(0).all, house.key, &out);
    EXPECT_EQ(out.back(), 102);
}

TEST(sharding_shown, nothing_is_answered_without_a_lease) {
    auto out = std::vector<std::int64_t>{};
    auto house = shown_house{};
    auto& world = house.world;
    auto answered = false;
    world.at(1).owners->suspend();
    world.start(0, &answered, ask_last, *world.at(0).all, house.key, &out);
    world.sim.run_for(100ms);
    EXPECT_TRUE(out.empty());
    world.at(1).owners->resume();
    world.sim.run_for(1s);
    EXPECT_EQ(out, (std::vector<std::int64_t>{100}));
    // The same when only the lease's time has passed, and nobody has said so yet.
    auto& held = world.at(1).owners->held;
    held.set_end(world.node(1).system().world().now());
    answered = false;
    world.start(1, &answered, ask_last, *world.at(1).all, house.key, &out);
    world.sim.run_for(100ms);
    EXPECT_EQ(out.size(), 1U);
    held.set_end(time_point::max());
    world.sim.run_for(1s);
    EXPECT_EQ(out.size(), 2U);
}

TEST(sharding_nodes, a_node_without_a_lease_says_so_soon) {
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{1};
    world.own_all(0).publish();
    world.at(0).owners->suspend();
    world.start(0, &ended, put_some, *world.at(0).all, std::string{"k"}, std::string{"a"},
                std::int64_t{0}, std::int64_t{3}, &failures);
    world.sim.run_for(600ms);
    EXPECT_TRUE(ended);
    ASSERT_EQ(failures.size(), 3U);
    for (const auto& each : failures) {
        EXPECT_EQ(each, errc::suspended);
        EXPECT_EQ(each.executed(), executed::no);
    }
    world.at(0).owners->resume();
    world.sim.run_for(10ms);
    EXPECT_TRUE(world.seen.acts.empty());
}

TEST(sharding_nodes, a_node_without_a_lease_waits_for_no_answer_of_others) {
    auto out = std::vector<result<std::int64_t>>{};
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{2};
    world.own_all(1).publish();
    auto key = houses::key_in(4);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{0},
              std::int64_t{5}, &failures);
    world.start(0, &ended, ask_linger, *world.at(0).all, key, std::int64_t{2000}, duration{20s},
                &out);
    world.sim.run_for(100ms);
    world.at(0).owners->suspend();
    world.sim.run_for(600ms);
    EXPECT_TRUE(ended);
    ASSERT_FALSE(out.at(0));
    EXPECT_EQ(out[0].error(), errc::suspended);
    EXPECT_EQ(out[0].error().executed(), executed::maybe) << "it was on its way";
    // What comes now is not even sent.
    auto sent = world.at(0).shards->numbers().sent;
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{5},
              std::int64_t{6}, &failures);
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0], errc::suspended);
    EXPECT_EQ(failures[0].executed(), executed::no);
    EXPECT_EQ(world.at(0).shards->numbers().sent, sent);
    world.at(0).owners->resume();
    world.sim.run_for(1s);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{6},
              std::int64_t{9}, &failures);
    EXPECT_EQ(failures.size(), 1U);
    EXPECT_EQ(world.seen.numbers_of("a").size(), 8U);
}

behavior<silent> ask_look(context<silent>, diaries all, std::string key, std::string who,
                          std::vector<std::int64_t>* out) {
    auto seen = co_await all[key].ask<look>(60s, who);
    EXPECT_TRUE(seen) << seen.error().message();
    if (seen) {
        *out = *seen;
    }
}

TEST(sharding_nodes, what_was_sent_to_a_node_that_is_gone_is_answered_once) {
    auto out = std::vector<std::int64_t>{};
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{3};
    world.own_all(1).publish();
    auto key = houses::key_in(4);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{0},
              std::int64_t{5}, &failures);
    auto cut_off = [&](bool cut) {
        for (std::uint32_t other : {1U, 2U}) {
            world.sim.network().cut(0, other, cut);
            world.sim.network().cut(other, 0, cut);
        }
    };
    cut_off(true);
    world.start(0, &ended, ask_look, *world.at(0).all, key, std::string{"a"}, &out);
    world.sim.run_for(1s);
    world.remove(1).own_all(2).publish();
    // The connection to the old owner is given up while the request waits for the new one.
    world.sim.run_for(30s);
    EXPECT_FALSE(ended);
    cut_off(false);
    EXPECT_TRUE(world.sim.run_until([&] { return ended; }, 20s));
    EXPECT_TRUE(out.empty()) << "the new owner has begun anew";
    EXPECT_EQ(world.at(0).shards->numbers().retries, 1U) << "it came back once";
}

TEST(sharding_nodes, a_fenced_node_forgets_its_entities) {
    auto out = std::vector<result<std::int64_t>>{};
    auto failures = std::vector<error>{};
    auto ended = false;
    auto also_ended = false;
    auto world = houses{3};
    world.own_all(1).publish();
    auto key = houses::key_in(4);
    world.start(0, &ended, ask_linger, *world.at(0).all, key, std::int64_t{3000}, duration{20s},
                &out);
    world.sim.run_for(100ms);
    // Waits in the entity's mailbox when its node is fenced: it was not executed.
    world.start(0, &also_ended, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{0},
                std::int64_t{5}, &failures);
    world.sim.run_for(10ms);
    world.at(1).owners->suspend();
    world.sim.run_for(1s);
    world.remove(1).own_all(2);
    auto made = world.make();
    world.show(0, made);
    world.show(2, made);
    world.sim.run_for(100ms);
    world.at(1).owners->fence(999);
    world.show(1, made);
    world.sim.run_for(5s);
    EXPECT_TRUE(ended);
    EXPECT_FALSE(out.at(0));
    EXPECT_EQ(out.at(0).error().executed(), executed::maybe);
    EXPECT_TRUE(also_ended);
    EXPECT_EQ(world.at(1).shards->numbers().entities, 0U);
    EXPECT_EQ(world.at(1).shards->numbers().shards_owned, 0U);
    EXPECT_EQ(world.seen.most, 1);
    for (const auto& each : world.seen.acts) {
        EXPECT_EQ(each.node, 2U);
    }
}

TEST(sharding_nodes, a_message_for_an_owner_that_does_not_know_yet_is_held) {
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{2};
    world.own_all(0).publish();
    world.move(1, 1).publish();
    world.sim.run_for(10ms);
    world.own(1, 1);
    auto made = world.make();
    world.show(0, made);
    world.start(0, &ended, put_some, *world.at(0).all, houses::key_in(1), std::string{"a"},
                std::int64_t{0}, std::int64_t{1}, &failures);
    world.sim.run_for(100ms);
    EXPECT_EQ(world.at(1).owners->looked_for, std::vector<std::uint64_t>{made->epoch});
    world.show(1, made);
    world.sim.run_for(5ms);
    EXPECT_TRUE(ended);
    EXPECT_EQ(world.seen.numbers_of("a"), count_to(1));
    EXPECT_EQ(world.at(0).shards->numbers().retries, 0U);
}

behavior<silent> put_as_if_in(context<silent>, remoting* network, endpoint owner,
                              std::uint32_t shard, std::string key, result<std::int64_t>* out) {
    auto lobby = co_await network->find<detail::lobby_protocol>(
        owner, std::string{detail::lobby_name}, duration{1s});
    auto hosts = co_await lobby->ask<detail::hosts_of>(1s, "diaries", shard_count, shard_hash_id);
    const auto& there = lobby->where();
    auto host = ref<detail::host_protocol<diary_protocol>>{
        actor_address::remote({hosts->front()}, there.place(), there.generation)};
    auto head = detail::arrival{.shard = shard, .epoch = 1, .stream = 7, .round = 1};
    *out = co_await host.ask<detail::entity_request<put>>(1s, head, key, put{"a", 0});
}

// Else an entity would live twice, or be of a shard that goes elsewhere without it.
TEST(sharding_nodes, a_message_for_a_key_of_another_shard_is_refused) {
    auto world = houses{2};
    world.own_all(0).own(1, 1).own(2, 1).publish();
    auto out = result<std::int64_t>{0};
    auto try_shard = [&](std::uint32_t shard) {
        world.run(0, put_as_if_in, world.at(0).network, world.at(1).network->local(), shard,
                  houses::key_in(1), &out);
    };
    try_shard(1);
    EXPECT_TRUE(out) << out.error().message();
    try_shard(2);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error(), errc::invalid);
    EXPECT_EQ(out.error().executed(), executed::no);
    try_shard(shard_count);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error(), errc::unavailable);
}

behavior<silent> put_within(context<silent>, diaries all, std::string key, std::int64_t number,
                            duration within, std::vector<result<std::int64_t>>* out) {
    out->push_back(co_await all[key].ask<put>(within, "a", number));
}

// What stood still on its way for as long as the shard was elsewhere would be done behind what its
// sender has sent later, to the owner in between.
TEST(sharding_nodes, what_was_sent_to_an_owner_is_too_late_when_it_owns_again) {
    auto out = std::vector<result<std::int64_t>>{};
    auto world = houses{3};
    world.own_all(1).publish();
    auto key = houses::key_in(4);
    auto put_one = [&](std::int64_t number) {
        world.run(0, put_within, *world.at(0).all, key, number, duration{500ms}, &out);
        return out.back();
    };
    auto move_to = [&](std::size_t to) {
        world.move(4, to).publish();
        world.sim.run_for(100ms);
        world.own(4, to).publish();
        world.sim.run_for(100ms);
    };
    EXPECT_TRUE(put_one(0));
    // Views do not come over this link here: everybody hears of every move.
    world.sim.network().cut(0, 1);
    auto lost = put_one(1);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().executed(), executed::maybe);
    move_to(2);
    EXPECT_TRUE(put_one(2));
    move_to(1);
    auto redirected = world.at(1).shards->numbers().redirected;
    world.sim.network().cut(0, 1, false);
    world.sim.run_for(1s);
    EXPECT_EQ(world.seen.numbers_of("a"), (std::vector<std::int64_t>{0, 2}));
    EXPECT_EQ(world.at(1).shards->numbers().redirected, redirected + 1) << "it did arrive";
    EXPECT_TRUE(put_one(3));
    EXPECT_EQ(world.seen.numbers_of("a"), (std::vector<std::int64_t>{0, 2, 3}));
}

TEST(sharding_nodes, an_old_view_is_looked_after) {
    auto failures = std::vector<error>{};
    auto world = houses{3};
    world.own_all(1).publish();
    world.move(1, 2).publish();
    world.sim.run_for(10ms);
    auto older = world.at(0).owners->now;
    world.own(1, 2);
    auto made = world.make();
    world.show(1, made);
    world.show(2, made);
    auto ended = false;
    // Node 0 has a view from before the move began.
    world.start(0, &ended, put_some, *world.at(0).all, houses::key_in(1), std::string{"a"},
                std::int64_t{0}, std::int64_t{1}, &failures);
    world.sim.run_for(100ms);
    EXPECT_FALSE(ended) << "it knows that the shard moves, and not yet where to";
    world.show(0, made);
    world.sim.run_for(100ms);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(failures.empty());
}

behavior<silent> flood(context<silent> self, diaries all, std::string key, int count,
                       std::map<errc, int>* out) {
    for (int i = 0; i < count; ++i) {
        self.start(
            [](diaries to, std::string where, int number, std::map<errc, int>* sums) -> task<void> {
                auto done = co_await to[where].ask<put>(3s, "flood", number);
                ++(*sums)[done ? errc::ok : done.error().code()];
                EXPECT_TRUE(done || done.error().executed() == executed::no);
            }(all, key, i, out));
    }
    co_await self.sleep(4s);
}

TEST(sharding_nodes, what_waits_is_bounded) {
    auto sums = std::map<errc, int>{};
    auto world = houses{2};
    world.run(0, flood, *world.at(0).all, std::string{"k"}, 1500, &sums);
    EXPECT_EQ(sums[errc::unavailable], 1000);
    EXPECT_EQ(sums[errc::overloaded], 500);
    EXPECT_EQ(world.at(0).shards->numbers().waiting_bytes, 0);
    sums.clear();
    auto ended = false;
    world.start(0, &ended, flood, *world.at(0).all, std::string{"k"}, 900, &sums);
    world.sim.run_for(1s);
    EXPECT_GT(world.at(0).shards->numbers().waiting_bytes, 0);
    world.own_all(1).publish();
    world.sim.run_for(5s);
    EXPECT_TRUE(ended);
    EXPECT_EQ(sums[errc::ok], 900);
    EXPECT_EQ(world.seen.acts.size(), 900U);
}

TEST(sharding_nodes, a_crashed_owner_is_waited_for_until_another_one_takes_over) {
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{3};
    world.own_all(1).publish();
    auto key = houses::key_in(4);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{0},
              std::int64_t{5}, &failures);
    world.sim.crash(world.node(1));
    world.start(0, &ended, put_some, *world.at(0).all, key, std::string{"b"}, std::int64_t{0},
                std::int64_t{5}, &failures);
    world.sim.run_for(3s);
    world.remove(1).own_all(2);
    auto made = world.make();
    world.show(0, made);
    world.show(2, made);
    world.sim.run_for(3s);
    EXPECT_TRUE(ended);
    // The first one may have been lost with the connection.
    EXPECT_LE(failures.size(), 1U);
    for (const auto& each : failures) {
        EXPECT_EQ(each.executed(), executed::maybe) << each.message();
    }
    auto seen = world.seen.numbers_of("b");
    EXPECT_GE(seen.size(), 4U);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(sharding_nodes, leaving_serves_until_the_last_shard_is_released) {
    auto failures = std::vector<error>{};
    auto ended = false;
    auto world = houses{2};
    world.own_all(1).publish();
    auto key = houses::key_in(4);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{0},
              std::int64_t{5}, &failures);
    auto gone = false;
    auto& owners = *world.at(1).owners;
    owners.left = [&] { return gone; };
    world.node(1).system().shutdown();
    world.sim.run_for(10ms);
    world.run(0, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{5},
              std::int64_t{9}, &failures);
    for (std::uint32_t shard = 0; shard < shard_count; ++shard) {
        world.move(shard, 0);
    }
    world.publish();
    EXPECT_TRUE(world.sim.run_until([&] { return owners.released.size() == shard_count; }, 10s));
    world.start(0, &ended, put_some, *world.at(0).all, key, std::string{"a"}, std::int64_t{9},
                std::int64_t{20}, &failures);
    world.sim.run_for(10ms);
    world.own_all(0).publish();
    gone = true;
    world.sim.run_for(1s);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(failures.empty()) << failures.front().message();
    EXPECT_EQ(world.seen.numbers_of("a"), count_to(20));
}

}  // namespace
}  // namespace cohort::sharding_tests
