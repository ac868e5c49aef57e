#include "protocol_world.hpp"

#include <algorithm>

#include <cohort/world/assert.hpp>

namespace cohort::sim {

using namespace std::chrono_literals;

namespace {

enum purpose : std::uint64_t { of_link = 1, of_node, of_clock, of_release };

duration scaled(duration length, std::int64_t by, std::int64_t of) noexcept {
    __extension__ using wide = __int128;
    return duration{static_cast<duration::rep>(static_cast<wide>(length.count()) * by / of)};
}

}  // namespace

protocol_world::protocol_world(std::uint64_t seed, std::uint32_t nodes, register_options common,
                               protocol_network network)
    : common_{std::move(common)}, network_{network}, random_{seed}, hosts_(nodes),
      links_(std::size_t{nodes} * nodes) {
    for (std::uint32_t i = 0; i < nodes; ++i) {
        auto& each = hosts_[i];
        each.address = {"n" + std::to_string(i), 25'520};
        each.since = now();
        // Clocks have nothing to do with each other.
        each.local = time_point{between(random_.draw(of_clock, i, 0), 1h, 1000h)};
        if (i < network_.seeds) {
            common_.seeds.push_back(each.address);
        }
    }
    counted_until_ = now();
}

time_point protocol_world::clock(const protocol_host& one) const noexcept {
    auto passed = now() - one.since;
    return one.local + scaled(passed, 1'000'000 + one.rate, 1'000'000);
}

void protocol_world::set_rate(std::uint32_t which, std::int64_t millionths) {
    auto& one = hosts_[which];
    one.local = clock(one);
    one.since = now();
    one.rate = millionths;
    arm(which);
}

std::optional<std::uint32_t> protocol_world::at(const endpoint& address) const {
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
        if (hosts_[i].address == address) {
            return i;
        }
    }
    return std::nullopt;
}

std::optional<time_point> protocol_world::gone_since(node_uid acceptor) const {
    auto found = gone_.find(acceptor);
    return found == gone_.end() ? std::nullopt : std::optional{found->second};
}

void protocol_world::votes_as(protocol_host& one, node_uid acceptor) {
    if (one.votes_as != node_uid{}) {
        gone_[one.votes_as] = now();
    }
    gone_.erase(acceptor);
    one.votes_as = acceptor;
}

void protocol_world::start(std::uint32_t which) {
    auto& one = hosts_[which];
    if (one.node) {
        return;
    }
    auto options = common_;
    options.self.address = one.address;
    // As wall clocks do, it makes a later cluster's epochs higher.
    options.first_epoch = static_cast<std::uint64_t>((now().time_since_epoch()) / 1ms);
    ++one.starts;
    one.node.emplace(std::move(options), random_.draw(of_node, which, one.starts));
    one.left = false;
    one.seen = nullptr;
    one.stops_inside = false;
    one.node->start(clock(one));
    act(which);
}

void protocol_world::kill(std::uint32_t which) {
    auto& one = hosts_[which];
    votes_as(one, {});
    one.node.reset();
    ++one.timers;
    one.waiting.clear();
    one.draining.clear();
    one.released.clear();
    one.seen = nullptr;
    one.told_suspended = false;
}

void protocol_world::stop(std::uint32_t which) { ++hosts_[which].stopped; }

void protocol_world::go_on(std::uint32_t which) {
    auto& one = hosts_[which];
    if (one.stopped == 0 || --one.stopped != 0) {
        return;
    }
    one.went_on = now();
    while (one.stopped == 0 && !one.waiting.empty()) {
        auto next = std::move(one.waiting.front());
        one.waiting.pop_front();
        next(clock(one));
        if (one.node) {
            act(which);
        }
    }
    arm(which);
}

void protocol_world::ask_to_leave(std::uint32_t which) {
    call(which, [this, which](time_point at) { hosts_[which].node->leave(at); });
}

void protocol_world::heal() {
    network_.lost = 0;
    network_.duplicated = 0;
    for (auto& each : links_) {
        each = {.cuts = 0, .slow = {}, .tail = {}, .messages = each.messages};
    }
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
        hosts_[i].stops_inside = false;
        hosts_[i].stopped = std::min(hosts_[i].stopped, 1U);
        go_on(i);
    }
}

// A process that is stopped does it later; one that stops inside has read its clock before.
void protocol_world::call(std::uint32_t which, std::function<void(time_point)> what) {
    auto& one = hosts_[which];
    if (!one.node) {
        return;
    }
    if (one.stopped != 0) {
        if (one.waiting.size() < 10'000) {
            one.waiting.push_back(std::move(what));
        }
        return;
    }
    if (std::exchange(one.stops_inside, false)) {
        auto stale = clock(one);
        stop(which);
        one.waiting.push_front([what = std::move(what), stale](time_point) { what(stale); });
        events_.at(now() + one.stop_length, [this, which, starts = one.starts] {
            if (hosts_[which].starts == starts) {
                go_on(which);
            }
        });
        return;
    }
    what(clock(one));
    act(which);
}

// What a call brought about.
void protocol_world::act(std::uint32_t which) {
    auto& one = hosts_[which];
    if (one.votes_as != one.node->acceptor()) {
        votes_as(one, one.node->acceptor());
    }
    for (const auto& each : one.node->take_events()) {
        hash_ = mix(hash_, mix(which, static_cast<std::uint64_t>(each.what)));
        one.left = one.left || each.what == register_event::kind::left;
        happened(which, each);
        if (each.what == register_event::kind::suspended) {
            one.told_suspended = true;
        } else if (each.what == register_event::kind::resumed) {
            one.told_suspended = false;
        } else if (each.what == register_event::kind::fenced) {
            one.told_suspended = false;
            one.draining.clear();
            one.released.clear();
        }
    }
    serve(which);
    stepped(which);
    for (auto& each : one.node->take_outgoing()) {
        sent(which, each.content);
        transmit(which, std::move(each));
    }
    arm(which);
}

