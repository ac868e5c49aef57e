#include "protocol.hpp"

#include <algorithm>

#include <cohort/cluster/view_rules.hpp>
#include <cohort/world/assert.hpp>

#include "protocol_world.hpp"

namespace cohort::sim {
namespace {

using namespace std::chrono_literals;

enum class operation : std::uint32_t { leave, leave_and_return, restart, kill_driver, kill_voter };
constexpr std::uint32_t operation_kinds = 5;

enum purpose : std::uint64_t { of_shape = 11 };

struct shape {
    register_options options;
    protocol_network network;
};

shape shape_of(const schedule& given, protocol_flavour how) {
    auto random = keyed_random{given.seed}.stream(of_shape);
    auto draw = [&, n = std::uint64_t{0}](std::uint64_t bound) mutable {
        return below(random.draw(0, 0, n++), bound);
    };
    auto out = shape{};
    if (draw(3) == 0) {
        out.options.times = {.ttl = 1s, .renew = 150ms, .guard = 30ms, .rho = 10'000};
    }
    constexpr auto rates = std::array<std::uint64_t, 3>{0, 10'000, 100'000};
    out.network.lost = rates[draw(3)];
    out.network.duplicated = rates[draw(3)];
    out.network.encoded = given.seed % 8 == 0;
    out.network.delay_min = given.swarm.delay_min;
    out.network.delay_max = given.swarm.delay_max;
    out.options.voters_max = draw(4) == 0 ? 3 : 5;
    auto items = space_options{};
    items.name = "items";
    items.shards = 4 + static_cast<std::uint32_t>(draw(13));
    out.options.spaces.push_back(items);
    if (draw(4) == 0) {
        items.name = "others";
        out.options.spaces.push_back(items);
    }
    if (how == protocol_flavour::seats) {
        out.network.lost = std::min<std::uint64_t>(out.network.lost, 10'000);
    }
    return out;
}

/// Runs one schedule and knows everything that any node does.
class checked_world final : public protocol_world {
public:
    checked_world(const schedule& given, protocol_flavour how, const shape& what)
        : protocol_world{given.seed, given.swarm.nodes, what.options, what.network}, given_{given},
          how_{how} {}

    std::optional<std::string> run() {
        for (std::uint32_t i = 0; i < size(); ++i) {
            events().at(now() + between(draw(21), 0ms, i == 0 ? 0ms : 1500ms),
                        [this, i] { begin(i); });
            begin_clock(i);
        }
        for (const auto& each : given_.faults) {
            events().at(now() + each.at, [this, &each] { break_something(each); });
        }
        for (const auto& each : given_.operations) {
            events().at(now() + each.at, [this, &each] { operate(each); });
        }
        run_until([this] { return failure_.has_value(); }, given_.length);
        if (!failure_) {
            heal_all();
            if (!run_until([this] { return failure_.has_value() || alive(); }, 90s)) {
                fail("I18: not live after healing: " + waits_for());
            }
        }
        return failure_;
    }

    std::map<std::string, std::uint64_t> sometimes;
    fault_driver::counts begun{};

private:
    void fail(std::string why) {
        if (!failure_) {
            failure_ = std::move(why);
        }
    }
    void saw(const char* what) { ++sometimes[what]; }

    // -- faults -----------------------------------------------------------------------------------

    void begin_clock(std::uint32_t which) {
        // Rates differ by no more than rho.
        auto most = how_ == protocol_flavour::clocks ? 9'900 : 1'000;
        if (draw(22) % 4 != 0 || how_ == protocol_flavour::clocks) {
            auto off = static_cast<std::int64_t>(below(draw(23), 2 * most + 1)) - most;
            set_rate(which, how_ == protocol_flavour::clocks && draw(24) % 2 == 0
                                ? (off < 0 ? -most : most)
                                : off);
        }
    }

    // A5: a majority of the seeds does not begin anew while those that they knew go on elsewhere.
    bool would_split(std::uint32_t which) {
        if (decided_.empty() || healed_ || common().seeds.size() == size()) {
            return false;
        }
        const auto& newest = *newest_;
        auto there = majority(newest.voters, [this](const voter& one) {
            auto where = at(one.address);
            return where && host(*where).node && host(*where).node->acceptor() == one.acceptor;
        });
        auto slots = common().seeds.size();
        std::size_t blank = 0;
        for (std::uint32_t i = 0; i < slots; ++i) {
            auto& one = host(i);
            blank +=
                i == which || (one.node && (one.node->current() == nullptr ||
                                            one.node->current()->cluster_id != newest.cluster_id))
                    ? 1U
                    : 0U;
        }
        return there && 2 * blank > slots;
    }

    void begin(std::uint32_t which) {
        if (host(which).node || !host(which).wanted) {
            return;
        }
        if (would_split(which)) {
            events().at(now() + 1s, [this, which] { begin(which); });
            return;
        }
        start(which);
    }

    void die(std::uint32_t which, duration until_back) {
        if (!host(which).node) {
            return;
        }
        note_death(which);
        kill(which);
        events().at(now() + until_back, [this, which] { begin(which); });
    }

    void note_death(std::uint32_t which) {
        const auto& one = *host(which).node;
        const auto& view = one.current();
        if (view == nullptr) {
            return;
        }
        if (one.is_driver(clock(host(which)))) {
            saw("driver_died");
        }
        auto me = view->index_of(one.uid());
        for (const auto& space : view->spaces) {
            for (const auto& move : space.moving) {
                if (space.shards[move.shard].owner == me) {
                    saw("owner_died_while_draining");
                } else if (move.to == me) {
                    saw("target_died");
                }
            }
        }
    }

    void for_links(const scheduled_fault& fault,
                   const std::function<void(std::uint32_t, std::uint32_t)>& what) {
        auto n = static_cast<std::uint32_t>(size());
        auto a = fault.a % n;
        auto b = fault.b % n;
        for (std::uint32_t i = 0; i < n; ++i) {
            for (std::uint32_t j = 0; j < n; ++j) {
                auto side = [&](std::uint32_t one) { return (fault.amount >> one & 1) != 0; };
                auto hit = i != j && (fault.kind == fault_kind::isolate ? i == a || j == a
                                      : fault.kind == fault_kind::split ? side(i) != side(j)
                                      : fault.kind == fault_kind::cut
                                          ? (i == a && j == b) || (i == b && j == a)
                                          : i == a && j == b);
                if (hit) {
                    what(i, j);
                }
            }
        }
    }

    void break_something(const scheduled_fault& fault) {
        if (healed_) {
            return;
        }
        ++begun[static_cast<std::size_t>(fault.kind)];
        auto a = static_cast<std::uint32_t>(fault.a % size());
        auto amount = std::chrono::microseconds{fault.amount};
        switch (fault.kind) {
            case fault_kind::crash:
            case fault_kind::power_loss:
                die(a, fault.length);
                break;
            case fault_kind::stop:
                stop(a);
                later(fault, [this, a] { go_on(a); });
                break;
            case fault_kind::stop_inside:
                host(a).stops_inside = true;
                host(a).stop_length = std::min<duration>(fault.length, 10s);
                break;
            case fault_kind::cut:
            case fault_kind::cut_one_way:
            case fault_kind::isolate:
            case fault_kind::split:
                for_links(fault, [this](auto i, auto j) { cut(i, j, 1); });
                later(fault, [this, &fault] {
                    for_links(fault, [this](auto i, auto j) { cut(i, j, -1); });
                });
                break;
            case fault_kind::slow_link:
                for_links(fault, [&](auto i, auto j) { slow(i, j, amount); });
                later(fault, [this, &fault, amount] {
                    for_links(fault, [&](auto i, auto j) { slow(i, j, -amount); });
                });
                break;
            case fault_kind::tail:
                for_links(fault, [&](auto i, auto j) { tail(i, j, amount); });
                later(fault, [this, &fault, amount] {
                    for_links(fault, [&](auto i, auto j) { tail(i, j, -amount); });
                });
                break;
            case fault_kind::clock_rate:
                set_rate(a, std::clamp<std::int64_t>(fault.amount, -9'900, 9'900));
                break;
            default:
                break;
        }
    }

    template <class Action>
    void later(const scheduled_fault& fault, Action action) {
        events().at(now() + fault.length, [this, action] {
            if (!healed_) {
                action();
            }
        });
    }

    void operate(const scheduled_operation& what) {
        if (healed_) {
            return;
        }
        auto node = static_cast<std::uint32_t>(what.node % size());
        auto back = 100ms * (1 + what.key * what.key * 4);
        switch (static_cast<operation>(what.kind % operation_kinds)) {
            case operation::leave:
            case operation::leave_and_return:
                ask_to_leave(node);
                leaving_.insert({node, host(node).starts});
                break;
            case operation::restart:
                die(node, back);
                break;
            case operation::kill_driver:
                kill_one(back,
                         [this](protocol_host& one) { return one.node->is_driver(clock(one)); });
                break;
            case operation::kill_voter:
                kill_one(back, [](protocol_host& one) {
                    return one.node->current() != nullptr &&
                           one.node->current()->seat_of(one.node->acceptor()) != nullptr;
                });
                break;
        }
    }

    void kill_one(duration back, const std::function<bool(protocol_host&)>& which) {
        auto first = draw(25) % size();
        for (std::size_t i = 0; i < size(); ++i) {
            auto one = static_cast<std::uint32_t>((first + i) % size());
            if (host(one).node && which(host(one))) {
                die(one, back);
                return;
            }
        }
    }

    // -- what is checked --------------------------------------------------------------------------

    void happened(std::uint32_t which, const register_event& what) override {
        using kind = register_event::kind;
        auto& one = host(which);
        switch (what.what) {
            case kind::view_changed:
                note_view(which, what.view);
                break;
            case kind::suspended:
                saw("suspended");
                break;
            case kind::resumed:
                saw("suspended_resumed");
                break;
            case kind::fenced:
                saw(one.told_suspended ? "suspended_fenced" : "fenced");
                break;
            case kind::left:
                saw("left");
                check_left(which);
                events().at(now() + 300ms, [this, which, starts = one.starts] {
                    if (host(which).node && host(which).starts == starts && host(which).left) {
                        kill(which);
                        events().at(now() + between(draw(26), 100ms, 8s),
                                    [this, which] { begin(which); });
                    }
                });
                break;
            case kind::refused:
                fail("a node was refused: " + what.why);
                break;
            case kind::lease_moved:
                break;
        }
    }

    // I2, I3, I16: one view for an epoch, epochs without gaps, each as it may follow the one
    // before.
    void note_view(std::uint32_t which, const view_ptr& now_seen) {
        if (now_seen->epoch < last_epoch_[which].epoch &&
            last_epoch_[which].starts == host(which).starts) {
            fail("I16: a node saw an older view after a newer one");
        }
        last_epoch_[which] = {host(which).starts, now_seen->epoch};
        auto [found, fresh] =
            decided_.try_emplace({now_seen->cluster_id, now_seen->epoch}, now_seen);
        if (!fresh) {
            if (found->second != now_seen && !(*found->second == *now_seen)) {
                fail("I2: two views of one epoch");
            }
            return;
        }
        if (newest_ == nullptr || newest_->epoch < now_seen->epoch) {
            newest_ = now_seen;
        }
        auto before = found == decided_.begin() ? decided_.end() : std::prev(found);
        if (before != decided_.end() && before->first.first == now_seen->cluster_id) {
            check_step(*before->second, *now_seen);
        } else {
            saw("first_view");
            check_first(*now_seen);
        }
    }

    void check_first(const view& first) {
        if (clusters_++ != 0) {
            saw("cluster_made_again");
        }
        for (const auto& each : first.spaces) {
            auto& epochs = own_epochs_[each.options.name];
            epochs.resize(each.options.shards);
        }
    }

    void check_step(const view& before, const view& next) {
        if (next.epoch != before.epoch + 1) {
            fail("I2: an epoch was left out");
            return;
        }
        if (const auto* wrong = what_is_wrong(before, next)) {
            fail(std::string{"a decided view does not follow: "} + wrong);
        }
        if (next.config != before.config) {
            saw(next.voters.size() > before.voters.size() ? "seat_added" : "seat_replaced");
        }
        // I4, I6: whoever is fenced holds no lease, on its own clock.
        for (auto uid : next.fenced) {
            saw("fence_committed");
            for (std::uint32_t i = 0; i < size(); ++i) {
                auto& one = host(i);
                if (one.node && one.node->uid() == uid && clock(one) < one.node->lease_end()) {
                    fail("I4: a node was fenced while its lease held");
                }
            }
        }
        for (const auto& each : next.departed) {
            removed_.insert({next.cluster_id, each.uid});
        }
        for (const auto& each : next.members) {
            if (removed_.contains({next.cluster_id, each.uid})) {
                fail("I5: a member that was removed is one again");
            }
        }
        for (const auto& each : next.spaces) {
            check_own_epochs(before, next, each);
        }
    }

    // I3: rises with every new owner, in all clusters that use the same stores.
    void check_own_epochs(const view& before, const view& next, const space& now_is) {
        auto& epochs = own_epochs_[now_is.options.name];
        epochs.resize(now_is.options.shards);
        const auto* was = before.find_space(now_is.options.name);
        for (std::uint32_t shard = 0; shard < now_is.options.shards; ++shard) {
            const auto& owner = now_is.shards[shard];
            auto uid_of = [](const view& what, std::uint16_t index) {
                return index == shard_owner::nobody ? node_uid{} : what.members[index].uid;
            };
            auto had = was == nullptr ? node_uid{} : uid_of(before, was->shards[shard].owner);
            auto has = uid_of(next, owner.owner);
            if (has != node_uid{} && had != has) {
                if (owner.own_epoch <= epochs[shard]) {
                    fail("I3: an epoch of ownership did not rise");
                }
                epochs[shard] = owner.own_epoch;
                saw("owner_changed");
            }
        }
    }

    // I19: whoever has left owns nothing.
    void check_left(std::uint32_t which) {
        const auto& one = *host(which).node;
        const auto& view = one.current();
        auto me = view == nullptr ? shard_owner::nobody : view->index_of(one.uid());
        if (me != shard_owner::nobody && owns_anything(*view, one.uid())) {
            fail("I19: a node has left and owns shards");
        }
    }

    void sent(std::uint32_t, const control_message& what) override {
        if (const auto* refused = std::get_if<paxos_refused>(&what)) {
            constexpr auto names =
                std::array{"outbid",        "acceptor_behind", "epoch_over",
                           "guard_refused", "silence_refused", "unsound_refused"};
            saw(names[static_cast<std::size_t>(refused->why)]);
            if (refused->why == paxos_refusal::unsound && planted_nothing()) {
                fail("E6: a proposed view was refused as unsound");
            }
        } else if (const auto* denied = std::get_if<lease_denied>(&what)) {
            saw(denied->why == lease_denial::doomed         ? "doomed"
                : denied->why == lease_denial::config_moved ? "config_moved"
                                                            : "renewal_of_no_member");
        } else if (const auto* accept = std::get_if<paxos_accept>(&what)) {
            if (accept->recovered) {
                saw("value_recovered");
            }
        } else if (const auto* info = std::get_if<lease_info>(&what)) {
            if (std::any_of(info->leases.begin(), info->leases.end(), [](const auto& each) {
                    return each.remaining == lease_state::unknown;
                })) {
                saw("lease_unknown");
            }
        }
    }

    static bool planted_nothing() {
#if defined(COHORT_MUTANTS)
        return planted == mutant::none;
#else
        return true;
#endif
    }

    // I1, I15: after every call that may have made a node serve more than before.
    void stepped(std::uint32_t which) override {
        auto& one = host(which);
        const auto& view = one.node->current();
        auto serves = one.node->phase() == register_phase::member && view != nullptr &&
                      clock(one) < one.node->lease_end();
        auto& last = served_[which];
        auto same = last.serves && last.view == view && last.starts == one.starts;
        last = {serves, view, one.starts};
        if (!serves || same) {
            return;
        }
        for (std::uint32_t i = 0; i < size(); ++i) {
            auto& other = host(i);
            if (i == which || !other.node || other.node->current() == nullptr ||
                other.node->phase() != register_phase::member ||
                clock(other) >= other.node->lease_end()) {
                continue;
            }
            compare(one, other);
        }
    }

    void compare(protocol_host& left, protocol_host& right) {
        const auto& mine = *left.node->current();
        const auto& theirs = *right.node->current();
        auto me = mine.index_of(left.node->uid());
        auto them = theirs.index_of(right.node->uid());
        if (me == shard_owner::nobody || them == shard_owner::nobody) {
            return;
        }
        for (std::uint32_t space = 0; space < mine.spaces.size(); ++space) {
            const auto* other = theirs.find_space(mine.spaces[space].options.name);
            for (std::uint32_t shard = 0; other != nullptr && shard < other->options.shards;
                 ++shard) {
                if (mine.spaces[space].shards[shard].owner == me &&
                    other->shards[shard].owner == them && !gave_back(left, space, shard, mine) &&
                    !gave_back(right, space, shard, theirs)) {
                    fail(mine.cluster_id == theirs.cluster_id ? "I1: two nodes serve one shard"
                                                              : "I15: two clusters serve");
                }
            }
        }
    }

    static bool gave_back(const protocol_host& one, std::uint32_t space, std::uint32_t shard,
                          const view& seen) {
        return std::any_of(one.released.begin(), one.released.end(), [&](const auto& each) {
            auto [in, which, epoch] = each;
            return in == space && which == shard &&
                   epoch >= seen.spaces[space].shards[shard].own_epoch;
        });
    }

    // -- life -------------------------------------------------------------------------------------

    void heal_all() {
        healed_ = true;
        heal();
        for (std::uint32_t i = 0; i < size(); ++i) {
            host(i).wanted = true;
            begin(i);
        }
    }

    bool alive() {
        view_ptr common_view;
        for (std::uint32_t i = 0; i < size(); ++i) {
            auto& one = host(i);
            if (!one.node || one.left || one.node->phase() != register_phase::member ||
                clock(one) >= one.node->lease_end()) {
                return false;
            }
            const auto& view = one.node->current();
            if (common_view != nullptr && common_view != view && !(*common_view == *view)) {
                return false;
            }
            common_view = view;
            if (!one.node->seats_held(clock(one))) {
                return false;
            }
        }
        return at_rest(*common_view);
    }

    [[nodiscard]] bool at_rest(const view& what) const {
        auto ready = [](const member& one) { return one.phase == member_phase::ready; };
        return what.members.size() == size() &&
               std::all_of(what.members.begin(), what.members.end(), ready) &&
               what.voters.size() >= seats_wanted() &&
               std::all_of(what.spaces.begin(), what.spaces.end(), [](const space& one) {
                   return one.moving.empty() &&
                          std::all_of(one.shards.begin(), one.shards.end(), [](const auto& each) {
                              return each.owner != shard_owner::nobody;
                          });
               });
    }
    [[nodiscard]] std::size_t seats_wanted() const {
        auto n = size();
        return std::min<std::size_t>(n <= 2 ? 1 : n <= 4 ? 3 : 5, common().voters_max);
    }

    std::string waits_for() {
        auto out = std::string{};
        for (std::uint32_t i = 0; i < size(); ++i) {
            auto& one = host(i);
            out += " n" + std::to_string(i);
            if (!one.node) {
                out += " down;";
                continue;
            }
            const auto& view = one.node->current();
            out += " phase " + std::to_string(static_cast<int>(one.node->phase())) + " epoch " +
                   std::to_string(view == nullptr ? 0 : view->epoch) +
                   (view == nullptr ? ""
                                    : " of " + std::to_string(view->members.size()) + " members, " +
                                          std::to_string(view->voters.size()) + " seats") +
                   (clock(one) < one.node->lease_end() ? " leased" : "") +
                   (one.node->is_driver(clock(one)) ? " driver" : "") +
                   (one.node->seats_held(clock(one)) ? "" : " seats open") + ";";
        }
        if (!decided_.empty()) {
            out += described(*newest_);
        }
        return out;
    }

    // For whoever looks for the reason.
    static std::string described(const view& what) {
        auto out = std::string{" members"};
        for (const auto& each : what.members) {
            out += " " + each.address.host + ":" + std::string{name(each.phase)};
        }
        out += ", voters";
        for (const auto& each : what.voters) {
            out += " " + (each.acceptor == node_uid{} ? "-" : each.address.host) +
                   (what.find(each.uid) == nullptr ? "(gone)" : "");
        }
        for (const auto& each : what.spaces) {
            out += ", " + std::to_string(each.moving.size()) + " moving, " +
                   std::to_string(std::count_if(
                       each.shards.begin(), each.shards.end(),
                       [](const auto& one) { return one.owner == shard_owner::nobody; })) +
                   " unowned";
        }
        return out;
    }

    struct last_seen {
        std::uint64_t starts = 0;
        std::uint64_t epoch = 0;
    };
    struct served {
        bool serves = false;
        view_ptr view;
        std::uint64_t starts = 0;
    };

    const schedule& given_;
    protocol_flavour how_;
    std::optional<std::string> failure_;
    bool healed_ = false;
    std::uint64_t clusters_ = 0;
    std::map<std::pair<node_uid, std::uint64_t>, view_ptr> decided_;
    view_ptr newest_;
    std::map<std::uint32_t, last_seen> last_epoch_;
    std::map<std::uint32_t, served> served_;
    std::set<std::pair<node_uid, node_uid>> removed_;
    std::map<std::string, std::vector<std::uint64_t>> own_epochs_;
    std::set<std::pair<std::uint32_t, std::uint64_t>> leaving_;
};

}  // namespace

run_report run_protocol(const schedule& given, protocol_flavour how) {
    auto out = run_report{};
    auto what = shape_of(given, how);
    auto world = checked_world{given, how, what};
    auto began = world.now();
    out.failure = world.run();
    out.trace_hash = world.hash();
    out.events = world.events().count();
    out.simulated = world.now() - began;
    out.node_time = world.node_time();
    out.faults = world.begun;
    out.sometimes = world.sometimes;
    return out;
}

// -- failover -------------------------------------------------------------------------------------

namespace {

class quiet_world final : public protocol_world {
public:
    using protocol_world::protocol_world;

    // Every shard is owned by a node that is up and serves, by its own view.
    bool served() {
        for (std::uint32_t i = 0; i < size(); ++i) {
            if (host(i).node && all_owned(i)) {
                return true;
            }
        }
        return false;
    }
    bool settled() {
        for (std::uint32_t i = 0; i < size(); ++i) {
            auto& one = host(i);
            if (!one.node || one.node->current() == nullptr ||
                one.node->current()->members.size() != size() ||
                !one.node->seats_held(clock(one)) || !all_owned(i)) {
                return false;
            }
            for (const auto& each : one.node->current()->spaces) {
                if (!each.moving.empty()) {
                    return false;
                }
            }
        }
        return true;
    }

private:
    bool all_owned(std::uint32_t which) {
        const auto& view = host(which).node->current();
        if (view == nullptr) {
            return false;
        }
        for (const auto& space : view->spaces) {
            for (const auto& shard : space.shards) {
                if (shard.owner == shard_owner::nobody || !serves(view->members[shard.owner])) {
                    return false;
                }
            }
        }
        return true;
    }
    bool serves(const member& owner) {
        auto where = at(owner.address);
        auto& one = host(*where);
        return one.node && one.node->uid() == owner.uid && clock(one) < one.node->lease_end();
    }
    void happened(std::uint32_t, const register_event&) override {}
    void sent(std::uint32_t, const control_message&) override {}
    void stepped(std::uint32_t) override {}
};

}  // namespace

std::vector<duration> protocol_failovers(std::uint32_t nodes, std::uint32_t kills,
                                         std::uint64_t seed) {
    auto options = register_options{};
    auto items = space_options{};
    items.name = "items";
    items.shards = 64;
    options.spaces.push_back(items);
    auto world = quiet_world{seed, nodes, options, {.delay_max = 1ms}};
    for (std::uint32_t i = 0; i < nodes; ++i) {
        world.start(i);
    }
    auto random = keyed_random{seed};
    auto out = std::vector<duration>{};
    for (std::uint32_t n = 0; n < kills; ++n) {
        COHORT_ASSERT(world.run_until([&] { return world.settled(); }, 5min), "it settles");
        world.run_until({}, between(random.draw(1, 0, n), 6100ms, 7s));
        auto victim = static_cast<std::uint32_t>(below(random.draw(2, 0, n), nodes));
        world.kill(victim);
        auto began = world.now();
        COHORT_ASSERT(world.run_until([&] { return world.served(); }, 1min), "it is served again");
        out.push_back(world.now() - began);
        world.start(victim);
    }
    return out;
}

schedule_limits protocol_limits(protocol_flavour how) {
    auto kind = [](fault_kind one) { return 1U << static_cast<unsigned>(one); };
    auto limits = schedule_limits{};
    limits.nodes_max = how == protocol_flavour::plain ? 7 : 5;
    limits.cores_max = 1;
    limits.length = 25s;
    limits.faults_max = 16;
    limits.operations_max = 10;
    limits.operation_kinds = operation_kinds;
    limits.kinds = kind(fault_kind::crash) | kind(fault_kind::stop) |
                   kind(fault_kind::stop_inside) | kind(fault_kind::cut) |
                   kind(fault_kind::cut_one_way) | kind(fault_kind::isolate) |
                   kind(fault_kind::split) | kind(fault_kind::slow_link) | kind(fault_kind::tail) |
                   kind(fault_kind::clock_rate);
    if (how == protocol_flavour::seats || how == protocol_flavour::restarts) {
        limits.nodes_min = 3;
        limits.operations_max = 30;
        limits.faults_max = 8;
    } else if (how == protocol_flavour::clocks) {
        limits.nodes_min = 3;
        limits.kinds = kind(fault_kind::stop) | kind(fault_kind::stop_inside) |
                       kind(fault_kind::isolate) | kind(fault_kind::split) | kind(fault_kind::cut);
    }
    return limits;
}

std::vector<std::string> protocol_must() {
    return {"first_view",         "fence_committed",
            "suspended_resumed",  "suspended_fenced",
            "guard_refused",      "silence_refused",
            "value_recovered",

            "seat_replaced",      "left",
            "owner_changed",      "outbid",
            "config_moved",       "lease_unknown",
            "cluster_made_again", "driver_died",
            "target_died",        "owner_died_while_draining"};
}

}  // namespace cohort::sim
