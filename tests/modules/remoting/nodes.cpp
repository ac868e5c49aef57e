#include "nodes.hpp"

namespace cohort::remoting_tests {
namespace {

task<void> answer_later(std::int64_t milliseconds, reply_to<slow::reply> reply) {
    co_await sleep_for{std::chrono::milliseconds{milliseconds}};
    reply(milliseconds);
}

}  // namespace

behavior<counter_protocol> count(context<counter_protocol> self) {
    std::int64_t sum = 0;
    auto seen = std::vector<std::int64_t>{};
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<add>()) {
            sum += request->amount;
            request.reply(sum);
        } else if (auto told = message.get_if<note>()) {
            seen.push_back(told->number);
        } else if (auto wanted = message.get_if<numbers_seen>()) {
            wanted.reply(seen);
        } else if (auto patient = message.get_if<slow>()) {
            self.start(answer_later(patient->milliseconds, patient.later()));
        } else if (auto echoed = message.get_if<blob>()) {
            echoed.reply(echoed->content);
        } else if (auto timed = message.get_if<remaining>()) {
            auto left = timed.deadline().at - self.now();
            timed.reply(
                std::int64_t{std::chrono::duration_cast<std::chrono::milliseconds>(left).count()});
        } else if (auto traced = message.get_if<trace_seen>()) {
            traced.reply(static_cast<std::int64_t>(traced.deadline().trace));
        } else if (auto last = message.get_if<die>()) {
            if (last->by_exception) {
                throw std::runtime_error{"told to"};
            }
            co_return;
        }
    }
}

behavior<reporter_protocol> report(context<reporter_protocol> self) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto told = message.get_if<report_to>()) {
            for (std::int64_t i = 0; i < told->times; ++i) {
                told->listener.tell(heard{i});
            }
            co_return;
        }
    }
}

nodes::nodes(simulation_options world, unsigned cores_each, remoting_options given)
    : cores{cores_each}, options{std::move(given)}, sim{world} {
    options.insecure = true;
}

simulated_node& nodes::add() {
    return sim.add({.runtime = {.cores = cores}, .boot = [this](simulated_node& node) {
                        auto made = std::make_shared<station>();
                        auto mine = options;
                        mine.listen = {node.host(), port};
                        if (adjust) {
                            adjust(node, mine);
                        }
                        auto& system = node.system();
                        auto& network = system.use(remoting{mine});
                        made->network = &network;
                        ASSERT_TRUE(system.start());
                        made->counter = system.spawn_on(cores - 1, count);
                        network.expose("counter", made->counter);
                        network.expose("reporter", system.spawn_on(cores - 1, report));
                        node.state = made;
                    }});
}

namespace {

behavior<detail::silent> look(context<detail::silent>, remoting* network, endpoint at,
                              ref<counter_protocol>* out) {
    auto found = co_await network->find<counter_protocol>(at, "counter", 5s);
    EXPECT_TRUE(found) << found.error().message();
    if (found) {
        *out = *found;
    }
}

}  // namespace

ref<counter_protocol> nodes::find(simulated_node& from, simulated_node& to) {
    auto out = ref<counter_protocol>{};
    run(from, look, at(from).network, address(to), &out);
    return out;
}

}  // namespace cohort::remoting_tests
