// Three nodes tell, ask and watch each other under every fault there is, from a seed. What must
// hold is checked all the time: order and at-most-once of each sender, an answer belongs to its
// request, what certainly was not executed never is, a watch fires exactly once, and after all
// faults everything works again and nothing is left.

#include <cstdlib>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include <cohort/remoting/remoting.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort {
namespace {

using silent = detail::silent;

struct numbered {
    std::uint64_t sender = 0;
    std::int64_t number = 0;
    std::string padding;
};
struct echo {
    using reply = result<std::uint64_t>;
    std::uint64_t id = 0;
    std::string padding;
};
struct finish {};
using target_protocol = protocol<numbered, echo, finish>;

struct driver_state {
    bool alive = true;
    std::map<std::string, int> ends;  // of each ref that was watched
};

struct ledger {
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::int64_t> last;  // by receiver, sender
    std::set<std::uint64_t> executed;
    std::set<std::uint64_t> certainly_not;
    std::map<std::uint64_t, driver_state> drivers;
    std::vector<std::string> violations;
    std::uint64_t ids = 0;
    std::uint64_t answers = 0;
    std::uint64_t notes = 0;
    bool quiet = false;  // drivers begin nothing more

    void wrong(std::string what) { violations.push_back(std::move(what)); }
};

behavior<target_protocol> serve(context<target_protocol> self, ledger* book, std::uint64_t number) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto told = message.get_if<numbered>()) {
            auto& last = book->last[{number, told->sender}];
            if (told->number <= last) {
                book->wrong("order: " + std::to_string(told->number) + " behind " +
                            std::to_string(last));
            }
            last = told->number;
            ++book->notes;
        } else if (auto request = message.get_if<echo>()) {
            if (!book->executed.insert(request->id).second) {
                book->wrong("executed twice: " + std::to_string(request->id));
            }
            request.reply(request->id);
        } else {
            co_return;
        }
    }
}

std::string text_of(const ref<target_protocol>& target) {
    const auto& where = target.where();
    return std::to_string(where.at.value) + "/" + std::to_string(where.peer) + "/" +
           std::to_string(where.generation);
}

struct driver_setup {
    ledger* book = nullptr;
    remoting* network = nullptr;
    std::vector<endpoint> others;
    std::uint64_t number = 0;
    std::uint64_t seed = 0;
};

void note_end(driver_setup& setup, driver_state& mine, const ref<target_protocol>& target) {
    if (++mine.ends[text_of(target)] != 1) {
        setup.book->wrong("a watch fired twice");
    }
}

/// Asks once; false when the target seems to be of no use any more.
task<bool> ask_once(driver_setup* setup, ref<target_protocol> target, std::size_t padding) {
    auto id = ++setup->book->ids;
    auto answer = co_await target.ask<echo>(800ms, id, std::string(padding, 'e'));
    if (answer) {
        if (*answer != id) {
            setup->book->wrong("the answer to another request");
        }
        ++setup->book->answers;
        co_return true;
    }
    if (answer.error().executed() == executed::no) {
        setup->book->certainly_not.insert(id);
    }
    co_return answer.error() != errc::terminated;
}

