#include "remoting.hpp"

#include <algorithm>
#include <array>

#include <cohort/actor/lifecycle.hpp>
#include <cohort/task/combinators.hpp>

namespace cohort::sim {
namespace {

constexpr std::uint16_t port = 4000;
constexpr duration answer_within = 800ms;
constexpr std::size_t peer_bytes_max = 256 * 1024;  // on a fast network; a slow one has less
constexpr std::size_t message_bytes_max = 512 * 1024;

struct numbered {
    std::uint64_t meant = 0;  // the number of the actor that it is for
    std::uint64_t sender = 0;
    std::int64_t number = 0;
    std::string padding;
};
struct echo {
    using reply = result<std::uint64_t>;
    std::uint64_t meant = 0;
    std::uint64_t id = 0;
    std::string padding;
};
struct who {
    using reply = result<std::uint64_t>;
};
struct time_left {
    using reply = result<std::int64_t>;
};
using target_protocol = protocol<numbered, echo, who, time_left>;

/// A ref, and the number of the actor behind it.
struct known_target {
    ref<target_protocol> at;
    std::uint64_t number = 0;
};

enum class errand : std::uint32_t {
    tell,
    tell_large,
    flood,
    ask,
    ask_large,
    ask_time_left,
    ask_in_vain,  // with less time than anything takes
    replace,      // the node's own target
    stop_parked,  // an actor of the node
    garbage,      // from a stranger
};
static_assert(static_cast<std::uint32_t>(errand::garbage) + 1 ==
              remoting_workload::operation_kinds);

struct command {
    errand what = errand::tell;
    std::uint32_t to = 0;
};
using driver_protocol = protocol<command>;
struct nothing {};
using silent = protocol<nothing>;

std::string text_of(const ref<target_protocol>& target) {
    const auto& where = target.where();
    return std::to_string(where.at.value) + "/" + std::to_string(where.peer) + "/" +
           std::to_string(where.generation);
}

}  // namespace

/// What a node that is up is made of.
struct remoting_workload::station {
    remoting_workload* whole = nullptr;
    simulated_node* node = nullptr;
    remoting* network = nullptr;
    ref<target_protocol> target;
    ref<driver_protocol> driver;
    std::uint64_t driver_number = 0;

    ~station() {
        auto& place = whole->up_[node->index()];
        if (place == this) {
            place = nullptr;
        }
    }
};

/// The programs that run on the nodes.
struct remoting_programs {
    using workload_type = remoting_workload;

    static void check_meant(workload_type* whole, std::uint64_t meant, std::uint64_t number) {
        if (meant != 0 && meant != number) {
            whole->wrong("a message for an actor that is gone reached another one");
        }
    }

