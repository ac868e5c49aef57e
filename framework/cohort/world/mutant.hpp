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
