#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cohort/remoting/remoting.hpp>
#include <cohort/sharding/sharding.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort::sharding_tests {

/// An ownership whose views, leases and fences a test makes by hand.
class hand_ownership final : public ownership {
public:
    hand_ownership(simulated_node& node, node_uid name);

    void declare(space_options space) override { spaces.push_back(std::move(space)); }
    void listen(ownership_listener& listener) override { listeners.push_back(&listener); }
    [[nodiscard]] node_uid self() const noexcept override { return uid; }
    [[nodiscard]] const lease& own_lease() const noexcept override { return held; }
    [[nodiscard]] view_ptr current() const override { return now; }
    void release(std::string space, std::uint32_t shard, std::uint64_t drain_epoch) override;
    void look_for(std::uint64_t epoch) override { looked_for.push_back(epoch); }
    [[nodiscard]] task<void> leave() override;

    /// Tells every core of the node.
    void see(view_ptr next);
    void suspend();
    void resume();
    void fence(std::uint64_t new_name);

    simulated_node& node;
    node_uid uid;
    lease held;
    view_ptr now;
    std::vector<space_options> spaces;
    std::vector<ownership_listener*> listeners;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> released;
    std::vector<std::uint64_t> looked_for;
    std::function<bool()> left;  // whether `leave` may end
};

struct put {
    using reply = result<std::int64_t>;  // how many the entity has taken
    std::string who;
    std::int64_t number = 0;
};
struct note {
    std::string who;
    std::int64_t number = 0;
};
struct look {
    using reply = result<std::vector<std::int64_t>>;
    static constexpr bool idempotent = true;
    std::string who;
};
struct linger {
    using reply = result<std::int64_t>;
    std::int64_t milliseconds = 0;
    std::int64_t number = 0;
};
/// What an entity publishes: which act of all it did last.
struct shown_act {
    std::size_t index = 0;
};
/// Which act it shows; -1 when the entity had to be asked.
struct last {
    using reply = result<std::int64_t>;
    using shown = shown_act;
    [[nodiscard]] reply answer(const shown_act& value) const {
        return static_cast<std::int64_t>(value.index) + offset;
    }
    std::int64_t offset = 0;
};
using diary_protocol = protocol<put, note, look, linger, last>;

/// What was done to all entities of all nodes, and by whom: the test's eye on everything.
struct ghost {
    struct act {
        std::string key;
        std::string who;
        std::int64_t number;
        std::uint64_t epoch;
        std::uint32_t node;
        time_point at;
    };
    std::vector<act> acts;
    std::map<std::string, std::size_t> newest;  // by key: which act was the last, of any node
    std::map<std::string, int> running;         // by key and node
    int most = 0;                               // of one key on one node
    [[nodiscard]] std::vector<std::int64_t> numbers_of(const std::string& who) const;
};

/// What a node of a test is made of.
struct house {
    std::unique_ptr<hand_ownership> owners;
    remoting* network = nullptr;
    sharding* shards = nullptr;
    std::optional<sharded<diary_protocol>> all;
};

inline constexpr std::uint32_t shard_count = 16;

/// Nodes with real remoting, and one view for all that the test changes.
struct houses {
    explicit houses(std::size_t nodes, unsigned cores = 1, simulation_options world = {},
                    sharding_options options = {}, entity_options entities = {});

    simulated_node& node(std::size_t i) { return sim.node(i); }
    house& at(std::size_t i) { return *static_cast<house*>(node(i).state.get()); }

    /// A change of the next view; `publish` shows it to all, `show` to one node.
    houses& own(std::uint32_t shard, std::size_t owner);
    houses& own_all(std::size_t owner);
    houses& move(std::uint32_t shard, std::size_t to);
    houses& remove(std::size_t i);
    houses& join(std::size_t i);
    houses& cancel_moves();
    view_ptr make();
    void publish();
    void show(std::size_t i, const view_ptr& which) { at(i).owners->see(which); }

    /// Runs a coroutine as an actor of a node; `ended` becomes true when it has.
    template <class Function, class... Args>
    void start(std::size_t on, bool* ended, Function function, Args... args) {
        static_cast<void>(node(on).system().spawn_on_with(0,
                                                          {.name = "test",
                                                           .on_exit =
                                                               [ended](exit_reason why) {
                                                                   *ended = true;
                                                                   EXPECT_NE(why,
                                                                             exit_reason::failed);
                                                               }},
                                                          function, args...));
    }
    template <class Function, class... Args>
    void run(std::size_t on, Function function, Args... args) {
        bool ended = false;
        start(on, &ended, function, args...);
        EXPECT_TRUE(sim.run_until([&] { return ended; }, 10min));
    }

    /// A key of a shard.
    static std::string key_in(std::uint32_t shard);

    ghost seen;
    view next;
    std::vector<node_uid> uids;
    entity_options entities;
    simulation sim;
};

}  // namespace cohort::sharding_tests
