#include "kv.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <cohort/actor/system.hpp>
#include <cohort/task/combinators.hpp>
#include <cohort/testkit/checkers/linearizability.hpp>

namespace cohort::sim {
namespace {

constexpr std::uint16_t port = 7000;
constexpr duration answer_within = 5s;

struct nothing {};
using silent = protocol<nothing>;

struct request {
    std::uint64_t kind;  // of history_operation
    std::uint64_t key;
    std::uint64_t value;
    std::uint64_t expected;
};
struct answer {
    std::uint64_t result;
};

template <class T>
task<bool> read_whole(stream* from, T* into) {
    auto rest = std::as_writable_bytes(std::span{into, 1});
    while (!rest.empty()) {
        auto outcome = co_await read_some(*from, rest);
        if (outcome.code != errc::ok) {
            co_return false;
        }
        rest = rest.subspan(outcome.bytes);
    }
    co_return true;
}

template <class T>
task<bool> write_whole(stream* to, const T* from) {
    auto rest = std::as_bytes(std::span{from, 1});
    while (!rest.empty()) {
        auto buffers = std::array{rest};
        auto outcome = co_await write_some(*to, buffers);
        if (outcome.code != errc::ok) {
            co_return false;
        }
        rest = rest.subspan(outcome.bytes);
    }
    co_return true;
}

using kind = history_operation::kind;

/// A node's values, in memory and in a file that is only appended to. A change is answered when its
/// record is there to stay; after a failure of the disk, whose outcome is unknown, a new file takes
/// the place of the old one before anything else is done.
class kv_store {
public:
    kv_store(cohort::world& world, kv_bug bug)
        : world_{world}, bug_{bug}, hands_{world.start_worker("disk")} {
        auto text = world_.read_file("/kv", 1 << 24);
        auto rest = text ? std::string_view{*text} : std::string_view{};
        for (auto each = record{}; rest.size() >= sizeof each; rest.remove_prefix(sizeof each)) {
            std::memcpy(&each, rest.data(), sizeof each);
            if (each.check != check_of(each)) {
                break;  // the end was torn
            }
            values_[each.key] = each.value;
        }
    }

    [[nodiscard]] worker& hands() noexcept { return *hands_; }

    /// On the worker. Nothing when the disk failed: then it is unknown whether it was done.
    std::optional<std::uint64_t> serve(const request& asked) {
        if (!file_ && !rewrite()) {
            return std::nullopt;
        }
        auto now = values_[asked.key];
        switch (static_cast<kind>(asked.kind)) {
            case kind::read:
                return now;
            case kind::write:
                return change(asked.key, asked.value, 0);
            case kind::compare_and_set:
                return now == asked.expected ? change(asked.key, asked.value, 1) : 0;
            case kind::erase:
                return change(asked.key, 0, now != 0 ? 1 : 0);
        }
        return std::nullopt;
    }

private:
    struct record {
        std::uint64_t key;
        std::uint64_t value;
        std::uint64_t check;
    };
    static std::uint64_t check_of(const record& each) { return mix(mix(1, each.key), each.value); }

    static bool append(open_file& to, std::uint64_t key, std::uint64_t value) {
        auto fresh = record{key, value, 0};
        fresh.check = check_of(fresh);
        return to.append(std::as_bytes(std::span{&fresh, 1})).has_value();
    }

    std::optional<std::uint64_t> change(std::uint64_t key, std::uint64_t value,
                                        std::uint64_t told) {
        bool kept = append(*file_, key, value) && (bug_ == kv_bug::answers_early || sync());
        if (!kept) {
            file_.reset();
            return std::nullopt;
        }
        values_[key] = value;
        return told;
    }

    bool sync() {
        if (file_->sync()) {
            return true;
        }
        return bug_ == kv_bug::syncs_again && file_->sync();
    }