void protocol_world::transmit(std::uint32_t from, outgoing_control&& what) {
    auto to = at(what.to);
    if (!to) {
        return;
    }
    auto& way = link(from, *to);
    auto n = way.messages++;
    auto whom = mix(from, *to);
    auto draw = [&](std::uint64_t part) { return random_.stream(of_link).draw(part, whom, n); };
    hash_ = mix(hash_, mix(whom, what.content.index()));
    if (way.cuts > 0 || below(draw(0), 1'000'000) < network_.lost) {
        return;
    }
    if (network_.encoded) {
        auto wire = byte_buffer{};
        encode(what.content, wire).value();
        what.content = decode<control_message>(wire.view()).value();
    }
    auto copies = below(draw(1), 1'000'000) < network_.duplicated ? 2 : 1;
    for (auto copy = 0; copy < copies; ++copy) {
        auto delay = between(draw(2 + static_cast<std::uint64_t>(copy)), network_.delay_min,
                             network_.delay_max) +
                     way.slow;
        if (way.tail > duration::zero() && draw(4) % 10 == 0) {
            delay += between(draw(5 + static_cast<std::uint64_t>(copy)), {}, way.tail);
        }
        auto slot = static_cast<std::uint32_t>(flying_.size());
        if (free_.empty()) {
            flying_.emplace_back();
        } else {
            slot = free_.back();
            free_.pop_back();
        }
        flying_[slot] = {from, *to, copy + 1 == copies ? std::move(what.content) : what.content};
        events_.at(now() + delay, [this, slot] { deliver(slot); });
    }
}

void protocol_world::deliver(std::uint32_t slot) {
    auto what = std::move(flying_[slot]);
    free_.push_back(slot);
    auto& one = hosts_[what.to];
    if (!one.node || link(what.from, what.to).cuts > 0) {
        return;
    }
    if (one.stopped == 0 && !one.stops_inside) {
        one.node->receive(clock(one), hosts_[what.from].address, what.content);
        act(what.to);
        return;
    }
    call(what.to,
         [this, to = what.to, from = what.from, content = std::move(what.content)](time_point at) {
             hosts_[to].node->receive(at, hosts_[from].address, content);
         });
}

void protocol_world::arm(std::uint32_t which) {
    auto& one = hosts_[which];
    if (!one.node || one.stopped != 0) {
        return;
    }
    auto number = ++one.timers;
    auto due = one.node->due();
    if (due == time_point::max()) {
        return;
    }
    auto local = clock(one);
    auto wait = due > local ? due - local : duration::zero();
    auto real = scaled(wait, 1'000'000, 1'000'000 + one.rate) + 2ns;  // rather late than early
    events_.at(now() + (wait == duration::zero() ? wait : real), [this, which, number] {
        auto& again = hosts_[which];
        if (!again.node || again.timers != number) {
            return;
        }
        if (again.stopped == 0 && !again.stops_inside) {
            again.node->tick(clock(again));
            act(which);
            return;
        }
        call(which, [this, which](time_point at) { hosts_[which].node->tick(at); });
    });
}

// The application: it gives shards back some time after it was asked to.
void protocol_world::serve(std::uint32_t which) {
    auto& one = hosts_[which];
    const auto& current = one.node->current();
    if (current == nullptr || current == one.seen) {
        return;
    }
    one.seen = current;
    auto me = current->index_of(one.node->uid());
    if (me == shard_owner::nobody) {
        return;
    }
    for (std::uint32_t space = 0; space < current->spaces.size(); ++space) {
        for (const auto& move : current->spaces[space].moving) {
            if (current->spaces[space].shards[move.shard].owner == me &&
                one.draining.emplace(space, move.shard, move.drain_epoch).second) {
                give_back(which, space, move);
            }
        }
    }
}

void protocol_world::give_back(std::uint32_t which, std::uint32_t space, const shard_move& move) {
    auto& one = hosts_[which];
    auto wait = between(random_.draw(of_release, which, draws_++), 100us, 60ms);
    events_.at(now() + wait, [this, which, space, shard = move.shard, epoch = move.drain_epoch,
                              starts = one.starts, uid = one.node->uid()] {
        auto& again = hosts_[which];
        if (!again.node || again.starts != starts) {
            return;
        }
        call(which, [this, which, space, shard, epoch, uid](time_point at) {
            auto& owner = hosts_[which];
            if (owner.node->uid() != uid) {
                return;
            }
            owner.released.emplace(space, shard, epoch);
            owner.node->release(at, space, shard, epoch);
        });
    });
}

bool protocol_world::run_until(const std::function<bool()>& done, duration within) {
    auto limit = now() + within;
    auto look = now();
    auto moment = now();
    auto events_of_it = 0;
    while (true) {
        events_of_it = std::exchange(moment, now()) == now() ? events_of_it + 1 : 0;
        COHORT_ASSERT(events_of_it < 20'000, "time goes on: no node is always due");
        if (done && now() >= look) {
            look = now() + 20ms;
            if (done()) {
                break;
            }
        }
        if (!events_.run_next(limit)) {
            events_.skip_to(limit);
            break;
        }
    }
    auto up = std::count_if(hosts_.begin(), hosts_.end(),
                            [](const protocol_host& one) { return one.node.has_value(); });
    node_time_ += (now() - counted_until_) * up;
    counted_until_ = now();
    return !done || done();
}

}  // namespace cohort::sim
