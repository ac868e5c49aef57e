#include "sharding.hpp"

#include <algorithm>

#include <cohort/remoting/remoting.hpp>
#include <cohort/sharding/shard_map.hpp>

namespace cohort::sim {
namespace {

using namespace sharding_tests;
using diaries = sharded<diary_protocol>;

constexpr std::uint16_t port = 4000;
constexpr std::uint32_t shards = 4;
constexpr std::uint32_t key_count = 4;
constexpr duration look_every = 5ms;

enum class errand : std::uint32_t { ask, tell, move, move_and_return };
static_assert(static_cast<std::uint32_t>(errand::move_and_return) + 1 ==
              sharding_workload::operation_kinds);

struct command {
    errand what = errand::ask;
    std::uint64_t key = 0;
};
using sender_protocol = protocol<command>;
using silent = detail::silent;

}  // namespace

struct sharding_workload::station {
    std::unique_ptr<hand_ownership> owners;
    sharding* shards = nullptr;
    std::optional<diaries> all;
    ref<sender_protocol> sender;
};

struct sharding_programs {
    /// The node's one sender, so that all that the node sends to a key has one order.
    static behavior<sender_protocol> send(context<sender_protocol> self, sharding_workload* whole,
                                          diaries all, std::string who) {
        for (;;) {
            auto message = co_await self.receive();
            auto order = message.get_if<command>();
            if (!order) {
                continue;
            }
            auto draw = order->key;
            auto key = whole->keys_[draw % key_count];
            auto times = 1 + draw / 8 % 3;
            auto within = 100ms * (1 << (draw / 32 % 5));
            for (std::uint64_t i = 0; i < times; ++i) {
                if (order->what == errand::ask) {
                    self.start(put_one(all, key, who, within, &whole->book_));
                } else {
                    auto name = who + ">" + key;
                    all[key].tell(note{name, ++whole->book_.sent[name]});
                }
            }
        }
    }

    /// Asks until it is answered: what must work on healed nodes.
    static behavior<silent> insist(context<silent> self, sharding_workload* whole, diaries all,
                                   std::string who) {
        for (const auto& key : whole->keys_) {
            auto& book = whole->book_;
            auto name = who + ">" + key;
            do {
                co_await put_one(all, key, who, 10s, &book);
                co_await self.sleep(10ms);
            } while (!book.done.contains({name, book.sent[name]}));
        }
        --whole->waiting_for_life_;
    }
};

sharding_workload::sharding_workload(const schedule& given)
    : nodes_{given.swarm.nodes}, random_{given.seed}, up_(given.swarm.nodes) {
    truth_.cluster_id = {7, 7};
    for (std::uint32_t i = 0; i < nodes_; ++i) {
        auto uid = node_uid{100 + i, 100 + i};
        truth_.members.push_back({.uid = uid,
                                  .address = {"10.0.0." + std::to_string(i + 1), port},
                                  .roles = {},
                                  .build = {},
                                  .phase = member_phase::ready,
                                  .acceptor = uid});
    }
    auto things = space{};
    things.options = {.name = "diaries", .shards = shards, .hash_id = shard_hash_id, .role = {}};
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        things.shards.push_back({static_cast<std::uint16_t>(random_() % nodes_), 1});
    }
    truth_.spaces.push_back(std::move(things));
    for (int i = 0; keys_.size() < key_count; ++i) {
        auto key = "key" + std::to_string(i);
        if (shard_of(key, shards) == keys_.size()) {
            keys_.push_back(std::move(key));
        }
    }
}
sharding_workload::~sharding_workload() = default;

void sharding_workload::boot(simulated_node& node) {
    COHORT_ASSERT(node.incarnation() == 1, "nobody takes the shards of a node that dies here");
    auto here = std::make_shared<station>();
    auto& system = node.system();
    here->owners = std::make_unique<hand_ownership>(node, truth_.members[node.index()].uid);
    auto& network = system.use(remoting{{.listen = {node.host(), port}, .insecure = true}});
    here->shards = &system.use(sharding{*here->owners, &network});
    auto options = entity_options{};
    options.shards = shards;
    here->all.emplace(
        here->shards->space<diary_protocol>("diaries", keep_diary, options, &seen_, node.index()));
    auto started = system.start();
    COHORT_ASSERT(started.has_value(), "the port is free and the options are good");
    here->sender =
        system.spawn_on(0, sharding_programs::send, this, *here->all, std::to_string(node.index()));
    up_[node.index()] = here.get();
    node.state = here;
    if (whole_ == nullptr) {
        whole_ = &node.whole();
        whole_->after(duration{}, [this] {
            tell();
            take_releases();
        });
    }
}

// Shows the newest view to every node, each a little later, and now and then much later.
void sharding_workload::tell() {
    ++truth_.epoch;
    auto made = std::make_shared<const view>(truth_);
    for (std::uint32_t i = 0; i < nodes_; ++i) {
        auto most = std::uint64_t{random_() % 8 == 0 ? 400'000U : 5'000U};
        whole_->after(std::chrono::microseconds{random_() % most}, [this, i, made] {
            if (whole_->node(i).up()) {
                up_[i]->owners->see(made);
            }
        });
    }
}