    bool rewrite() {
        auto fresh = world_.disk().open("/kv.new", disk::mode::replace);
        if (!fresh) {
            return false;
        }
        for (const auto& [key, value] : values_) {
            if (!append(**fresh, key, value)) {
                return false;
            }
        }
        bool kept = (*fresh)->sync() && world_.disk().rename("/kv.new", "/kv") &&
                    world_.disk().sync_folder("/");
        if (kept) {
            file_ = std::move(*fresh);
        }
        return kept;
    }

    cohort::world& world_;
    kv_bug bug_;
    std::map<std::uint64_t, std::uint64_t> values_;
    std::unique_ptr<open_file> file_;
    std::unique_ptr<worker> hands_;
};

}  // namespace

/// The programs that run on the nodes.
struct kv_programs {
    static behavior<silent> serve_one(context<silent>, kv_workload* whole,
                                      std::shared_ptr<kv_store> here,
                                      std::unique_ptr<stream> socket) {
        auto asked = request{};
        for (;;) {
            bool read = co_await read_whole(socket.get(), &asked);
            if (!read) {
                co_return;
            }
            // One after the other, reads as well: what is read must be there to stay.
            auto done = co_await run_on(here->hands(), [&] { return here->serve(asked); });
            if (!done) {
                ++whole->counters_["disk_failed"];
                co_return;
            }
            ++whole->counters_["served"];
            auto told = answer{*done};
            bool written = co_await write_whole(socket.get(), &told);
            if (!written) {
                ++whole->counters_["answer_not_sent"];
                co_return;
            }
        }
    }

    static behavior<silent> accept_all(context<silent> self, kv_workload* whole,
                                       std::shared_ptr<kv_store> here,
                                       std::unique_ptr<listener> at) {
        for (;;) {
            auto incoming = co_await accept(*at);
            if (!incoming) {
                co_return;
            }
            auto socket = (*incoming)->attach(self.core().reactor());
            if (socket) {
                self.spawn(serve_one, whole, here, std::move(*socket));
            }
        }
    }

    struct attempt {
        bool sent = false;
        std::optional<std::uint64_t> result = {};
    };

    static task<void> ask_once(kv_workload* whole, endpoint server, request asked, attempt* out) {
        auto socket = co_await connect(server);
        if (!socket) {
            ++whole->counters_["not_connected"];
            co_return;
        }
        out->sent = true;
        bool written = co_await write_whole(socket->get(), &asked);
        auto told = answer{};
        bool answered = written && co_await read_whole(socket->get(), &told);
        if (answered) {
            out->result = told.result;
        } else {
            ++whole->counters_["answer_lost"];
        }
    }

    static task<attempt> ask(kv_workload* whole, endpoint server, request asked) {
        auto out = attempt{};
        auto tries = whole->bug_ == kv_bug::sends_again ? 5 : 1;
        for (; tries > 0 && !out.result; --tries) {
            if (whole->bug_ == kv_bug::keeps_waiting) {
                co_await ask_once(whole, server, asked, &out);
                continue;
            }
            auto in_time =
                co_await with_timeout(answer_within, ask_once(whole, server, asked, &out));
            whole->counters_["no_answer_in_time"] += in_time ? 0 : 1;
        }
        co_return out;
    }

    // Counts an operation for as long as its frame is there.
    struct counted {
        explicit counted(std::size_t& of) noexcept : count{&of} { ++*count; }
        counted(counted&& other) noexcept : count{std::exchange(other.count, nullptr)} {}
        counted& operator=(counted&&) = delete;
        ~counted() {
            if (count != nullptr) {
                --*count;
            }
        }
        std::size_t* count;
    };

