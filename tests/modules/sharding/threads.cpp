// One node with two threads.

#include <future>

#include <gtest/gtest.h>

#include <cohort/sharding/lone_ownership.hpp>
#include <cohort/sharding/sharding.hpp>

namespace cohort {
namespace {

struct bump {
    using reply = result<std::int64_t>;
    std::int64_t by = 0;
};
using bump_protocol = protocol<bump>;
using silent = detail::silent;

behavior<bump_protocol> bumped(entity_context<bump_protocol> self) {
    std::int64_t sum = 0;
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<bump>()) {
            sum += request->by;
            request.reply(sum);
        }
    }
}

behavior<silent> bump_all(context<silent>, sharded<bump_protocol> all, int rounds,
                          std::promise<int>* out) {
    auto good = 0;
    for (int i = 0; i < rounds; ++i) {
        auto key = std::to_string(i % 50);
        auto answer = co_await all[key].ask<bump>(30s, 1);
        good += answer ? 1 : 0;
        all.tell<bump>(key, 1);
    }
    out->set_value(good);
}

TEST(sharding_threads, two_cores_use_each_others_entities) {
    auto node = cohort::system{runtime_options{.cores = 2}};
    auto& owners = node.use(lone_ownership{});
    auto& shards = node.use(sharding{owners});
    auto all = shards.space<bump_protocol>("bumped", bumped, {.idle = 100ms});
    ASSERT_TRUE(node.start());
    auto first = std::promise<int>{};
    auto second = std::promise<int>{};
    static_cast<void>(node.spawn_on(0, bump_all, all, 2000, &first));
    static_cast<void>(node.spawn_on(1, bump_all, all, 2000, &second));
    EXPECT_EQ(first.get_future().get(), 2000);
    EXPECT_EQ(second.get_future().get(), 2000);
    EXPECT_TRUE(shards.locate("bumped", "1"));
    EXPECT_GE(shards.numbers().started, 50U);
    node.shutdown();
    EXPECT_EQ(node.join(), 0);
}

}  // namespace
}  // namespace cohort
