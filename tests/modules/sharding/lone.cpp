#include <gtest/gtest.h>

#include <cohort/sharding/lone_ownership.hpp>
#include <cohort/sharding/sharding.hpp>
#include <cohort/testkit/simulation.hpp>

#include <map>

namespace cohort {
namespace {

struct add {
    using reply = result<std::int64_t>;
    std::int64_t amount = 0;
};
struct leave_now {};
struct fail_now {};
struct linger {
    using reply = result<std::int64_t>;
    std::int64_t milliseconds = 0;
};
struct whoami {
    using reply = result<std::string>;
};
struct work_aside {
    std::int64_t milliseconds = 0;
};
struct hide {};
/// Answered by what is shown, which is the sum; -1 when the entity had to be asked.
struct shown_sum {
    using reply = result<std::int64_t>;
    using shown = std::int64_t;
    [[nodiscard]] reply answer(const std::int64_t& sum) const {
        if (sum == 666) {
            throw std::runtime_error{"planned"};
        }
        return sum;
    }
};
struct shown_text {
    using reply = result<std::int64_t>;
    using shown = std::string;
    [[nodiscard]] reply answer(const std::string& text) const {
        return static_cast<std::int64_t>(text.size());
    }
};
using counter_protocol =
    protocol<add, leave_now, fail_now, linger, whoami, work_aside, hide, shown_sum, shown_text>;

struct lives {
    std::map<std::string, int> running;
    int started = 0;
    int most = 0;  // of one key at the same time
};

struct life {
    lives* all;
    std::string key;
    life(lives* whose, std::string its) : all{whose}, key{std::move(its)} {
        ++all->started;
        all->most = std::max(all->most, ++all->running[key]);
    }
    life(const life&) = delete;
    ~life() {
        if (--all->running[key] == 0) {
            all->running.erase(key);
        }
    }
};

task<void> sleep_aside(std::int64_t milliseconds) {
    co_await sleep_for{std::chrono::milliseconds{milliseconds}};
}

behavior<counter_protocol> count(entity_context<counter_protocol> self, lives* all) {
    auto alive = life{all, self.key()};
    std::int64_t sum = 0;
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<add>()) {
            sum += request->amount;
            self.publish(sum);
            self.holds(static_cast<std::size_t>(sum));
            request.reply(sum);
        } else if (auto patient = message.get_if<linger>()) {
            co_await self.sleep(std::chrono::milliseconds{patient->milliseconds});
            patient.reply(sum);
        } else if (auto asked = message.get_if<whoami>()) {
            asked.reply(self.key() + "@" + std::to_string(self.shard()) + "#" +
                        std::to_string(self.epoch()));
        } else if (auto beside = message.get_if<work_aside>()) {
            self.start(sleep_aside(beside->milliseconds));
        } else if (auto sum_asked = message.get_if<shown_sum>()) {
            sum_asked.reply(-1);
        } else if (auto text_asked = message.get_if<shown_text>()) {
            text_asked.reply(-1);
        } else if (message.get_if<hide>()) {
            self.unpublish();
        } else if (message.get_if<fail_now>()) {
            throw std::runtime_error{"told to"};
        } else {
            co_return;
        }
    }
}

struct lone_house {
    explicit lone_house(entity_options options = {}, unsigned cores = 1, std::uint64_t seed = 1)
        : sim{{.seed = seed}} {
        node = &sim.add(
            {.runtime = {.cores = cores}, .boot = [this, options](simulated_node& up) {
                 auto& owners = up.system().use(lone_ownership{{.own_epoch = 7}});
                 shards = &up.system().use(sharding{owners});
                 all.emplace(shards->space<counter_protocol>("counters", count, options, &alive));
                 ASSERT_TRUE(up.system().start());
             }});
    }
    template <class Function, class... Args>
    void run(Function function, Args... args) {
        bool ended = false;
        static_cast<void>(node->system().spawn_on_with(0,
                                                       {.name = "test",
                                                        .on_exit =
                                                            [&](exit_reason why) {
                                                                ended = true;
                                                                EXPECT_NE(why, exit_reason::failed);
                                                            }},
                                                       function, args...));
        EXPECT_TRUE(sim.run_until([&] { return ended; }, 10min));
    }

    lives alive;
    std::optional<sharded<counter_protocol>> all;
    sharding* shards = nullptr;
    simulated_node* node = nullptr;
    simulation sim;
};

using silent = detail::silent;

