#include <cohort/actor/lifecycle.hpp>

namespace cohort {

namespace {

// An actor that is ending is not parked, but if it begins again, it does so parked.
bool park_when_renewed(cell& actor, bool parked) noexcept {
    if ((actor.main.flags & fiber::stopping) == 0) {
        return false;
    }
    if (actor.cold != nullptr) {
        actor.cold->parked = parked;
    }
    return true;
}

}  // namespace

void park(core& here, handle target) noexcept {
    auto* actor = here.find(target);
    if (actor != nullptr && !park_when_renewed(*actor, true)) {
        each_line(*actor, [&](fiber& line) {
            COHORT_ASSERT(line.state != run_state::running,
                          "R-12: an actor is parked from outside");
            if (line.state == run_state::ready && (line.flags & fiber::parked) == 0) {
                here.unqueue(line);
            }
            line.flags |= fiber::parked;
        });
    }
}

void unpark(core& here, handle target) noexcept {
    auto* actor = here.find(target);
    if (actor != nullptr && !park_when_renewed(*actor, false)) {
        each_line(*actor, [&](fiber& line) {
            if ((line.flags & fiber::parked) != 0) {
                line.flags &= static_cast<std::uint8_t>(~fiber::parked);
                if (line.state == run_state::ready) {
                    here.enqueue(line);
                }
            }
        });
    }
}

}  // namespace cohort
