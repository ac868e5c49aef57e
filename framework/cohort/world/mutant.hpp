#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace cohort {

/// Faults that tests plant in the code itself, one at a time, to show that the simulation finds
/// them. They exist in builds with COHORT_MUTANTS only; everywhere else the question costs nothing.
enum class mutant : std::uint8_t {
    none,
    reply_token_reused,      ///< the token of an ask that ended is given out again as it was
    watch_lost,              ///< a new connection does not repeat what is watched
    credit_leaked,           ///< the credit of a large message is not given back
    frame_length_unchecked,  ///< a frame may be as long as it says
    order_broken,            ///< a new connection does not wait for what older ones brought
    timer_fires_cancelled,   ///< a cancelled timer stays where it is
    deadline_as_instant,     ///< the wire carries an instant of the sender's clock
    parked_actor_lost,       ///< stopping an actor that is parked leaves it parked
    sent_again,              ///< what a lost connection had written goes out once more
    terminated_twice,        ///< an end is told again after it has arrived
    old_incarnation_kept,    ///< a node that was started again is taken for the one before
    queue_unbounded,         ///< the queue for a peer has no limit
    // Of the cluster's register, by the rules of docs/protocol.md.
    ballots_ignored,            ///< R1: who promised nothing to lower ballots takes them
    commit_by_new_voters_only,  ///< R2: the voters before are not asked
    granted_behind_a_fence,     ///< R3: leases are granted by what is decided, not by what was
                                ///< accepted
    lease_from_receipt,         ///< R4: a lease is counted from when its grant came
    configs_mixed,              ///< R4: grants of another electorate count, whoever gave them
    rho_ignored,                ///< R4, R5: clocks are taken to run alike
    guard_off,                  ///< R6: a fence is accepted while a lease holds
    silence_after_start_off,    ///< R7a: a new acceptor fences at once
    silence_after_voters_off,   ///< R7b: new voters fence at once
    silence_from_accept,        ///< R7b: the silence begins when the voters are accepted
    taken_without_release,      ///< R9: a shard goes on before its owner released it
    most_held_value,            ///< R10: what most hold is taken for what may have been chosen
    doom_off,                   ///< R11: who is to be fenced is granted more
    unknown_is_expired,         ///< R12: who has not asked yet is taken for gone
    amnesia,                    ///< R13: an acceptor forgets and keeps its id
    seat_unasked,               ///< R14: a seat is given to who was not asked
    own_epoch_kept,             ///< I3: the epoch of ownership stays when the owner changes
    older_cluster_stays,        ///< I15: of two clusters that hear of each other both go on
    removed_returns,            ///< R8: a member that was removed is admitted again
    // Of what a node does with its shards, its store and its lease.
    gate_unread,           ///< I8: the gate lets everything through
    gate_by_turn,          ///< B9: the lease is read before what is to be done arrives
    gate_at_admission,     ///< I8: the lease is read when a message comes, not when its entity runs
    shown_unguarded,       ///< I8: what an entity shows is shown without a look at the lease
    fence_not_raised,      ///< B9: who takes a shard over does not tell the store
    fence_unchecked,       ///< I9: the store takes the writes of older owners
    released_early,        ///< R9: a shard is given back while its entities are at work
    taken_before_release,  ///< R9: who is to get a shard does not wait for its owner
    arrival_epoch_unread,  ///< I10: what was sent to an earlier owner is taken
    round_unread,          ///< I10: what comes behind a message that was turned away is taken
    maybe_sent_again,      ///< I11: what was perhaps executed is sent again
    not_recalled,          ///< an answer reaches a message that is to be sent again
};