behavior<silent> use_it(context<silent>, sharded<counter_protocol> all) {
    auto first = co_await all["a"].ask<add>(1s, 2);
    EXPECT_EQ(*first, 2);
    all["a"].tell(add{3});
    all.tell<add>("a", 4);
    auto sum = co_await all.ask<add>("a", 1s, 0);
    EXPECT_EQ(*sum, 9);
    auto other = co_await all["b"].ask<add>(1s, 1);
    EXPECT_EQ(*other, 1);
    auto name = co_await all["b"].ask<whoami>(1s);
    EXPECT_EQ(*name, "b@" + std::to_string(shard_of("b", 1024)) + "#7");
}

TEST(sharding, starts_an_entity_with_the_first_message_for_its_key) {
    for (unsigned cores : {1U, 3U}) {
        auto house = lone_house{{}, cores};
        house.run(use_it, *house.all);
        EXPECT_EQ(house.alive.running.size(), 2U);
        EXPECT_EQ(house.shards->numbers().entities, 2U);
        EXPECT_EQ(house.shards->numbers().content_bytes, 10U);
        EXPECT_EQ(house.shards->numbers().shards_owned, 1024U);
        EXPECT_TRUE(house.sim.stop(*house.node));
        EXPECT_TRUE(house.alive.running.empty());
        EXPECT_TRUE(house.sim.leaks().empty());
    }
}

behavior<silent> ask_what_is_shown(context<silent>, sharded<counter_protocol> all) {
    all["k"].tell(add{5});
    auto first = co_await all["k"].ask<shown_sum>(1s);
    EXPECT_EQ(*first, -1) << "something was on its way";
    auto shown = co_await all["k"].ask<shown_sum>(1s);
    EXPECT_EQ(*shown, 5);
    auto of_another_type = co_await all["k"].ask<shown_text>(1s);
    EXPECT_EQ(*of_another_type, -1);
    all["k"].tell(add{661});
    co_await sleep_for{10ms};
    auto thrown = co_await all["k"].ask<shown_sum>(1s);
    EXPECT_EQ(*thrown, -1) << "the entity is asked what could not be answered";
}

TEST(sharding, answers_by_what_is_shown_if_it_can) {
    for (unsigned cores : {1U, 3U}) {
        auto house = lone_house{{}, cores};
        house.run(ask_what_is_shown, *house.all);
        EXPECT_EQ(house.alive.started, 1);
    }
}

behavior<silent> poll(context<silent>, sharded<counter_protocol> all) {
    auto sum = co_await all["k"].ask<add>(1s, 1);
    while (*sum < 10) {
        sum = co_await all["k"].ask<shown_sum>(1s);
        if (!sum) {
            break;
        }
    }
    EXPECT_TRUE(sum);
}

behavior<silent> add_later(context<silent>, sharded<counter_protocol> all) {
    for (int turns = 0; turns < 100; ++turns) {
        co_await yield{};
    }
    all["k"].tell(add{9});
}

TEST(sharding, who_asks_in_a_loop_lets_others_run) {
    auto house = lone_house{};
    static_cast<void>(house.node->system().spawn_on(0, add_later, *house.all));
    house.run(poll, *house.all);
}

behavior<silent> let_it_leave(context<silent>, sharded<counter_protocol> all) {
    auto key = all["k"];
    key.tell(add{5});
    key.tell(leave_now{});
    key.tell(add{1});
    auto sum = co_await key.ask<add>(1s, 1);
    EXPECT_EQ(*sum, 2) << "what waited when the entity returned started it again";
    key.tell(fail_now{});
    key.tell(add{1});
    auto after = co_await key.ask<add>(1s, 1);
    EXPECT_EQ(*after, 2) << "and so it does when the entity failed";
}

TEST(sharding, an_entity_that_ends_leaves_its_mail_to_the_next_one) {
    auto house = lone_house{};
    house.run(let_it_leave, *house.all);
    EXPECT_EQ(house.alive.started, 3);
    EXPECT_EQ(house.alive.most, 1);
    EXPECT_EQ(house.shards->numbers().entities, 1U);
}

behavior<silent> touch(context<silent>, sharded<counter_protocol> all, int from, int to) {
    for (int key = from; key < to; ++key) {
        auto sum = co_await all[std::to_string(key)].ask<add>(1s, 1);
        EXPECT_TRUE(sum) << sum.error().message();
    }
}

TEST(sharding, stops_entities_that_are_idle) {
    auto house = lone_house{{.idle = 40s}};
    house.run(touch, *house.all, 0, 1000);
    house.sim.run_for(35s);
    house.run(touch, *house.all, 0, 10);
    house.sim.run_for(25s);
    EXPECT_EQ(house.shards->numbers().entities, 10U);
    EXPECT_EQ(house.shards->numbers().passivated, 990U);
    house.sim.run_for(60s);
    EXPECT_EQ(house.shards->numbers().entities, 0U);
}