    static behavior<target_protocol> serve(context<target_protocol> self, workload_type* whole,
                                           std::uint64_t number) {
        for (;;) {
            auto message = co_await self.receive();
            if (auto told = message.get_if<numbered>()) {
                check_meant(whole, told->meant, number);
                auto& last = whole->last_[{number, told->sender}];
                if (told->number <= last) {
                    whole->wrong("a tell came behind a later one, or twice");
                }
                last = told->number;
                ++whole->counters_["tells"];
            } else if (auto request = message.get_if<echo>()) {
                check_meant(whole, request->meant, number);
                if (!whole->executed_.insert(request->id).second) {
                    whole->wrong("a request was executed twice");
                }
                request.reply(request->id);
            } else if (auto asked = message.get_if<who>()) {
                asked.reply(number);
            } else if (auto question = message.get_if<time_left>()) {
                auto left = question.deadline().at - self.core().now();
                question.reply(std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
            }
        }
    }

    static void judge(workload_type* whole, std::uint64_t id, const result<std::uint64_t>& answer) {
        if (answer) {
            if (*answer != id) {
                whole->wrong("the answer to another request");
            }
            ++whole->counters_["answers"];
            return;
        }
        ++whole->counters_[std::string{name(answer.error().code())}];
        if (answer.error().executed() == executed::no) {
            whole->not_executed_.insert(id);
        }
    }

    static behavior<silent> ask(context<silent>, workload_type* whole, known_target to,
                                errand what) {
        auto target = to.at;
        if (what == errand::ask_time_left) {
            auto left = co_await target.ask<time_left>(answer_within);
            auto most = std::chrono::duration_cast<std::chrono::milliseconds>(answer_within);
            // Clocks may differ in their rates.
            if (left && *left > most.count() + most.count() / 10) {
                whole->wrong("a deadline grew on its way: " + std::to_string(*left) + " ms left");
            }
            co_return;
        }
        auto id = ++whole->numbers_;
        auto size = what == errand::ask_large ? whole->large(20'000 + id * 7919 % 200'000) : 10;
        auto within = what == errand::ask_in_vain ? duration{50us} : answer_within;
        auto answer = co_await target.ask<echo>(within, to.number, id, std::string(size, 'e'));
        judge(whole, id, answer);
    }

    static void tell(workload_type* whole, const known_target& to, errand what,
                     std::uint64_t sender, std::int64_t* number) {
        auto times = what == errand::tell ? 5 : what == errand::tell_large ? 2 : 600;
        for (int i = 0; i < times; ++i) {
            auto some = static_cast<std::size_t>(*number) * 7919 % 150'000;
            auto size = what == errand::tell         ? std::size_t{10}
                        : what == errand::tell_large ? whole->large(30'000 + some)
                                                     : whole->large(8'000);
            to.at.tell(numbered{to.number, sender, ++*number, std::string(size, 't')});
        }
        ++whole->counters_[what == errand::flood ? "floods" : "bursts"];
    }

    static behavior<driver_protocol> drive(context<driver_protocol> self,
                                           workload_type::station* here) {
        auto* whole = here->whole;
        auto& mine = whole->drivers_[here->driver_number];
        auto targets = std::map<std::uint32_t, known_target>{};
        auto known = std::vector<ref<target_protocol>>{};
        std::int64_t number = 0;
        for (;;) {
            auto message = co_await self.receive();
            if (auto gone = message.get_if<terminated>()) {
                for (auto& each : known) {
                    if (gone->is(each) && ++mine.refs[text_of(each)].ends > 1) {
                        whole->wrong("a watch fired twice");
                    }
                }
                std::erase_if(targets, [&](auto& each) { return gone->is(each.second.at); });
                ++whole->counters_["ends"];
                continue;
            }
            auto order = message.get_if<command>();
            if (!order) {
                continue;
            }
            auto& target = targets[order->to];
            if (!target.at && !whole->ending_) {
                auto found = co_await here->network->find<target_protocol>(
                    {"10.0.0." + std::to_string(order->to + 1), port}, "target", 500ms);
                if (!found) {
                    ++whole->counters_["not_found"];
                    continue;
                }
                auto number_there = co_await found->ask<who>(500ms);
                if (!number_there) {
                    continue;
                }
                target = {*found, *number_there};
                if (mine.refs.try_emplace(text_of(target.at), order->to).second) {
                    known.push_back(target.at);
                    self.watch(target.at);
                }
            }
            if (whole->ending_ || !target.at) {
                continue;
            }
            if (order->what <= errand::flood) {
                tell(whole, target, order->what, here->driver_number, &number);
            } else {
                self.spawn(ask, whole, target, order->what);
            }
        }
    }

    static behavior<silent> tick(context<silent> self) {
        for (;;) {
            co_await self.sleep(2ms);
        }
    }

    /// A parked actor that is stopped ends all the same.
    static behavior<silent> stop_parked(context<silent> self, workload_type* whole) {
        auto victim = self.spawn(tick);
        co_await self.sleep(1ms);
        park(self.core(), victim.address());
        // By now it would go on if it could.
        co_await self.sleep(20ms);
        self.stop(victim);
        co_await self.sleep(1s);
        if (self.core().find(victim.address()) != nullptr) {
            whole->wrong("a parked actor was told to stop and is still there");
        }
        ++whole->counters_["parked_stopped"];
    }

    /// Connects and sends what is no conversation.
    static behavior<silent> disturb(context<silent> self, workload_type* whole, endpoint where) {
        auto socket = co_await connect(where);
        if (!socket) {
            co_return;
        }
        ++whole->counters_["garbage"];
        for (int i = 0; i < 20; ++i) {
            auto bytes = std::array<std::byte, 512>{};
            auto begin = std::string_view{"COHORT>1"};
            std::memcpy(bytes.data(), begin.data(), i % 2 == 0 ? begin.size() : 0);
            for (std::size_t at = begin.size(); at < bytes.size(); ++at) {
                bytes[at] = static_cast<std::byte>(self.core().world().random());
            }
            auto piece = std::array{std::span<const std::byte>{bytes}};
            auto written = co_await write_some(**socket, piece);
            if (written.code != errc::ok) {
                co_return;
            }
            co_await self.sleep(100ms);
        }
    }

    /// Asks until it is answered: what must work on healed nodes. The second time, with a message
    /// that travels in pieces.
    static behavior<silent> insist(context<silent> self, workload_type* whole, remoting* network,
                                   endpoint where) {
        auto large = whole->large(400'000);
        for (auto size : {std::size_t{10}, large, large}) {
            for (bool answered = false; !answered;) {
                auto found = co_await network->find<target_protocol>(where, "target", 1s);
                if (found) {
                    auto id = ++whole->numbers_;
                    auto answer = co_await found->ask<echo>(10s, std::uint64_t{0}, id,
                                                            std::string(size, 'e'));
                    judge(whole, id, answer);
                    answered = answer.has_value();
                }
                if (!answered) {
                    co_await self.sleep(100ms);
                }
            }
        }
        --whole->waiting_for_life_;
    }
};

remoting_workload::remoting_workload(const schedule& given, flavour how)
    : corrupting_{how == flavour::corrupted}, impatient_{how == flavour::impatient},
      nodes_{given.swarm.nodes}, stream_buffer_{given.swarm.stream_buffer}, up_(given.swarm.nodes) {
}
remoting_workload::~remoting_workload() = default;

void remoting_workload::wrong(std::string what) {
    if (!corrupting_ && !wrong_) {
        wrong_ = std::move(what);
    }
}

std::size_t remoting_workload::large(std::size_t bytes) const noexcept {
    return std::min(bytes, stream_buffer_ * 16);
}

void remoting_workload::boot(simulated_node& node) {
    auto options = remoting_options{.listen = {node.host(), port}, .insecure = true};
    options.gone_after = impatient_ ? 1s : 4s;
    options.stall_time = 3s;
    options.handshake_time = 2s;
    options.frame_bytes_max = 128 * 1024;
    options.message_bytes_max = message_bytes_max;
    options.peer_bytes_max = std::min(peer_bytes_max, stream_buffer_ * 64);
    auto here = std::make_shared<station>();
    here->whole = this;
    here->node = &node;
    auto& system = node.system();
    here->network = &system.use(remoting{options});
    auto started = system.start();
    COHORT_ASSERT(started.has_value(), "the port is free and the options are good");
    auto cores = system.cores();
    here->target =
        system.spawn_on(node.index() % cores, remoting_programs::serve, this, ++numbers_);
    here->network->expose("target", here->target);
    here->driver_number = ++numbers_;
    drivers_[here->driver_number] = {};
    here->driver =
        system.spawn_on(node.incarnation() % cores, remoting_programs::drive, here.get());
    up_[node.index()] = here.get();
    node.state = here;
    counters_["restarted"] += node.incarnation() > 1 ? 1 : 0;
}

void remoting_workload::operate(simulation& whole, const scheduled_operation& operation) {
    auto& node = whole.node(operation.node % nodes_);
    auto* here = up_[operation.node % nodes_];
    if (!node.up() || here == nullptr || ending_) {
        return;
    }
    auto what = static_cast<errand>(operation.kind % operation_kinds);
    auto to = static_cast<std::uint32_t>(operation.key % nodes_);
    look_at_memory();
    switch (what) {
        case errand::replace:
            node.system().stop(here->target);
            here->target = node.system().spawn_on(node.index() % node.system().cores(),
                                                  remoting_programs::serve, this, ++numbers_);
            here->network->expose("target", here->target);
            break;
        case errand::stop_parked:
            static_cast<void>(node.system().spawn(remoting_programs::stop_parked, this));
            break;
        case errand::garbage:
            static_cast<void>(node.system().spawn(remoting_programs::disturb, this,
                                                  endpoint{whole.node(to).host(), port}));
            break;
        default:
            node.system().tell(here->driver, command{what, to});
    }
}

// What is queued stays within the limit of each peer and one message, however long it cannot go.
void remoting_workload::look_at_memory() {
    for (auto* each : up_) {
        if (each == nullptr) {
            continue;
        }
        auto numbers = each->network->numbers();
        // The driver's links carry large messages; what other links carry is small. Leases come in
        // steps.
        auto each_max = static_cast<std::int64_t>(peer_bytes_max + message_bytes_max + 512 * 1024);
        auto used = (std::int64_t{256} << 20) - numbers.outbound_bytes_left;
        if (used > nodes_ * each_max + (std::int64_t{2} << 20)) {
            wrong("more is queued than the limits allow: " + std::to_string(used) + " bytes");
        }
        counters_["refused"] += numbers.asks_refused != 0 ? 1 : 0;
        counters_["dropped"] += numbers.tells_dropped != 0 ? 1 : 0;
        counters_["connections_lost"] += numbers.connections_lost != 0 ? 1 : 0;
        counters_["stalled"] += numbers.stalled != 0 ? 1 : 0;
        counters_["peers_gone"] += numbers.peers_gone != 0 ? 1 : 0;
        counters_["handshakes_refused"] += numbers.handshakes_refused != 0 ? 1 : 0;
        if (!corrupting_ && numbers.bad_bytes != 0) {
            wrong("a node took the bytes of another one for garbage");
        }
    }
}

std::optional<std::string> remoting_workload::check_safety() {
    look_at_memory();
    for (auto id : not_executed_) {
        if (executed_.contains(id)) {
            wrong("a request was executed although it was said not to be");
        }
    }
    return wrong_;
}

void remoting_workload::expect_life(simulation& whole, const std::vector<std::uint32_t>& core) {
    whole_ = &whole;
    healed_ = core;
    for (auto from : core) {
        for (auto to : core) {
            ++waiting_for_life_;
            auto* here = up_[from];
            static_cast<void>(
                whole.node(from).system().spawn(remoting_programs::insist, this, here->network,
                                                endpoint{whole.node(to).host(), port}));
        }
    }
}

// Every target ends, so every watch must.
void remoting_workload::end_targets() {
    for (auto* each : up_) {
        if (each != nullptr) {
            each->node->system().stop(each->target);
        }
    }
}

bool remoting_workload::live() {
    if (waiting_for_life_ != 0) {
        return false;
    }
    if (!std::exchange(ending_, true)) {
        whole_->after(0s, [this] { end_targets(); });
        return false;
    }
    if (corrupting_) {
        return true;
    }
    return ends_missing() == 0;
}

// Of what living drivers of healed nodes watch on healed nodes.
std::uint64_t remoting_workload::ends_missing() const {
    auto missing = std::uint64_t{0};
    auto healed = [&](std::uint32_t node) {
        return std::find(healed_.begin(), healed_.end(), node) != healed_.end();
    };
    for (auto node : healed_) {
        if (up_[node] != nullptr) {
            const auto& refs = drivers_.at(up_[node]->driver_number).refs;
            missing += static_cast<std::uint64_t>(
                std::count_if(refs.begin(), refs.end(), [&](const auto& each) {
                    return each.second.ends == 0 && healed(each.second.node);
                }));
        }
    }
    return missing;
}

std::map<std::string, std::uint64_t> remoting_workload::sometimes() const {
    auto out = counters_;
    out["certainly_not_executed"] = not_executed_.size();
    // Why healed nodes are not live.
    if (waiting_for_life_ != 0) {
        out["never_answered"] = waiting_for_life_;
    } else if (auto missing = ending_ && !corrupting_ ? ends_missing() : 0; missing != 0) {
        out["never_ended"] = missing;
    }
    return out;
}

std::vector<std::string> remoting_workload::must() {
    return {"answers",
            "tells",
            "ends",
            "restarted",
            "timeout",
            "unavailable",
            "network",
            "dropped",
            "refused",
            "connections_lost",
            "peers_gone",
            "not_found",
            "garbage",
            "parked_stopped",
            "terminated",
            "floods",
            "stalled",
            "bursts",
            "handshakes_refused",
            "certainly_not_executed"};
}

workload_maker make_remoting(remoting_workload::flavour how) {
    return [how](const schedule& given) { return std::make_unique<remoting_workload>(given, how); };
}

}  // namespace cohort::sim