void sharding_workload::begin_move(std::uint32_t shard, std::uint32_t to) {
    auto& things = truth_.spaces[0];
    auto moves = std::any_of(things.moving.begin(), things.moving.end(),
                             [&](const shard_move& each) { return each.shard == shard; });
    if (!moves && things.shards[shard].owner != to) {
        things.moving.push_back({shard, truth_.epoch + 1, static_cast<std::uint16_t>(to)});
        tell();
    }
}

// What nodes released becomes somebody else's.
void sharding_workload::take_releases() {
    auto& things = truth_.spaces[0];
    bool any = false;
    for (std::uint32_t i = 0; i < nodes_; ++i) {
        if (!whole_->node(i).up()) {
            continue;
        }
        for (auto [shard, epoch] : std::exchange(up_[i]->owners->released, {})) {
            auto moving = std::find_if(things.moving.begin(), things.moving.end(),
                                       [&, s = shard, e = epoch](auto& each) {
                                           return each.shard == s && each.drain_epoch == e;
                                       });
            if (moving == things.moving.end()) {
                continue;
            }
            things.shards[shard] = {moving->to, truth_.epoch + 1};
            things.moving.erase(moving);
            ++counters_["moved"];
            any = true;
            if (auto back = returns_.find(shard); back != returns_.end()) {
                auto [to, after] = back->second;
                returns_.erase(back);
                whole_->after(after, [this, s = shard, node = to] {
                    if (healed_.empty()) {
                        begin_move(s, node);
                        ++counters_["moved_back"];
                    }
                });
            }
        }
    }
    if (any) {
        tell();
    }
    whole_->after(look_every, [this] { take_releases(); });
}

void sharding_workload::operate(simulation& whole, const scheduled_operation& operation) {
    auto& node = whole.node(operation.node % nodes_);
    auto shard = static_cast<std::uint32_t>(operation.key % shards);
    auto what = static_cast<errand>(operation.kind % operation_kinds);
    switch (what) {
        case errand::ask:
        case errand::tell:
            node.system().tell(up_[node.index()]->sender, command{what, operation.key});
            break;
        case errand::move_and_return:
            // Its owner is away for a moment, as when it is started again.
            returns_.insert_or_assign(
                shard, std::pair{truth_.spaces[0].shards[shard].owner,
                                 std::chrono::milliseconds{operation.key / shards % 2'000}});
            begin_move(shard, node.index());
            break;
        case errand::move:
            begin_move(shard, node.index());
            break;
    }
}

std::optional<std::string> sharding_workload::check_safety() {
    counters_["turned_away"] = 0;
    counters_["sent_again"] = 0;
    for (auto* each : up_) {
        auto numbers = each->shards->numbers();
        counters_["turned_away"] += numbers.redirected;
        counters_["sent_again"] += numbers.retries;
    }
    return judge(seen_, book_);
}

void sharding_workload::expect_life(simulation&, const std::vector<std::uint32_t>& core) {
    healed_ = core;
    auto is_healed = [&](std::uint32_t node) {
        return std::find(core.begin(), core.end(), node) != core.end();
    };
    // Who is not healed gives away what it has.
    for (auto& each : truth_.spaces[0].moving) {
        each.to = is_healed(each.to) ? each.to : static_cast<std::uint16_t>(core[0]);
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        if (!is_healed(truth_.spaces[0].shards[shard].owner)) {
            begin_move(shard, core[shard % core.size()]);
        }
    }
    tell();
    waiting_for_life_ = static_cast<std::uint32_t>(core.size());
    for (auto each : core) {
        static_cast<void>(whole_->node(each).system().spawn_on(
            0, sharding_programs::insist, this, *up_[each]->all, "last " + std::to_string(each)));
    }
    ++counters_["asked_to_live"];
}

std::string sharding_workload::waits_for() {
    auto out = std::to_string(waiting_for_life_) + " nodes have no answer for every key";
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        out += "; shard " + std::to_string(shard) + " is of node " +
               std::to_string(truth_.spaces[0].shards[shard].owner);
    }
    return out;
}

std::map<std::string, std::uint64_t> sharding_workload::sometimes() const {
    auto out = counters_;
    out["acts"] = seen_.acts.size();
    out["answered"] = book_.done.size();
    out["certainly_not_executed"] = book_.not_done.size();
    out["executed_maybe"] = book_.maybe;
    return out;
}

std::vector<std::string> sharding_workload::must() {
    return {"acts",           "answered",   "certainly_not_executed",
            "executed_maybe", "moved",      "moved_back",
            "turned_away",    "sent_again", "asked_to_live"};
}

workload_maker make_sharding() {
    return [](const schedule& given) { return std::make_unique<sharding_workload>(given); };
}

}  // namespace cohort::sim