TEST(sharding, evicts_what_was_not_used_lately) {
    auto house = lone_house{{.entities_max = 100}};
    house.run(touch, *house.all, 0, 100);
    house.run(touch, *house.all, 0, 50);  // used twice
    house.run(touch, *house.all, 100, 150);
    EXPECT_LE(house.shards->numbers().entities, 101U);
    EXPECT_GE(house.shards->numbers().evicted, 49U);
    auto kept = 0;
    for (int key = 0; key < 50; ++key) {
        kept += static_cast<int>(house.alive.running.count(std::to_string(key)));
    }
    EXPECT_GE(kept, 25);
}

behavior<silent> fill(context<silent>, sharded<counter_protocol> all) {
    for (int key = 0; key < 20; ++key) {
        static_cast<void>(co_await all[std::to_string(key)].ask<add>(1s, 100));
    }
}

TEST(sharding, keeps_content_within_its_limit) {
    auto house = lone_house{{.content_bytes_max = 1000}};
    house.run(fill, *house.all);
    EXPECT_LE(house.shards->numbers().content_bytes, 1100U);
    EXPECT_GE(house.shards->numbers().evicted, 9U);
}

behavior<silent> crowd(context<silent> self, sharded<counter_protocol> all, int* overloaded) {
    auto busy = all["busy"].ask<linger>(5s, 1000);
    for (int i = 0; i < 30; ++i) {
        auto more = all["busy"].ask<add>(5s, 1);
        if (more.ended()) {
            auto refused = co_await more;
            *overloaded += refused.error() == errc::overloaded ? 1 : 0;
            EXPECT_EQ(refused.error().executed(), executed::no);
        }
    }
    static_cast<void>(co_await busy);
    co_await self.sleep(1ms);
}

TEST(sharding, a_full_mailbox_refuses_what_comes) {
    auto house = lone_house{{.mailbox_limit = 10}};
    auto overloaded = 0;
    house.run(crowd, *house.all, &overloaded);
    EXPECT_GE(overloaded, 19);
}

behavior<silent> look_at_it(context<silent> self, sharded<counter_protocol> all) {
    EXPECT_EQ(all.peek<std::int64_t>("p"), nullptr);
    static_cast<void>(co_await all["p"].ask<add>(1s, 42));
    co_await self.sleep(1ms);
    const auto* seen = all.peek<std::int64_t>("p");
    EXPECT_NE(seen, nullptr);
    if (seen != nullptr) {
        EXPECT_EQ(*seen, 42);
    }
    auto busy = all["p"].ask<linger>(1s, 10);
    EXPECT_EQ(all.peek<std::int64_t>("p"), nullptr) << "it has something to do";
    static_cast<void>(co_await busy);
}

TEST(sharding, shows_what_an_idle_entity_has_published) {
    auto house = lone_house{};
    house.run(look_at_it, *house.all);
}

/// What is shown of a key, or -1.
std::int64_t shown(const sharded<counter_protocol>& all, std::string_view key) {
    const auto* seen = all.peek<std::int64_t>(key);
    return seen == nullptr ? -1 : *seen;
}

behavior<silent> watch_it_vanish(context<silent> self, sharded<counter_protocol> all) {
    auto count_one = [&] { return all["p"].ask<add>(1s, 1); };
    static_cast<void>(co_await count_one());
    co_await self.sleep(1ms);
    EXPECT_EQ(shown(all, "p"), 1);
    all["p"].tell(leave_now{});
    EXPECT_EQ(shown(all, "p"), -1) << "a message waits";
    co_await self.sleep(1ms);
    EXPECT_EQ(shown(all, "p"), -1) << "it has returned";
    static_cast<void>(co_await count_one());
    co_await self.sleep(1ms);
    EXPECT_EQ(shown(all, "p"), 1);
    all["p"].tell(fail_now{});
    static_cast<void>(co_await all["p"].ask<whoami>(1s));
    co_await self.sleep(1ms);
    EXPECT_EQ(shown(all, "p"), -1) << "it failed, and the next one has published nothing";
    all["p"].tell(work_aside{5});
    static_cast<void>(co_await count_one());
    co_await self.sleep(1ms);
    EXPECT_EQ(shown(all, "p"), -1) << "a task of its works";
    co_await self.sleep(10ms);
    static_cast<void>(co_await count_one());
    co_await self.sleep(1ms);
    EXPECT_EQ(shown(all, "p"), 2);
    all["p"].tell(hide{});
    co_await self.sleep(1ms);
    EXPECT_EQ(shown(all, "p"), -1) << "it shows nothing any more";
}

