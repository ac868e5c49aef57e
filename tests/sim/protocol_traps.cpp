// Faults that strike between two steps of the protocol: a cut that comes at any other time shows
// little of what the rules about proposals and electorates are for.

#include <algorithm>
#include <utility>

#include "protocol_run.hpp"

namespace cohort::sim {

using namespace std::chrono_literals;

void protocol_run::set_traps(const scheduled_operation& what) {
    using step = trap::step;
    auto asked = std::optional<std::uint32_t>{};
    switch (static_cast<protocol_operation>(what.kind)) {
        case protocol_operation::outbid:
            lie_in_wait(step::accept, what.key);
            lie_in_wait(step::decided, what.key);
            break;
        case protocol_operation::seat_alone:
        case protocol_operation::seat_bridged:
            lie_in_wait(static_cast<protocol_operation>(what.kind) == protocol_operation::seat_alone
                            ? step::seat_alone
                            : step::seat_bridged,
                        what.key);
            // Its seat goes to another one.
            asked = find_one([this](protocol_host& one) { return votes(one) && !drives(one); });
            if (asked) {
                ask_to_leave(*asked);
            }
            break;
        case protocol_operation::deaf_joiner:
            deaf_.insert(static_cast<std::uint32_t>(what.node % size()));
            die(static_cast<std::uint32_t>(what.node % size()), 100ms * (1 + what.key * 10));
            break;
        default:
            break;
    }
}

void protocol_run::lie_in_wait(trap::step at, std::uint64_t key) {
    traps_.push_back({at, now() + 10s, key});
}

const protocol_run::trap* protocol_run::waiting() {
    while (!traps_.empty() && traps_.front().until < now()) {
        traps_.pop_front();
    }
    return healed_ || traps_.empty() ? nullptr : &traps_.front();
}

std::size_t protocol_run::cut_for(duration length, links which) {
    for (auto [i, j] : which) {
        cut(i, j, 1);
    }
    cuts_.push_back({std::move(which)});
    auto number = cuts_.size() - 1;
    later(length, [this, number] { mend(number); });
    return number;
}

void protocol_run::mend(std::size_t number) {
    if (!healed_ && !std::exchange(cuts_[number].over, true)) {
        for (auto [i, j] : cuts_[number].which) {
            cut(i, j, -1);
        }
    }
}

protocol_run::links protocol_run::between_sides(const std::set<std::uint32_t>& one_side) const {
    auto out = links{};
    for (std::uint32_t i = 0; i < size(); ++i) {
        for (std::uint32_t j = 0; j < size(); ++j) {
            if (one_side.contains(i) != one_side.contains(j)) {
                out.emplace_back(i, j);
            }
        }
    }
    return out;
}

// A proposal reaches nobody, or one acceptor, and its proposer is cut off until somebody else has
// got another one decided.
void protocol_run::strike_at_accept(std::uint32_t which, const paxos_accept& what) {
    const auto* next = waiting();
    if (!trapped_ && next != nullptr && next->at == trap::step::accept) {
        trapped_ = what.ballot;
        spared_ = next->key % 3 == 2 ? 1 : 0;
        traps_.pop_front();
    }
    if (!trapped_ || *trapped_ != what.ballot || spared_-- != 0) {
        return;
    }
    saw("proposal_cut_short");
    trapped_.reset();
    outbid_ = cut_for(between(draw(31), 3s, 8s), between_sides({which}));
}

// A seat changes hands: who proposes that is left with the one that gets it; or who has held it
// reaches nobody else.
void protocol_run::strike_at_seat(std::uint32_t which, const paxos_accept& what) {
    const auto* next = waiting();
    if (next == nullptr || what.recovered || what.next->config == 1 ||
        what.next->voters == what.next->previous_voters) {
        return;
    }
    auto only_in = [](const std::vector<voter>& some, const std::vector<voter>& others) {
        auto found = std::find_if(some.begin(), some.end(), [&](const voter& one) {
            return std::none_of(others.begin(), others.end(),
                                [&](const voter& other) { return other.acceptor == one.acceptor; });
        });
        return found == some.end() ? nullptr : &*found;
    };
    const auto* taker = only_in(what.next->voters, what.next->previous_voters);
    const auto* loser = only_in(what.next->previous_voters, what.next->voters);
    auto to = taker == nullptr ? std::nullopt : at(taker->address);
    auto from = loser == nullptr ? std::nullopt : at(loser->address);
    if (!to) {
        return;
    }
    if (next->at == trap::step::seat_alone) {
        traps_.pop_front();
        saw("seat_alone");
        cut_for(between(draw(32), 3s, 9s), between_sides({which, *to}));
    } else if (next->at == trap::step::seat_bridged && from && *from != which) {
        traps_.pop_front();
        saw("seat_bridged");
        auto around = between_sides({*from});
        std::erase_if(around,
                      [&](const auto& one) { return one.first == *to || one.second == *to; });
        cut_for(between(draw(33), 5s, 9s), std::move(around));
    }
}

void protocol_run::sent(std::uint32_t which, const control_message& what) {
    protocol_checker::sent(which, what);
    const auto* accept = std::get_if<paxos_accept>(&what);
    if (accept != nullptr && !healed_) {
        strike_at_accept(which, *accept);
        strike_at_seat(which, *accept);
    }
}

// Whoever got something decided is cut off before it can say so, or dies; and whom it outbid comes
// back.
void protocol_run::decided(std::uint32_t which, const view_ptr&) {
    const auto* next = waiting();
    if (next == nullptr || next->at != trap::step::decided) {
        return;
    }
    auto dies = next->key % 2 == 1;
    traps_.pop_front();
    saw("decided_in_secret");
    cut_for(between(draw(34), 2s, 8s), between_sides({which}));
    if (dies) {
        events().at(now(), [this, which, starts = host(which).starts] {
            if (!healed_ && host(which).starts == starts) {
                die(which, 5s);
            }
        });
    }
    if (outbid_) {
        later(between(draw(35), 0ms, 500ms), [this, number = *outbid_] { mend(number); });
        outbid_.reset();
    }
}

void protocol_run::stepped(std::uint32_t which) {
    protocol_checker::stepped(which);
    if (!deaf_.empty() && host(which).node->phase() == register_phase::joining &&
        deaf_.erase(which) != 0 && !healed_) {
        saw("deaf_joiner");
        auto towards = between_sides({which});
        std::erase_if(towards, [&](const auto& one) { return one.first == which; });
        cut_for(between(draw(36), 4s, 9s), std::move(towards));
    }
}

}  // namespace cohort::sim