inline constexpr auto mutants = std::array{
    std::pair{mutant::reply_token_reused, std::string_view{"reply_token_reused"}},
    std::pair{mutant::watch_lost, std::string_view{"watch_lost"}},
    std::pair{mutant::credit_leaked, std::string_view{"credit_leaked"}},
    std::pair{mutant::frame_length_unchecked, std::string_view{"frame_length_unchecked"}},
    std::pair{mutant::order_broken, std::string_view{"order_broken"}},
    std::pair{mutant::timer_fires_cancelled, std::string_view{"timer_fires_cancelled"}},
    std::pair{mutant::deadline_as_instant, std::string_view{"deadline_as_instant"}},
    std::pair{mutant::parked_actor_lost, std::string_view{"parked_actor_lost"}},
    std::pair{mutant::sent_again, std::string_view{"sent_again"}},
    std::pair{mutant::terminated_twice, std::string_view{"terminated_twice"}},
    std::pair{mutant::old_incarnation_kept, std::string_view{"old_incarnation_kept"}},
    std::pair{mutant::queue_unbounded, std::string_view{"queue_unbounded"}},
    std::pair{mutant::ballots_ignored, std::string_view{"ballots_ignored"}},
    std::pair{mutant::commit_by_new_voters_only, std::string_view{"commit_by_new_voters_only"}},
    std::pair{mutant::granted_behind_a_fence, std::string_view{"granted_behind_a_fence"}},
    std::pair{mutant::lease_from_receipt, std::string_view{"lease_from_receipt"}},
    std::pair{mutant::configs_mixed, std::string_view{"configs_mixed"}},
    std::pair{mutant::rho_ignored, std::string_view{"rho_ignored"}},
    std::pair{mutant::guard_off, std::string_view{"guard_off"}},
    std::pair{mutant::silence_after_start_off, std::string_view{"silence_after_start_off"}},
    std::pair{mutant::silence_after_voters_off, std::string_view{"silence_after_voters_off"}},
    std::pair{mutant::silence_from_accept, std::string_view{"silence_from_accept"}},
    std::pair{mutant::taken_without_release, std::string_view{"taken_without_release"}},
    std::pair{mutant::most_held_value, std::string_view{"most_held_value"}},
    std::pair{mutant::doom_off, std::string_view{"doom_off"}},
    std::pair{mutant::unknown_is_expired, std::string_view{"unknown_is_expired"}},
    std::pair{mutant::amnesia, std::string_view{"amnesia"}},
    std::pair{mutant::seat_unasked, std::string_view{"seat_unasked"}},
    std::pair{mutant::own_epoch_kept, std::string_view{"own_epoch_kept"}},
    std::pair{mutant::older_cluster_stays, std::string_view{"older_cluster_stays"}},
    std::pair{mutant::removed_returns, std::string_view{"removed_returns"}},
    std::pair{mutant::gate_unread, std::string_view{"gate_unread"}},
    std::pair{mutant::gate_by_turn, std::string_view{"gate_by_turn"}},
    std::pair{mutant::gate_at_admission, std::string_view{"gate_at_admission"}},
    std::pair{mutant::shown_unguarded, std::string_view{"shown_unguarded"}},
    std::pair{mutant::fence_not_raised, std::string_view{"fence_not_raised"}},
    std::pair{mutant::fence_unchecked, std::string_view{"fence_unchecked"}},
    std::pair{mutant::released_early, std::string_view{"released_early"}},
    std::pair{mutant::taken_before_release, std::string_view{"taken_before_release"}},
    std::pair{mutant::arrival_epoch_unread, std::string_view{"arrival_epoch_unread"}},
    std::pair{mutant::round_unread, std::string_view{"round_unread"}},
    std::pair{mutant::maybe_sent_again, std::string_view{"maybe_sent_again"}},
    std::pair{mutant::not_recalled, std::string_view{"not_recalled"}},
};

/// The fault of that name.
[[nodiscard]] constexpr std::optional<mutant> mutant_of(std::string_view name) noexcept {
    for (const auto& [which, its_name] : mutants) {
        if (its_name == name) {
            return which;
        }
    }
    return std::nullopt;
}

#if defined(COHORT_MUTANTS)
/// Set before anything runs.
inline constinit mutant planted = mutant::none;
#define COHORT_MUTANT(which) (::cohort::planted == ::cohort::mutant::which)
#else
#define COHORT_MUTANT(which) false
#endif

}  // namespace cohort
