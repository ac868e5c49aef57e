#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cohort/remoting/remoting.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort::remoting_tests {

struct add {
    using reply = result<std::int64_t>;
    std::int64_t amount = 0;
};
struct note {
    std::int64_t number = 0;
    std::string padding;
};
struct numbers_seen {
    using reply = result<std::vector<std::int64_t>>;
};
struct slow {
    using reply = result<std::int64_t>;
    std::int64_t milliseconds = 0;
};
struct blob {
    using reply = result<bytes>;
    bytes content;
};
struct remaining {
    using reply = result<std::int64_t>;
};
struct trace_seen {
    using reply = result<std::int64_t>;
};
struct die {
    bool by_exception = false;
};
using counter_protocol = protocol<add, note, numbers_seen, slow, blob, remaining, trace_seen, die>;
using adder_protocol = protocol<add>;

struct listen_to {
    ref<counter_protocol> target;
};
struct heard {
    std::int64_t value = 0;
};
using listener_protocol = protocol<heard>;
struct report_to {
    ref<listener_protocol> listener;
    std::int64_t times = 0;
};
using reporter_protocol = protocol<report_to>;

struct stranger_message {
    int value = 0;
};
using stranger_protocol = protocol<stranger_message>;

behavior<counter_protocol> count(context<counter_protocol> self);
behavior<reporter_protocol> report(context<reporter_protocol> self);

inline constexpr std::uint16_t port = 4000;

/// What a node of a test is made of.
struct station {
    remoting* network = nullptr;
    ref<counter_protocol> counter;
};

/// Nodes that expose a counter under `counter`, one actor on the last core.
struct nodes {
    explicit nodes(simulation_options world = {}, unsigned cores = 1,
                   remoting_options options = {});

    simulated_node& add();
    [[nodiscard]] station& at(simulated_node& node) {
        return *static_cast<station*>(node.state.get());
    }
    [[nodiscard]] endpoint address(simulated_node& node) { return {node.host(), port}; }
    [[nodiscard]] remoting_numbers numbers(simulated_node& node) {
        return at(node).network->numbers();
    }

    /// Runs a coroutine as an actor of a node until it returns.
    template <class Function, class... Args>
    void run(simulated_node& on, Function function, Args... args) {
        bool ended = false;
        static_cast<void>(on.system().spawn_on_with(0,
                                                    {.name = "test",
                                                     .on_exit =
                                                         [&](exit_reason why) {
                                                             ended = true;
                                                             EXPECT_NE(why, exit_reason::failed);
                                                         }},
                                                    function, args...));
        EXPECT_TRUE(sim.run_until([&] { return ended; }, 10min)) << "the test's actor did not end";
    }

    /// A ref to the counter of another node, as the node `from` sees it.
    [[nodiscard]] ref<counter_protocol> find(simulated_node& from, simulated_node& to);

    unsigned cores;
    remoting_options options;
    std::function<void(simulated_node&, remoting_options&)> adjust;  // for each node that boots
    simulation sim;
};

}  // namespace cohort::remoting_tests
