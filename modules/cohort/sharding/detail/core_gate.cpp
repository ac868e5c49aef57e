#include <cohort/sharding/detail/core_gate.hpp>

#include <cohort/actor/lifecycle.hpp>
#include <cohort/sharding/detail/desk.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort::detail {
namespace {

constexpr duration look_interval = std::chrono::milliseconds{5};

}  // namespace

core_gate::core_gate(sharding_state& whole, core& here)
    : whole_{whole}, here_{here}, lease_{whole.owners.own_lease()},
      timer_{*this,
             [](wheel_timer& fired) noexcept { timer_of<core_gate>::owner_of(fired).look(); }} {}

bool core_gate::open(core& here) noexcept {
    if (COHORT_MUTANT(gate_unread) || COHORT_MUTANT(gate_at_admission)) {
        return true;
    }
    if (COHORT_MUTANT(gate_by_turn)) {
        return !frozen_ && lease_.holds(here.turn_time());
    }
    return !frozen_ && COHORT_LIKELY(lease_.holds(here.fresh_time()));
}

void core_gate::held_back(core& here, fiber& line) noexcept {
    line.flags |= fiber::parked;
    auto actor = owner_of(line).address();
    park(here, actor);
    parked_.push_back(actor);
    freeze();
}

void core_gate::freeze() noexcept {
    if (frozen_ || COHORT_MUTANT(gate_unread)) {
        return;
    }
    frozen_ = true;
    suspensions_.add();
    since_ = here_.now();
    if (!timer_.armed() && !closed_) {
        here_.timers().arm(timer_, since_ + look_interval);
    }
}

void core_gate::look() noexcept {
    if (!frozen_ || closed_) {
        return;
    }
    auto now = here_.now();
    // A newer incarnation's lease says nothing about what the older one left.
    if (lease_.holds(now) && whole_.owners.self() == self_) {
        thaw();
        return;
    }
    if (!impatient_ && now - since_ >= whole_.options.suspended_wait) {
        impatient_ = true;
        for (auto& space : whole_.spaces) {
            space->desks[here_.id()]->refuse_waiting();
        }
    }
    if (!timer_.armed()) {
        here_.timers().arm(timer_, now + look_interval);
    }
}

void core_gate::thaw() noexcept {
    frozen_ = impatient_ = false;
    here_.timers().cancel(timer_);
    for (auto actor : std::exchange(parked_, {})) {
        unpark(here_, actor);
    }
    for (auto& space : whole_.spaces) {
        space->desks[here_.id()]->thawed();
    }
}

void core_gate::close() noexcept {
    closed_ = true;
    here_.timers().cancel(timer_);
}

}  // namespace cohort::detail