    /// One operation of a client on a node.
    static behavior<silent> run(context<silent> self, kv_workload* whole, endpoint server,
                                request asked, counted) {
        auto& seen = whole->seen_;
        auto what = static_cast<kind>(asked.kind);
        auto number = what == kind::read    ? seen.read(asked.key)
                      : what == kind::write ? seen.write(asked.key, asked.value)
                      : what == kind::erase
                          ? seen.erase(asked.key)
                          : seen.compare_and_set(asked.key, asked.expected, asked.value);
        auto& believed = whole->last_read_;
        auto old = believed.find(asked.key);
        if (whole->bug_ == kv_bug::reads_old && what == kind::read && old != believed.end()) {
            seen.done(number, old->second);
            co_return;
        }
        auto told = co_await ask(whole, std::move(server), asked);
        if (told.result) {
            seen.done(number, *told.result);
            if (what == kind::read) {
                believed[asked.key] = *told.result;
            } else if (what == kind::compare_and_set) {
                ++whole->counters_[*told.result != 0 ? "set" : "not_set"];
            }
        } else if (!told.sent) {
            seen.refused(number);
        }
    }

    /// Asks until it is answered: what must work on healed nodes.
    static behavior<silent> insist(context<silent> self, kv_workload* whole, endpoint server,
                                   std::uint64_t key) {
        for (;;) {
            auto told = co_await ask(whole, server,
                                     {.kind = static_cast<std::uint64_t>(kind::read), .key = key});
            if (told.result) {
                break;
            }
            co_await self.sleep(100ms);
        }
        --whole->waiting_for_life_;
    }
};

std::optional<kv_bug> kv_bug_named(std::string_view name) {
    constexpr auto names = std::array<std::string_view, 6>{
        "none", "sends_again", "answers_early", "syncs_again", "reads_old", "keeps_waiting"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) {
            return static_cast<kv_bug>(i);
        }
    }
    return std::nullopt;
}

kv_workload::kv_workload(const schedule& given, kv_bug bug)
    : bug_{bug}, nodes_{given.swarm.nodes}, running_(given.swarm.nodes) {}
kv_workload::~kv_workload() = default;

void kv_workload::boot(simulated_node& node) {
    auto started = node.system().start();
    COHORT_ASSERT(started.has_value(), "it has no extensions");
    auto here = std::make_shared<kv_store>(node.world(), bug_);
    node.system().on_core(0, [&](core& on) {
        auto at = on.reactor().listen({"0.0.0.0", port});
        COHORT_ASSERT(at.has_value(), "the port is free");
        node.system().spawn(kv_programs::accept_all, this, here, std::move(*at));
    });
    counters_["restarted"] += node.incarnation() > 1 ? 1 : 0;
}

void kv_workload::operate(simulation& whole, const scheduled_operation& operation) {
    auto& node = whole.node(operation.node % nodes_);
    if (!node.up()) {
        return;
    }
    auto asked = request{.kind = operation.kind % 4, .key = operation.key};
    if (asked.kind == 1 || asked.kind == 2) {
        asked.value = ++next_value_;
    }
    if (asked.kind == 2) {
        auto believed = last_read_.find(asked.key);
        asked.expected = believed == last_read_.end() ? 0 : believed->second;
    }
    auto owner = static_cast<std::uint32_t>(operation.key % nodes_);
    auto core = static_cast<std::uint32_t>(next_value_ % node.system().cores());
    static_cast<void>(node.system().spawn_on(core, kv_programs::run, this,
                                             endpoint{whole.node(owner).host(), port}, asked,
                                             kv_programs::counted{running_[node.index()]}));
}

std::optional<std::string> kv_workload::check_safety() {
    auto found = check_linearizable(seen_);
    return found ? std::nullopt : std::optional{found.why};
}

void kv_workload::expect_life(simulation& whole, const std::vector<std::uint32_t>& core) {
    healed_ = core;
    for (auto from : core) {
        for (auto to : core) {
            ++waiting_for_life_;
            static_cast<void>(whole.node(from).system().spawn(kv_programs::insist, this,
                                                              endpoint{whole.node(to).host(), port},
                                                              std::uint64_t{to}));
        }
    }
}

bool kv_workload::live() {
    return waiting_for_life_ == 0 && std::all_of(healed_.begin(), healed_.end(),
                                                 [&](auto node) { return running_[node] == 0; });
}

workload_maker make_kv(kv_bug bug) {
    return [bug](const schedule& given) { return std::make_unique<kv_workload>(given, bug); };
}

}  // namespace cohort::sim
