#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <cohort/sharding/sharding.hpp>
#include <cohort/testkit/simulation.hpp>

// What tests of sharding on simulated nodes are made of: views that are made by hand, entities that
// write down what they do, and a judge of it.

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

/// An entity that does what it is asked, and writes it down.
behavior<diary_protocol> keep_diary(entity_context<diary_protocol> self, ghost* all,
                                    std::uint32_t where);

/// What the senders know: by sender and key, a count of what was sent, and what they were told.
struct outcomes {
    std::map<std::string, std::int64_t> sent;
    std::set<std::pair<std::string, std::int64_t>> done, not_done;
    std::uint64_t maybe = 0;
};

/// Sends the next one and notes what comes of it.
task<void> put_one(sharded<diary_protocol> all, std::string key, std::string who, duration within,
                   outcomes* book);

/// What went wrong, judged from everything that was done: nothing twice, each sender's acts in the
/// order in which they were sent, no older owner's behind a newer one's, and all as senders were
/// told.
[[nodiscard]] std::optional<std::string> judge(const ghost& seen, const outcomes& book);

}  // namespace cohort::sharding_tests
