#include "protocol_run.hpp"

#include <algorithm>
#include <utility>

namespace cohort::sim {

using namespace std::chrono_literals;

std::optional<std::string> protocol_run::run() {
    for (std::uint32_t i = 0; i < size(); ++i) {
        events().at(now() + between(draw(21), 0ms, i == 0 ? 0ms : 1500ms), [this, i] { begin(i); });
        begin_clock(i);
    }
    for (const auto& each : given_.faults) {
        events().at(now() + each.at, [this, &each] { break_something(each); });
    }
    for (const auto& each : given_.operations) {
        events().at(now() + each.at, [this, &each] { operate(each); });
    }
    run_until([this] { return failure().has_value(); }, given_.length);
    if (!failure()) {
        heal_all();
        if (!run_until([this] { return failure().has_value() || alive(); }, 90s)) {
            fail("I18: not live after healing: " + waits_for());
        }
    }
    return failure();
}

// -- faults ---------------------------------------------------------------------------------------

void protocol_run::begin_clock(std::uint32_t which) {
    // Rates differ by no more than rho.
    auto most = how_ == protocol_flavour::clocks ? 9'900 : 1'000;
    if (draw(22) % 4 != 0 || how_ == protocol_flavour::clocks) {
        auto off = static_cast<std::int64_t>(below(draw(23), 2 * most + 1)) - most;
        set_rate(which, how_ == protocol_flavour::clocks && draw(24) % 2 == 0
                            ? (off < 0 ? -most : most)
                            : off);
    }
}

void protocol_run::begin(std::uint32_t which) {
    if (host(which).node || !host(which).wanted) {
        return;
    }
    start(which);
}

void protocol_run::die(std::uint32_t which, duration until_back) {
    if (!host(which).node) {
        return;
    }
    note_death(which);
    kill(which);
    events().at(now() + until_back, [this, which] { begin(which); });
}

void protocol_run::note_death(std::uint32_t which) {
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

protocol_run::links protocol_run::links_of(const scheduled_fault& fault) const {
    auto n = static_cast<std::uint32_t>(size());
    auto a = fault.a % n;
    auto b = fault.b % n;
    auto out = links{};
    for (std::uint32_t i = 0; i < n; ++i) {
        for (std::uint32_t j = 0; j < n; ++j) {
            auto side = [&](std::uint32_t one) { return (fault.amount >> one & 1) != 0; };
            auto hit = i != j &&
                       (fault.kind == fault_kind::isolate ? i == a || j == a
                        : fault.kind == fault_kind::split ? side(i) != side(j)
                        : fault.kind == fault_kind::cut   ? (i == a && j == b) || (i == b && j == a)
                                                          : i == a && j == b);
            if (hit) {
                out.emplace_back(i, j);
            }
        }
    }
    return out;
}

void protocol_run::break_something(const scheduled_fault& fault) {
    if (healed_) {
        return;
    }
    ++begun_[static_cast<std::size_t>(fault.kind)];
    auto a = static_cast<std::uint32_t>(fault.a % size());
    auto amount = std::chrono::microseconds{fault.amount};
    switch (fault.kind) {
        case fault_kind::crash:
        case fault_kind::power_loss:
            die(a, fault.length);
            break;
        case fault_kind::stop:
            stop(a);
            later(fault.length, [this, a] { go_on(a); });
            break;
        case fault_kind::stop_inside:
            host(a).stops_inside = true;
            host(a).stop_length = std::min<duration>(fault.length, 10s);
            break;
        case fault_kind::cut:
        case fault_kind::cut_one_way:
        case fault_kind::isolate:
        case fault_kind::split:
            break_links(fault, [this](auto i, auto j, int by) { cut(i, j, by); });
            break;
        case fault_kind::slow_link:
            break_links(fault, [this, amount](auto i, auto j, int by) { slow(i, j, amount * by); });
            break;
        case fault_kind::tail:
            break_links(fault, [this, amount](auto i, auto j, int by) { tail(i, j, amount * by); });
            break;
        case fault_kind::clock_rate:
            set_rate(a, std::clamp<std::int64_t>(fault.amount, -9'900, 9'900));
            break;
        default:
            break;
    }
}

void protocol_run::break_links(
    const scheduled_fault& fault,
    const std::function<void(std::uint32_t, std::uint32_t, int)>& change) {
    auto all = links_of(fault);
    for (auto [i, j] : all) {
        change(i, j, 1);
    }
    later(fault.length, [change, all] {
        for (auto [i, j] : all) {
            change(i, j, -1);
        }
    });
}

// Healing ends everything.
void protocol_run::later(duration length, std::function<void()> action) {
    events().at(now() + length, [this, action = std::move(action)] {
        if (!healed_) {
            action();
        }
    });
}

// -- operations -----------------------------------------------------------------------------------

void protocol_run::operate(const scheduled_operation& what) {
    if (healed_) {
        return;
    }
    auto node = static_cast<std::uint32_t>(what.node % size());
    auto back = 100ms * (1 + what.key * what.key * 4);
    auto kinds = how_ == protocol_flavour::phases ? protocol_operation_kinds : protocol_plain_kinds;
    switch (static_cast<protocol_operation>(what.kind % kinds)) {
        case protocol_operation::leave:
        case protocol_operation::leave_and_return:
            ask_to_leave(node);
            break;
        case protocol_operation::restart:
            die(node, back);
            break;
        case protocol_operation::kill_driver:
            kill_one(back, [this](protocol_host& one) { return drives(one); });
            break;
        case protocol_operation::kill_voter:
            kill_one(back, votes);
            break;
        case protocol_operation::kill_two:
            kill_one(back, [this](protocol_host& one) { return votes(one) && !drives(one); });
            kill_one(back * 2, [](protocol_host& one) { return !votes(one); });
            break;
        default:
            set_traps(what);
            break;
    }
}

bool protocol_run::votes(protocol_host& one) {
    return one.node->current() != nullptr &&
           one.node->current()->seat_of(one.node->acceptor()) != nullptr;
}

bool protocol_run::drives(protocol_host& one) const { return one.node->is_driver(clock(one)); }

std::optional<std::uint32_t> protocol_run::find_one(const condition& which) {
    auto first = draw(25) % size();
    for (std::size_t i = 0; i < size(); ++i) {
        auto one = static_cast<std::uint32_t>((first + i) % size());
        if (host(one).node && which(host(one))) {
            return one;
        }
    }
    return std::nullopt;
}

void protocol_run::kill_one(duration back, const condition& which) {
    if (auto found = find_one(which)) {
        die(*found, back);
    }
}

void protocol_run::has_left(std::uint32_t which) {
    events().at(now() + 300ms, [this, which, starts = host(which).starts] {
        if (host(which).node && host(which).starts == starts && host(which).left) {
            kill(which);
            events().at(now() + between(draw(26), 100ms, 8s), [this, which] { begin(which); });
        }
    });
}

// -- life -----------------------------------------------------------------------------------------

void protocol_run::heal_all() {
    healed_ = true;
    heal();
    for (std::uint32_t i = 0; i < size(); ++i) {
        host(i).wanted = true;
        begin(i);
    }
}

bool protocol_run::alive() {
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

bool protocol_run::at_rest(const view& what) const {
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

std::size_t protocol_run::seats_wanted() const {
    auto n = size();
    return std::min<std::size_t>(n <= 2 ? 1 : n <= 4 ? 3 : 5, common().voters_max);
}

std::string protocol_run::waits_for() {
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
    if (newest() != nullptr) {
        out += described(*newest());
    }
    return out;
}

}  // namespace cohort::sim
