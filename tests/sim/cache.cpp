#include "cache.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <cohort/sharding/shard_map.hpp>
#include <cohort/testkit/checkers/linearizability.hpp>

#include "cache_clients.hpp"
#include "cache_station.hpp"
#include "membership.hpp"

namespace cohort::sim {
namespace {

constexpr std::uint64_t for_swarm = 0x63'6163'6865;
constexpr std::uint32_t shards = 1024;
constexpr duration look_every = 10ms;
constexpr duration numbers_every = 200ms;
// A node that left in order is started again after so long.
constexpr duration away = 2s;

enum class errand : std::uint32_t {
    get,
    get_again,
    put,
    put_then_get,  // by another node
    erase,
    mixed,      // one after the other on one connection
    pipelined,  // all at once on one connection
    hammer,     // one key by all nodes at once
    watch_key,  // again and again for a while
    watch_again,
    write_inside,
    write_inside_again,
    hang_up,  // before the answer can be there
    reset,    // a client's connection breaks
    leave,
    troubled_leave,  // with writes on their way
    stop_owner,      // nothing of it runs for longer than a lease, with writes on their way
};
static_assert(static_cast<std::uint32_t>(errand::stop_owner) + 1 ==
              cache_workload::operation_kinds);

template <class T, std::size_t N>
T one_of(const keyed_random& random, std::uint64_t what, const std::array<T, N>& choices) {
    return choices[below(random.draw(for_swarm, 0, what), N)];
}

std::uint64_t value_in(std::string_view content) {
    auto value = std::uint64_t{0};
    std::from_chars(content.data(), content.data() + content.size(), value);
    return value;
}

}  // namespace

cache_workload::cache_workload(const schedule& given)
    : random_{keyed_random{given.seed}.stream(for_swarm)}, nodes_{given.swarm.nodes},
      length_{given.length}, seeds_{std::min<std::uint32_t>(given.swarm.nodes, 5)},
      // A view of so many shards has to pass within a fraction of a lease.
      fast_enough_{given.swarm.stream_buffer >=
                   256 * static_cast<std::uint64_t>(given.swarm.delay_max / 1ms + 1)},
      idle_{one_of(random_, 1, std::array<duration, 3>{1s, 3s, 120s})},
      // The longer one reaches across a stop that is longer than a lease.
      request_time_{one_of(random_, 7, std::array<duration, 2>{2s, 20s})},
      keys_in_memory_{one_of(random_, 2, std::array<std::size_t, 3>{1000, 1000, 2})},
      padding_{one_of(random_, 3, std::array<std::size_t, 3>{0, 40, 3000})},
      origin_{given.seed, random_.draw(for_swarm, 0, 4) % 2 == 0,
              one_of(random_, 5, std::array<std::uint32_t, 3>{0, 20, 150}), *this},
      up_(given.swarm.nodes), open_at_(given.swarm.nodes) {
    for (std::uint64_t key = 0; key < keys; ++key) {
        names_[key] = "key" + std::to_string(key);
        shards_[key] = shard_of(names_[key], shards);
    }
}
cache_workload::~cache_workload() = default;

endpoint cache_workload::address(std::uint32_t node, std::uint16_t port) const {
    return {"10.0.0." + std::to_string(node + 1), port};
}

void cache_workload::wrong(std::string what) {
    if (!wrong_) {
        wrong_ = std::move(what);
    }
}

void cache_workload::boot(simulated_node& node) {
    auto here = std::make_shared<station>(*this, node);
    node.state = here;
    auto slowness = one_of(random_, 6, std::array<std::uint32_t, 4>{1, 1, 10, 40});
    auto healed = whole_ != nullptr && whole_->now() - began_ >= length_;
    node.world().set_work_slowness(healed ? 1 : slowness);
    auto started = node.system().start();
    COHORT_ASSERT(started.has_value(), "the ports are free and the options are good");
    here->watch_gates();
    counters_["restarted"] += node.incarnation() > 1 ? 1 : 0;
    if (whole_ == nullptr) {
        whole_ = &node.whole();
        began_ = whole_->now();
        // Behind the nodes, so that faults of nodes are not the clients'.
        whole_->after(duration::zero(), [this] {
            clients_ = &whole_->add({.host = "10.0.1.1", .boot = [](simulated_node& machine) {
                                         auto up = machine.system().start();
                                         COHORT_ASSERT(up.has_value(), "nothing can go wrong");
                                     }});
            take_numbers();
            judge(*whole_);
        });
    }
}

// -- what clients see
// ------------------------------------------------------------------------------

std::string cache_workload::content_of(std::uint64_t value) const {
    auto out = std::to_string(value) + " ";
    out.append(padding_ == 0 ? 0 : value * 7919 % padding_, '.');
    return out;
}

std::uint64_t cache_workload::next_value(std::uint64_t sender) {
    sender_of_[++values_] = sender;
    return values_;
}

cache_workload::open_request cache_workload::begin(request what, std::uint64_t value) {
    auto out = open_request{.asked = what, .value = value};
    switch (what.what) {
        case verb::get:
            out.number = history_.read(what.key);
            break;
        case verb::put:
            out.number = history_.write(what.key, value);
            break;
        case verb::erase:
            out.number = history_.erase(what.key);
            break;
    }
    out.newest_before = newest_epoch_[shards_[what.key]];
    out.changes_before = changes_of_[names_[what.key]];
    return out;
}

cache_workload::open_request cache_workload::begin_at(std::uint32_t node, request what,
                                                      std::uint64_t value) {
    ++open_at_[node];
    return begin(what, value);
}

void cache_workload::gone(std::uint32_t node, std::size_t requests) {
    open_at_[node] -= static_cast<std::uint32_t>(requests);
}

void cache_workload::answered(const open_request& asked, const answer& given) {
    ++counters_["status_" + std::to_string(given.status)];
    auto number = asked.number;
    switch (given.status) {
        case 200:
            check_content(asked, given);
            history_.done(number, value_in(given.body));
            break;
        case 201:
            [[fallthrough]];
        case 204:
            history_.done(number, 1);
            break;
        case 404:
            history_.done(number, 0);
            break;
        case 502:
        case 503:
        case 504:
            if (asked.asked.what != verb::get) {
                told(asked, given.maybe ? executed::maybe : executed::no);
            }
            break;
        default:
            wrong("a client was answered " + std::to_string(given.status) + ": " + given.body);
    }
    if (!given.epoch.empty()) {
        check_epoch(asked, given);
    }
    auto key = asked.asked.key;
    // Whoever answers has loaded the row, or written it, or forgotten it since it changed.
    if (asked.asked.what == verb::get && (given.status == 200 || given.status == 404) &&
        changes_of_[names_[key]] == asked.changes_before) {
        const auto* row = origin_.find(names_[key]);
        auto kept = row == nullptr ? 0 : value_in(row->content);
        if (kept != (given.status == 200 ? value_in(given.body) : 0)) {
            wrong("I13: the origin does not hold what is served for " + names_[key]);
        }
        count(finishing_ ? "compared_at_the_end" : "compared_with_the_origin");
    }
}

// Decision 26: an answer of an older owner is stale when the request was sent behind an answer of a
// newer one.
void cache_workload::check_epoch(const open_request& asked, const answer& given) {
    auto slash = given.epoch.find('/');
    auto shard = std::strtoul(given.epoch.c_str(), nullptr, 10);
    auto epoch = std::strtoull(given.epoch.c_str() + slash + 1, nullptr, 10);
    if (shard != shards_[asked.asked.key] || slash == std::string::npos) {
        wrong("an answer names another shard: " + given.epoch);
        return;
    }
    auto& newest = newest_epoch_[shards_[asked.asked.key]];
    if (epoch < asked.newest_before) {
        wrong("the auditor: epoch " + std::to_string(epoch) + " of shard " + std::to_string(shard) +
              " answered a request that was sent behind an answer of " +
              std::to_string(asked.newest_before));
    }
    newest = std::max<std::uint64_t>(newest, epoch);
}

// An ETag names one content.
void cache_workload::check_content(const open_request& asked, const answer& given) {
    auto value = value_in(given.body);
    if (given.body != content_of(value)) {
        wrong("the content of " + names_[asked.asked.key] + " is damaged");
    }
    auto known = tags_.emplace(given.tag, value).first;
    if (given.tag.empty() || known->second != value) {
        wrong("one ETag names two contents");
    }
}

void cache_workload::told(const open_request& asked, executed outcome) {
    if (outcome == executed::yes) {
        history_.done(asked.number);
    } else if (outcome == executed::no) {
        history_.refused(asked.number);
        if (asked.value != 0) {
            not_executed_.insert(asked.value);
        }
        count("certainly_not_executed");
    } else {
        count("executed_maybe");
    }
}

void cache_workload::changed(std::string_view key, std::string_view content) {
    ++changes_of_[std::string{key}];
    if (content.empty()) {
        return;
    }
    auto value = value_in(content);
    if (!stored_.insert(value).second) {
        wrong("a write took effect twice");
    }
    auto sender = sender_of_[value];
    auto& newest = newest_of_[sender];
    if (sender != 0 && value < newest) {
        wrong("I10: a write took effect behind a later one of its sender");
    }
    newest = value;
}

void cache_workload::refused_stale(std::uint32_t node, const write_fence& owner) {
    auto* here = up_[node];
    if (here != nullptr && here->leased() && here->trusted.contains({owner.shard, owner.epoch})) {
        wrong("R9: a shard was given back while an entity of it was at work");
    }
}

std::optional<std::string> cache_workload::judge_history() {
    for (auto value : not_executed_) {
        if (stored_.contains(value)) {
            return "I11: a write took effect that was said not to be executed";
        }
    }
    auto judged = check_linearizable(history_);
    return judged ? std::nullopt : std::optional{"I12: " + judged.why};
}

// -- what nodes do
// ---------------------------------------------------------------------------------

// Its clocks are compared by what it would do now; a shard that it is to give back it may have
// given back already.
bool cache_workload::acts(const station& at, std::uint64_t key) const {
    const auto* items = at.newest->find_space(cache_items::space_name);
    auto own = at.newest->index_of(at.self);
    auto shard = shards_[key];
    return items != nullptr && own != shard_owner::nobody && items->shards[shard].owner == own &&
           std::none_of(items->moving.begin(), items->moving.end(),
                        [&](const shard_move& each) { return each.shard == shard; });
}

void cache_workload::judge_owners() {
    auto owners = std::array<const station*, keys>{};
    for (std::uint32_t i = 0; i < nodes_; ++i) {
        auto* each = up_[i];
        if (each != nullptr) {
            each->owns = false;
        }
        if (each == nullptr || each->newest == nullptr ||
            each->node->system().runtime().stopping() ||
            // What it has done in the middle of a turn comes when it goes on.
            each->node->world().stopped() || !each->leased()) {
            continue;
        }
        for (std::uint64_t key = 0; key < keys; ++key) {
            if (!acts(*each, key)) {
                continue;
            }
            each->owns = true;
            if (std::exchange(owners[key], each) != nullptr) {
                wrong("I1: two nodes own the shard of " + names_[key]);
            }
        }
    }
}

void cache_workload::judge(simulation& whole) {
    judge_owners();
    whole.after(look_every, [this, &whole] { judge(whole); });
}

// What nodes counted so far; of one that dies the last moments are lost.
void cache_workload::take_numbers() {
    for (auto* each : up_) {
        if (each == nullptr || each->node->system().runtime().stopping()) {
            continue;
        }
        auto now = each->app->shards().numbers();
        auto grew = [&](const char* name, std::uint64_t sharding_numbers::* part) {
            counters_[name] += now.*part - each->numbers.*part;
        };
        grew("forwarded", &sharding_numbers::sent);
        grew("redirected", &sharding_numbers::redirected);
        grew("retried", &sharding_numbers::retries);
        grew("passivated", &sharding_numbers::passivated);
        grew("evicted", &sharding_numbers::evicted);
        grew("refused", &sharding_numbers::refused);
        grew("released", &sharding_numbers::moves);
        grew("activations", &sharding_numbers::activations);
        each->numbers = now;
    }
    whole_->after(numbers_every, [this] { take_numbers(); });
}

// How owners changed: by release when the one before is still a member.
void cache_workload::note_view(const view_ptr& seen) {
    if (newest_ != nullptr && newest_->cluster_id == seen->cluster_id &&
        seen->epoch <= newest_->epoch) {
        return;
    }
    auto before = std::exchange(newest_, seen);
    const auto* is = seen->find_space(cache_items::space_name);
    const auto* was = before ? before->find_space(cache_items::space_name) : nullptr;
    if (was == nullptr || is == nullptr || before->cluster_id != seen->cluster_id) {
        counters_["formed_again"] += before && before->cluster_id != seen->cluster_id ? 1 : 0;
        return;
    }
    for (auto shard : shards_) {
        auto owner = [&](const view& in, const space& of) {
            auto index = of.shards[shard].owner;
            return index == shard_owner::nobody ? node_uid{} : in.members[index].uid;
        };
        auto from = owner(*before, *was);
        auto to = owner(*seen, *is);
        if (from == to || from == node_uid{} || to == node_uid{}) {
            continue;
        }
        count("shard_moved");
        count(seen->find(from) != nullptr ? "shard_released_and_taken"
                                          : "shard_taken_from_the_dead");
        if (is->shards[shard].own_epoch <= was->shards[shard].own_epoch) {
            wrong("I3: a shard has a new owner and no newer epoch");
        }
    }
}

// Leaves in order; when that is done the node is started again.
void cache_workload::shut_down(simulation& whole, simulated_node& node) {
    up_[node.index()]->going = true;
    leave_and_return(whole, node, away, [this] { count("left"); }, [this] { return ending_; });
}

void cache_workload::operate(simulation& whole, const scheduled_operation& operation) {
    auto node = operation.node % nodes_;
    auto key = operation.key % keys;
    auto more = operation.key / keys;
    auto& machine = whole.node(node);
    auto ask = [&](std::uint32_t at, std::vector<request> what, duration between = {},
                   duration patience = 3s) {
        cache_clients::start(
            *this,
            {.node = at, .requests = std::move(what), .between = between, .patience = patience});
    };
    auto mixed = [&] {
        auto out = std::vector<request>{};
        for (std::uint64_t i = 0; i < 5; ++i) {
            auto drawn = mix(operation.key, i);
            out.push_back({drawn % 5 < 3    ? verb::get
                           : drawn % 5 == 3 ? verb::put
                                            : verb::erase,
                           drawn / 8 % 3 == 0 ? drawn / 64 % keys : key});
        }
        return out;
    };
    auto what = static_cast<errand>(operation.kind % operation_kinds);
    switch (what) {
        case errand::get:
        case errand::get_again:
            ask(node, {{verb::get, key}});
            break;
        case errand::put:
            ask(node, {{verb::put, key}});
            break;
        case errand::put_then_get:
            read_behind_write(node, key, static_cast<std::uint32_t>(more % nodes_));
            break;
        case errand::erase:
            ask(node, {{verb::erase, key}});
            break;
        case errand::mixed:
            ask(node, mixed());
            break;
        case errand::pipelined:
            cache_clients::start(
                *this, {.node = node, .requests = mixed(), .patience = 4s, .pipelined = true});
            break;
        case errand::hammer:
            hammer(key);
            break;
        case errand::watch_key:
        case errand::watch_again:
            ask(node, std::vector<request>(10, {verb::get, key}), more % 2 == 0 ? 100ms : 700ms);
            break;
        case errand::write_inside:
        case errand::write_inside_again:
            if (machine.up() && up_[node] != nullptr && !up_[node]->going) {
                cache_clients::write_inside(*this, node, key);
            }
            break;
        case errand::hang_up:
            ask(node, mixed(), {}, more % 2 == 0 ? 1ms : 40ms);
            break;
        case errand::reset:
            whole.network().reset(clients_->index(), node, operation.key, false);
            break;
        case errand::leave:
        case errand::troubled_leave:
            // Now and then: a cluster whose nodes leave all the time does nothing else.
            if (more % 4 != 0 || !machine.up() || up_[node] == nullptr || up_[node]->going) {
                break;
            }
            if (what == errand::troubled_leave) {
                for (std::uint64_t each = 0; each < keys; ++each) {
                    ask((node + 1) % nodes_, {{verb::put, each}, {verb::get, each}});
                }
            }
            shut_down(whole, machine);
            break;
        case errand::stop_owner:
            if (more % 2 == 0) {
                stop_owner(key, mix(operation.key, 99));
            }
            break;
    }
}

void cache_workload::stop_owner(std::uint64_t key, std::uint64_t drawn) {
    auto* here = owner_of(key);
    if (here == nullptr) {
        return;
    }
    auto& machine = *here->node;
    auto incarnation = machine.incarnation();
    auto requests = std::vector<request>{};
    for (std::uint64_t i = 0; i < 6; ++i) {
        requests.push_back({mix(drawn, i) % 2 == 0 ? verb::put : verb::get, key});
    }
    cache_clients::start(*this, {.node = machine.index(),
                                 .requests = std::move(requests),
                                 .patience = 15s,
                                 .pipelined = true});
    // At once, or at a call through the seam while they are served.
    auto begin = between(drawn, duration::zero(), 3ms);
    whole_->after(begin, [&machine, incarnation, drawn] {
        if (machine.up() && machine.incarnation() == incarnation) {
            machine.world().stop_for(between(mix(drawn, 7), 3500ms, 9s),
                                     mix(drawn, 8) % 3 == 0 ? 0 : 1 + mix(drawn, 9) % 40);
        }
    });
    // By then it belongs to somebody else.
    auto next = mix(drawn, 10) % 2 == 0 ? verb::put : verb::get;
    whole_->after(3300ms, [this, key, next, other = (machine.index() + 1) % nodes_] {
        cache_clients::start(*this, {.node = other,
                                     .requests = std::vector<request>(8, {next, key}),
                                     .between = 200ms,
                                     .patience = 3s});
    });
}

// Who says that it owns a key, and may.
cache_workload::station* cache_workload::owner_of(std::uint64_t key) const {
    for (auto* each : up_) {
        if (each != nullptr && each->newest != nullptr && !each->going && acts(*each, key) &&
            each->leased()) {
            return each;
        }
    }
    return nullptr;
}

void cache_workload::read_behind_write(std::uint32_t node, std::uint64_t key,
                                       std::uint32_t reader) {
    auto read = [this, key, reader](const std::vector<int>&) {
        cache_clients::start(*this,
                             {.node = reader, .requests = {{verb::get, key}}, .patience = 3s});
    };
    cache_clients::start(
        *this, {.node = node, .requests = {{verb::put, key}}, .patience = 3s, .done = read});
}

// All ask at once: one question to the origin serves them all.
void cache_workload::hammer(std::uint64_t key) {
    struct shared_state {
        std::uint64_t loads = 0;
        std::size_t left = 0;
        std::size_t good = 0;
    };
    auto state = std::make_shared<shared_state>();
    state->loads = origin_.loads_of(names_[key]);
    state->left = 2 * std::size_t{nodes_};
    for (std::uint32_t i = 0; i < 2 * nodes_; ++i) {
        auto done = [this, key, state](const std::vector<int>& statuses) {
            state->good += statuses == std::vector{200} || statuses == std::vector{404} ? 1 : 0;
            if (--state->left == 0 && state->good == 2 * std::size_t{nodes_} &&
                origin_.loads_of(names_[key]) == state->loads + 1) {
                count("single_flight_joined");
            }
        };
        cache_clients::start(*this, {.node = i % nodes_,
                                     .requests = {{verb::get, key}},
                                     .patience = 3s,
                                     .done = std::move(done)});
    }
}

// -- at the end
// ------------------------------------------------------------------------------------

std::optional<std::string> cache_workload::check_safety() {
    if (!wrong_ && ending_) {
        wrong_ = judge_history();
    }
    return wrong_;
}

void cache_workload::expect_life(simulation& whole, const std::vector<std::uint32_t>& core) {
    healed_ = core;
    origin_.heal();
    can_live_ = can_live();
    ++counters_[can_live_ ? "asked_to_live" : "cannot_live"];
    if (!can_live_) {
        // The history is judged all the same, once clients have lost their patience.
        waiting_for_life_ = 1;
        whole.after(5s, [this] { waiting_for_life_ = 0; });
        return;
    }
    for (auto node : core) {
        for (std::uint64_t key = 0; key < keys; ++key) {
            ++waiting_for_life_;
            waiting_.emplace(node, key);
            cache_clients::insist(*this, node, key);
        }
    }
}

void cache_workload::lives(std::uint32_t node, std::uint64_t key) {
    --waiting_for_life_;
    waiting_.erase({node, key});
}

// Whether what is healed can be asked to live.
bool cache_workload::can_live() const {
    if (!fast_enough_) {
        return false;
    }
    if (healed_.size() == nodes_) {
        return true;
    }
    auto newest = view_ptr{};
    auto there = std::set<node_uid>{};
    for (auto each : healed_) {
        const auto* here = up_[each];
        // Who leaves takes its memory with it.
        if (here != nullptr && whole_->node(each).up() && !here->going && here->newest != nullptr) {
            there.insert(here->self);
            newest =
                newest == nullptr || newest->epoch < here->newest->epoch ? here->newest : newest;
        }
    }
    return have_majority(newest.get(), there, healed_, seeds_);
}

bool cache_workload::excused(std::uint64_t key) const {
    const auto* items = newest_ ? newest_->find_space(cache_items::space_name) : nullptr;
    if (items == nullptr || items->shards[shards_[key]].owner == shard_owner::nobody) {
        return false;
    }
    auto owner = newest_->members[items->shards[shards_[key]].owner].uid;
    auto here = std::find_if(up_.begin(), up_.end(), [&](const station* each) {
        return each != nullptr && each->newest != nullptr && each->self == owner;
    });
    auto index = static_cast<std::uint32_t>(here - up_.begin());
    return here != up_.end() && (*here)->leased() &&
           std::find(healed_.begin(), healed_.end(), index) == healed_.end();
}

// I18, and then that what is served is what the origin holds.
bool cache_workload::live() {
    if (waiting_for_life_ != 0) {
        return false;
    }
    if (can_live_ && !std::exchange(finishing_, true)) {
        waiting_for_life_ = keys;
        whole_->after(5s, [this] {
            for (std::uint64_t key = 0; key < keys; ++key) {
                cache_clients::insist(*this, healed_[key % healed_.size()], key);
            }
        });
        return false;
    }
    ending_ = true;
    return true;
}

std::string cache_workload::waits_for() {
    auto out = std::to_string(waiting_for_life_) + " answers are missing:";
    for (const auto& [node, key] : waiting_) {
        out += " " + names_[key] + " of " + address(node, 0).host;
    }
    const auto* items = newest_ ? newest_->find_space(cache_items::space_name) : nullptr;
    for (std::uint64_t key = 0; items != nullptr && key < keys; ++key) {
        const auto& shard = items->shards[shards_[key]];
        out += "; " + names_[key] + " is owned by " +
               (shard.owner == shard_owner::nobody ? "nobody"
                                                   : newest_->members[shard.owner].address.host) +
               " by epoch " + std::to_string(shard.own_epoch);
    }
    for (auto each : healed_) {
        const auto* here = up_[each];
        if (!whole_->node(each).up() || here == nullptr) {
            out += "; " + address(each, 0).host + " is down";
        } else if (here->newest == nullptr || here->newest->find(here->self) == nullptr) {
            out += "; " + address(each, 0).host + " is no member";
        } else if (!here->leased()) {
            out += "; " + address(each, 0).host + " has no lease";
        }
    }
    return out;
}

std::map<std::string, std::uint64_t> cache_workload::sometimes() const {
    auto out = counters_;
    const auto& origin = origin_.counted();
    out["origin_fenced"] = origin.fenced;
    out["origin_late"] = origin.late;
    out["origin_late_fenced"] = origin.late_fenced;
    out["origin_answers_lost"] = origin.answers_lost;
    out["loaded_again"] = origin.loaded_again;
    out["loads"] = origin.loads;
    out["writes"] = origin.stores + origin.erases;
    out["requests"] = history_.size();
    return out;
}

std::vector<std::string> cache_workload::must() {
    return {"owner_died",
            "shard_moved",
            "shard_released_and_taken",
            "shard_taken_from_the_dead",
            "suspended",
            "suspended_in_flight",
            "resumed",
            "fenced",
            "parked",
            "parked_went_on",
            "origin_fenced",
            "origin_late",
            "origin_answers_lost",
            "forwarded",
            "redirected",
            "retried",
            "executed_maybe",
            "certainly_not_executed",
            "passivated",
            "evicted",
            "loaded_again",
            "single_flight_joined",
            "left",
            "restarted",
            "asked_to_live",
            "compared_with_the_origin",
            "compared_at_the_end",
            "status_200",
            "status_201",
            "status_204",
            "status_404",
            "status_503"};
}

run_report run_cache(const schedule& given) {
    auto fair = given;
    for (auto& each : fair.faults) {
        if (each.kind == fault_kind::clock_rate) {
            each.amount = std::clamp<std::int64_t>(each.amount, -9'900, 9'900);
        } else if (each.kind == fault_kind::wall_jump) {
            // A cluster that is made anew counts its epochs from the wall clock.
            each.amount = std::clamp<std::int64_t>(each.amount, -100'000, 100'000);
        }
    }
    return run_schedule(fair,
                        [](const schedule& one) { return std::make_unique<cache_workload>(one); });
}

schedule_limits cache_limits() {
    auto limits = schedule_limits{};
    limits.nodes_min = 2;
    limits.nodes_max = 5;
    limits.length = 40s;
    limits.operations_max = 120;
    limits.operation_kinds = cache_workload::operation_kinds;
    limits.keys = 1 << 16;
    // A clock that jumps is a machine that was suspended and whose clock stood: beyond A3.
    limits.kinds &= ~(1U << static_cast<unsigned>(fault_kind::clock_jump));
    return limits;
}

}  // namespace cohort::sim
