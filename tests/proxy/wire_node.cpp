// cohort-wire-node: a node for tests with real processes.
//
//     cohort-wire-node [--beside HOST:PORT] [--flood HOST:PORT] [--patience SECONDS]
//         [--handshake-ms N]
//
// It serves, and says `listening PORT`. Beside that it asks the service of one node as fast as it
// is answered, and floods another one with tells while it asks it now and then. Each line on
// standard input is answered with a line of numbers so far, in JSON; it ends with its standard
// input.

#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <map>
#include <mutex>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cohort/cohort.hpp>
#include <cohort/remoting/remoting.hpp>

namespace cohort::testing {
namespace {

using namespace std::chrono_literals;
using silent = detail::silent;

struct echo {
    using reply = result<std::uint64_t>;
    std::uint64_t number = 0;
};
struct load {
    std::string content;
};
using service = protocol<echo, load>;

constexpr std::size_t load_bytes = 1024;
constexpr int loads_a_turn = 8;
constexpr int in_flight = 8;

/// What the loops have seen; the cores write, main reads.
struct numbers {
    std::atomic<std::uint64_t> beside_answered{0};
    std::atomic<std::uint64_t> beside_failed{0};
    std::atomic<std::uint64_t> told{0};
    std::atomic<std::uint64_t> flood_answered{0};
    std::atomic<std::uint64_t> loads{0};  // that came to this node
    std::mutex mutex;
    struct refused {
        std::uint64_t times = 0;
        std::int64_t worst_us = 0;
    };
    std::map<std::string, refused> refusals;  // of asks to the flooded node, by the error

    void refuse(const error& why, duration after) {
        auto guard = std::lock_guard{mutex};
        auto& of = refusals[std::string{name(why.code())}];
        ++of.times;
        of.worst_us = std::max<std::int64_t>(
            of.worst_us, std::chrono::duration_cast<std::chrono::microseconds>(after).count());
    }
};

behavior<service> serve(context<service> self, numbers* all) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<echo>()) {
            request.reply(request->number);
        } else if (message.get_if<load>()) {
            ++all->loads;
        }
    }
}

task<ref<service>> find(context<silent> self, remoting* network, endpoint where) {
    for (;;) {
        auto found = co_await network->find<service>(where, "service", 5s);
        if (found) {
            co_return std::move(*found);
        }
        co_await self.sleep(50ms);
    }
}

behavior<silent> ask_beside(context<silent> self, remoting* network, endpoint where, numbers* all) {
    auto target = co_await find(self, network, where);
    for (std::uint64_t number = 0;; ++number) {
        auto answer = co_await target.ask<echo>(30s, number);
        answer && *answer == number ? ++all->beside_answered : ++all->beside_failed;
        if (!answer) {
            co_await self.sleep(1ms);
        }
    }
}

behavior<silent> flood(context<silent> self, ref<service> target, numbers* all) {
    for (;;) {
        for (int i = 0; i < loads_a_turn; ++i) {
            target.tell(load{std::string(load_bytes, 'x')});
            ++all->told;
        }
        co_await self.sleep(1ms);
    }
}

// What it asks is refused or waits: a queue that is full says so at once.
behavior<silent> ask_flooded(context<silent> self, remoting* network, endpoint where,
                             numbers* all) {
    auto target = co_await find(self, network, where);
    self.spawn(flood, target, all);
    for (std::uint64_t number = 0;; ++number) {
        auto began = self.now();
        auto answer = co_await target.ask<echo>(2s, number);
        if (answer) {
            ++all->flood_answered;
        } else {
            all->refuse(answer.error(), self.now() - began);
        }
        co_await self.sleep(5ms);
    }
}

std::string report(numbers& all, const remoting& network) {
    auto refusals = std::string{};
    {
        auto guard = std::lock_guard{all.mutex};
        for (const auto& [code, of] : all.refusals) {
            refusals += fmt::format("{}\"{}\": {{\"times\": {}, \"worst_us\": {}}}",
                                    refusals.empty() ? "" : ", ", code, of.times, of.worst_us);
        }
    }
    auto seen = network.numbers();
    return fmt::format(
        "{{\"beside_answered\": {}, \"beside_failed\": {}, \"told\": {}, \"flood_answered\": {}, "
        "\"loads\": {}, \"refusals\": {{{}}}, \"tells_dropped\": {}, \"stalled\": {}, "
        "\"connections_lost\": {}, \"handshakes_refused\": {}, \"bad_bytes\": {}, "
        "\"peers_gone\": {}, \"outbound_bytes_left\": {}}}",
        all.beside_answered.load(), all.beside_failed.load(), all.told.load(),
        all.flood_answered.load(), all.loads.load(), refusals, seen.tells_dropped, seen.stalled,
        seen.connections_lost, seen.handshakes_refused, seen.bad_bytes, seen.peers_gone,
        seen.outbound_bytes_left);
}

int run_program(int argc, char** argv) {
    auto beside = std::string{};
    auto flooded = std::string{};
    auto patience = 0;
    auto handshake_ms = 0;
    auto app = CLI::App{"A node for tests with real processes"};
    app.add_option("--beside", beside, "a node that is asked as fast as it answers");
    app.add_option("--flood", flooded, "a node that is told more than it may read");
    app.add_option("--patience", patience, "seconds until a connection that stalls is closed");
    app.add_option("--handshake-ms", handshake_ms, "how long a stranger may take");
    CLI11_PARSE(app, argc, argv);
    auto options = remoting_options{.cluster = "wire"};
    if (patience != 0) {
        options.stall_time = options.gone_after = std::chrono::seconds{patience};
        options.control_patience = options.stall_time;
    }
    if (handshake_ms != 0) {
        options.handshake_time = std::chrono::milliseconds{handshake_ms};
    }
    auto all = numbers{};
    auto node = cohort::system{runtime_options{.cores = 1}};
    auto& network = node.use(remoting{options});
    if (auto started = node.start(); !started) {
        std::cerr << started.error().message() << "\n";
        return 1;
    }
    network.expose("service", node.spawn(serve, &all));
    if (!beside.empty()) {
        for (int i = 0; i < in_flight; ++i) {
            node.spawn(ask_beside, &network, endpoint::parse(beside).value(), &all);
        }
    }
    if (!flooded.empty()) {
        node.spawn(ask_flooded, &network, endpoint::parse(flooded).value(), &all);
    }
    std::cout << "listening " << network.local().port << std::endl;
    auto line = std::string{};
    while (std::getline(std::cin, line)) {
        std::cout << report(all, network) << std::endl;
    }
    node.shutdown();
    return node.join();
}

}  // namespace
}  // namespace cohort::testing

int main(int argc, char** argv) { return cohort::testing::run_program(argc, argv); }