behavior<protocol<finish>> drive(context<protocol<finish>> self, driver_setup setup) {
    auto& mine = setup.book->drivers[setup.number];
    auto random = std::mt19937_64{setup.seed};
    auto targets = std::map<std::size_t, ref<target_protocol>>{};
    auto watched = std::vector<ref<target_protocol>>{};
    std::int64_t number = 0;
    for (;;) {
        auto which = random() % setup.others.size();
        auto& target = targets[which];
        if (!target && !setup.book->quiet) {
            auto found =
                co_await setup.network->find<target_protocol>(setup.others[which], "target", 500ms);
            if (found) {
                target = *found;
                if (!mine.ends.contains(text_of(target))) {
                    mine.ends[text_of(target)] = 0;
                    watched.push_back(target);
                    self.watch(target);
                }
            }
        }
        if (target && !setup.book->quiet) {
            for (auto i = random() % 5; i-- > 0;) {
                auto size = random() % 20 == 0 ? 30'000 + random() % 200'000 : random() % 100;
                target.tell(numbered{setup.number, ++number, std::string(size, 'x')});
            }
            bool useful = co_await ask_once(&setup, target, random() % 15 == 0 ? 100'000 : 10);
            if (!useful) {
                target = {};
            }
        }
        auto pause = std::chrono::milliseconds{1 + random() % 40};
        auto message = co_await self.receive_for(pause);
        if (message) {
            if (auto gone = message->get_if<terminated>()) {
                for (auto& each : watched) {
                    if (gone->is(each)) {
                        note_end(setup, mine, each);
                    }
                }
                for (auto& [key, each] : targets) {
                    if (gone->is(each)) {
                        each = {};
                    }
                }
            }
        }
    }
}

struct campaign {
    explicit campaign(std::uint64_t seed)
        : random{seed}, sim{{.seed = seed, .delay_max = 3ms, .stream_buffer = 16'384}},
          cores{1 + static_cast<unsigned>(seed % 2)}, seed_{seed} {
        for (int i = 0; i < 3; ++i) {
            sim.add({.runtime = {.cores = cores},
                     .shuffled = seed % 3 == 0,
                     .boot = [this](simulated_node& node) { boot(node); }});
        }
    }

    void boot(simulated_node& node) {
        auto options = remoting_options{.listen = {node.host(), 4000}, .insecure = true};
        // They lose patience one after the other, so that a peer is given up by one side only.
        options.gone_after = 1500ms * (node.index() + 1);
        options.handshake_time = 700ms;
        options.stall_time = 1s;
        options.ping_interval = 300ms;
        auto& system = node.system();
        auto& network = system.use(remoting{options});
        ASSERT_TRUE(system.start());
        spawn_target(node, network);
        networks[node.index()] = &network;
        auto others = std::vector<endpoint>{};
        for (int i = 0; i < 3; ++i) {
            if (static_cast<std::uint32_t>(i) != node.index()) {
                others.push_back({"10.0.0." + std::to_string(i + 1), 4000});
            }
        }
        for (std::uint32_t i = 0; i < 2; ++i) {
            auto number = ++numbers_;
            book.drivers[number] = {};
            alive[node.index()].push_back(number);
            static_cast<void>(system.spawn_on(
                i % cores, drive,
                driver_setup{&book, &network, others, number, seed_ * 1000 + number}));
        }
    }
    void spawn_target(simulated_node& node, remoting& network) {
        auto target = node.system().spawn_on(static_cast<std::uint32_t>(random() % cores), serve,
                                             &book, ++numbers_);
        network.expose("target", target);
        targets[node.index()] = target;
    }
    void replace_target(simulated_node& node) {
        node.system().tell(targets[node.index()], finish{});
        spawn_target(node, *networks[node.index()]);
    }
    void crash(simulated_node& node) {
        for (auto number : alive[node.index()]) {
            book.drivers[number].alive = false;
        }
        alive[node.index()].clear();
        sim.crash(node, random() % 2 == 0 ? simulated_world::death::process
                                          : simulated_world::death::machine);
    }

    void fault() {
        auto left = static_cast<std::uint32_t>(random() % 3);
        auto right = (left + 1 + static_cast<std::uint32_t>(random() % 2)) % 3;
        auto& node = sim.node(left);
        auto& link = sim.network().link(left, right);
        switch (random() % 9) {
            case 0:
            case 1:
                sim.network().reset(left, right, random(), random() % 2 == 0);
                break;
            case 2:
                sim.network().cut(left, right);
                break;
            case 3:
                sim.network().cut(left, right, false);
                break;
            case 4:
                link.bytes_per_second = random() % 2 == 0 ? 0 : 100'000 + random() % 1'000'000;
                break;
            case 5:
                link.delay_max = std::chrono::milliseconds{1 + random() % 200};
                break;
            case 6:
                if (random() % 3 == 0) {
                    node.up() ? crash(node) : sim.restart(node);
                }
                break;
            case 7:
                if (node.up()) {
                    replace_target(node);
                }
                break;
            default:
                link.tail_per_million = 100'000;
                link.tail_max = 300ms;
        }
    }
    void heal() {
        for (std::uint32_t i = 0; i < 3; ++i) {
            for (std::uint32_t j = 0; j < 3; ++j) {
                auto& link = sim.network().link(i, j);
                link.bytes_per_second = 0;
                link.delay_max = 1ms;
                link.tail_per_million = 0;
                sim.network().cut(i, j, false);
            }
            if (!sim.node(i).up()) {
                sim.restart(sim.node(i));
            }
        }
    }

    void run() {
        sim.run_for(500ms);
        for (int i = 0; i < 25; ++i) {
            fault();
            sim.run_for(std::chrono::milliseconds{random() % 700});
        }
        heal();
        sim.run_for(30s);
        auto before = book.answers;
        sim.run_for(2s);
        if (book.answers < before + 20) {
            book.wrong("no progress after everything was healed");
        }
        book.quiet = true;
        sim.run_for(2s);
        for (std::uint32_t i = 0; i < 3; ++i) {
            sim.node(i).system().tell(targets[i], finish{});
        }
        sim.run_for(20s);
        for (auto& [number, driver] : book.drivers) {
            for (auto& [target, ends] : driver.ends) {
                if (driver.alive && ends != 1) {
                    book.wrong("a watch fired " + std::to_string(ends) + " times");
                }
            }
        }
        for (auto id : book.certainly_not) {
            if (book.executed.contains(id)) {
                book.wrong("executed although it was said not to be: " + std::to_string(id));
            }
        }
        for (std::uint32_t i = 0; i < 3; ++i) {
            auto numbers = networks[i]->numbers();
            if (numbers.bad_bytes != 0 || numbers.inbound_bytes_left != std::int64_t{256} << 20 ||
                numbers.outbound_bytes_left != std::int64_t{256} << 20) {
                book.wrong("memory or bytes: " + std::to_string(numbers.bad_bytes) + " " +
                           std::to_string(numbers.inbound_bytes_left) + " " +
                           std::to_string(numbers.outbound_bytes_left));
            }
        }
    }

    ledger book;
    std::mt19937_64 random;
    std::map<std::uint32_t, remoting*> networks;
    std::map<std::uint32_t, ref<target_protocol>> targets;
    std::map<std::uint32_t, std::vector<std::uint64_t>> alive;
    simulation sim;
    unsigned cores;
    std::uint64_t seed_;
    std::uint64_t numbers_ = 0;
};

TEST(remoting_campaign, holds_its_promises_under_every_fault) {
    auto from = std::uint64_t{1};
    auto count = std::uint64_t{20};
    if (const auto* given = std::getenv("COHORT_SEEDS")) {  // "from,count"
        auto* rest = const_cast<char*>(given);
        from = std::strtoull(given, &rest, 10);
        count = std::strtoull(rest + 1, nullptr, 10);
    }
    std::uint64_t answers = 0;
    std::uint64_t refused = 0;
    for (auto seed = from; seed < from + count; ++seed) {
        auto one = campaign{seed};
        one.run();
        ASSERT_TRUE(one.book.violations.empty())
            << "seed " << seed << ": " << one.book.violations.front() << " and "
            << one.book.violations.size() - 1 << " more";
        answers += one.book.answers;
        refused += one.book.certainly_not.size();
    }
    EXPECT_GT(answers, count * 100);
    EXPECT_GT(refused, 0U);
}

}  // namespace
}  // namespace cohort
