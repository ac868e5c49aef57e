#pragma once

#include <distributed-cache/cache_items.hpp>
#include <distributed-cache/cache_origin.hpp>

#include <cohort/sharding/lone_ownership.hpp>
#include <cohort/testkit/deterministic.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>

namespace cohort {

/// A node of the cache on virtual time, its origin in memory.
class cache_node {
public:
    explicit cache_node(cache_items_options limits = {}, unsigned cores = 2, std::uint64_t seed = 1,
                        cache_origin_options database = {})
        : node_{{.world = {.seed = seed}, .cores = cores}},
          origin_{open(node_.world(), std::move(database))},
          shards_{node_.system().use(sharding{node_.system().use(lone_ownership{{.own_epoch = 7}}),
                                              nullptr, cache_items::waiting()})},
          items_{shards_, *origin_, std::move(limits)} {}
    cache_node(const cache_node&) = delete;
    cache_node& operator=(const cache_node&) = delete;
    ~cache_node() {
        // Actors end before the tables and the origin that they use.
        auto& runtime = node_.system().runtime();
        runtime.request_stop();
        EXPECT_TRUE(node_.run_until([&] { return runtime.drained(); }));
    }

    [[nodiscard]] deterministic& node() { return node_; }
    /// Starts the system, once; whoever adds extensions does so before.
    void begin() {
        if (!std::exchange(begun_, true)) {
            auto started = node_.system().start();
            EXPECT_TRUE(started) << started.error().message();
        }
    }
    [[nodiscard]] cache_origin& origin() { return *origin_; }
    [[nodiscard]] cache_items& items() { return items_; }
    [[nodiscard]] item_figures figures() { return items_.figures(); }

    /// Starts a coroutine as an actor of a core; `running()` counts those that have not ended.
    template <class Body>
    void start(Body& body, std::uint32_t core = 0) {
        begin();
        ++running_;
        node_.system().spawn_on(core, &run_body, std::make_shared<task<void>>(body()), &running_);
    }
    [[nodiscard]] std::size_t running() const { return running_; }

    /// Runs a coroutine on a core until it ends.
    template <class Body>
    void run(Body body, std::uint32_t core = 0) {
        start(body, core);
        finish();
    }
    /// Runs until every coroutine that was started has ended.
    void finish() {
        EXPECT_TRUE(node_.run_until([this] { return running_ == 0; }));
    }

    // Requests with a deadline 2 s away; call them in a coroutine of this node.
    [[nodiscard]] static deadline soon() {
        return {this_core().now() + std::chrono::seconds{2}, 0};
    }
    [[nodiscard]] auto get(std::string_view key) { return items_.ask(key, soon(), get_item{}); }
    [[nodiscard]] auto put(std::string_view key, std::string_view content) {
        return items_.ask(key, soon(), put_item{bytes{content}});
    }
    [[nodiscard]] auto erase(std::string_view key) { return items_.ask(key, soon(), erase_item{}); }

    /// Has the shards of these keys activated, and forgets what was learnt about the keys.
    void warm_up(unsigned count) {
        run([&]() -> task<void> {
            for (auto number = 0U; number < count; ++number) {
                auto found = co_await get(fmt::format("key{}", number));
                EXPECT_TRUE(found) << found.error().message();
            }
        });
        node_.run_for(std::chrono::seconds{2});
    }

private:
    struct nothing {};

    static std::unique_ptr<cache_origin> open(world& around, cache_origin_options database) {
        database.database.address = "sqlite::memory:";
        auto opened = cache_origin::open(around, std::move(database));
        EXPECT_TRUE(opened.has_value()) << opened.error().message();
        return std::move(*opened);
    }
    static behavior<protocol<nothing>> run_body(context<protocol<nothing>>,
                                                std::shared_ptr<task<void>> body,
                                                std::size_t* running) {
        co_await std::move(*body);
        --*running;
    }

    deterministic node_;
    std::unique_ptr<cache_origin> origin_;
    sharding& shards_;
    cache_items items_;
    bool begun_ = false;
    std::size_t running_ = 0;
};

}  // namespace cohort