TEST(sharding, shows_nothing_of_an_entity_that_works_or_has_ended) {
    auto house = lone_house{};
    house.run(watch_it_vanish, *house.all);
}

behavior<silent> look_at_most(context<silent> self, sharded<counter_protocol> all) {
    constexpr auto keys = 9000;
    for (int key = 0; key < keys; ++key) {
        static_cast<void>(co_await all[std::to_string(key)].ask<add>(1s, key));
    }
    co_await self.sleep(1ms);
    for (int round = 0; round < 2; ++round) {
        for (int key = 0; key < keys; ++key) {
            EXPECT_EQ(shown(all, std::to_string(key)), key);
        }
    }
}

behavior<silent> look_again(context<silent>, sharded<counter_protocol> all) {
    EXPECT_EQ(shown(all, "7"), -1) << "it was idle and has ended";
    auto sum = co_await all["7"].ask<add>(1s, 1);
    EXPECT_EQ(*sum, 1);
}

TEST(sharding, tells_apart_what_many_entities_show) {
    auto house = lone_house{{.idle = 40s}};
    house.run(look_at_most, *house.all);
    house.sim.run_for(60s);
    EXPECT_EQ(house.shards->numbers().entities, 0U);
    house.run(look_again, *house.all);
}

behavior<silent> look_now_and_then(context<silent> self, sharded<counter_protocol> all) {
    static_cast<void>(co_await all["p"].ask<add>(1s, 42));
    for (int i = 0; i < 10; ++i) {
        co_await self.sleep(30s);
        EXPECT_EQ(shown(all, "p"), 42);
    }
}

TEST(sharding, an_entity_that_is_looked_at_is_not_idle) {
    auto house = lone_house{{.idle = 40s}};
    house.run(look_now_and_then, *house.all);
    EXPECT_EQ(house.alive.started, 1);
    house.sim.run_for(60s);
    EXPECT_EQ(house.shards->numbers().passivated, 1U);
}

behavior<silent> look_and_crowd(context<silent> self, sharded<counter_protocol> all) {
    static_cast<void>(co_await all["p"].ask<add>(1s, 42));
    for (int key = 0; key < 300; ++key) {
        if (key % 20 == 0 && key < 200) {
            co_await self.sleep(1ms);
            EXPECT_EQ(shown(all, "p"), 42) << "what is looked at stays: " << key;
        }
        static_cast<void>(co_await all[std::to_string(key)].ask<add>(1s, 1));
    }
    EXPECT_EQ(shown(all, "p"), -1);
}

TEST(sharding, shows_nothing_of_what_was_evicted) {
    auto house = lone_house{{.entities_max = 40}};
    house.run(look_and_crowd, *house.all);
}

behavior<silent> wait_for_store(context<silent>, sharded<counter_protocol> all,
                                std::vector<std::string>* seen) {
    auto sum = co_await all["x"].ask<add>(5s, 1);
    EXPECT_TRUE(sum) << sum.error().message();
    seen->push_back("answered");
    auto again = co_await all["x"].ask<add>(5s, 1);
    EXPECT_EQ(*again, 2);
}

task<result<void>> raise_fence(std::vector<std::string>* seen, std::uint32_t shard,
                               std::uint64_t epoch) {
    co_await sleep_for{100ms};
    seen->push_back("fence " + std::to_string(shard) + " " + std::to_string(epoch));
    if (seen->size() < 3) {
        co_return error{errc::storage, "not yet"};
    }
    co_return result<void>{};
}

TEST(sharding, tells_the_store_before_it_serves_a_shard) {
    auto seen = std::vector<std::string>{};
    auto house = lone_house{{.activate = [&seen](std::uint32_t shard, std::uint64_t epoch) {
        return raise_fence(&seen, shard, epoch);
    }}};
    house.run(wait_for_store, *house.all, &seen);
    auto fence = "fence " + std::to_string(shard_of("x", 1024)) + " 7";
    EXPECT_EQ(seen, (std::vector<std::string>{fence, fence, fence, "answered"}));
    EXPECT_EQ(house.shards->numbers().activations, 3U);
}

TEST(sharding, says_where_a_key_is) {
    auto house = lone_house{{}, 2};
    auto found = house.shards->locate("counters", "key");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->shard, shard_of("key", 1024));
    EXPECT_EQ(found->home_core, home_core(found->shard, 2));
    EXPECT_EQ(found->own_epoch, 7U);
    EXPECT_TRUE(found->here);
    EXPECT_FALSE(found->moving);
    EXPECT_EQ(house.shards->locate("nothing", "key").error(), errc::not_found);
}

}  // namespace
}  // namespace cohort
