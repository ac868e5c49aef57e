#include <algorithm>

#include <cohort/actor/behavior.hpp>
#include <cohort/actor/lifecycle.hpp>
#include <cohort/sharding/detail/desk.hpp>
#include <cohort/world/mutant.hpp>

// The entities of a desk: started by their first message, stopped when they were idle for long or
// when there are too many.

namespace cohort::detail {
namespace {

constexpr int second_chances_max = 8;
constexpr int swept_at_once = 512;
constexpr std::uint32_t ticks_of_idleness = 4;

}  // namespace

void desk::deliver(std::uint32_t shard, std::string_view key, message* node) {
    if (auto* place = seats_.find(key)) {
        place->used = true;
        place->used_at = tick_;
        place->at_rest = false;
        auto* target = here_.find(place->entity);
        COHORT_ASSERT(target != nullptr, "S-1: a seat knows its entity");
        if (COHORT_LIKELY((target->main.flags & fiber::stopping) == 0)) {
            here_.deliver(place->entity, node);
        } else if (place->waiting.count < space_.options.mailbox_limit) {
            place->waiting.append(node);
        } else {
            here_.dead_letter(node, errc::overloaded);
        }
        return;
    }
    make_room();
    if (closing() || seats_.size() >= entities_max_ + entities_max_ / 4 + 16) {
        here_.dead_letter(node, closing() ? errc::unavailable : errc::overloaded);
        return;
    }
    auto& line = lines_[shard];
    COHORT_ASSERT(line.phase == shard_phase::serving,
                  "I1: entities start where their shard is served");
    auto& place = seats_.add(key);
    place.at = this;
    place.shard = shard;
    place.own_epoch = line.own_epoch;
    place.used_at = tick_;
    place.swept_at = tick_;
    place.next_of_shard = line.first;
    if (line.first != nullptr) {
        line.first->previous_of_shard = &place;
    }
    line.first = &place;
    ++line.seats;
    place.waiting.append(node);
    counters_.started.add();
    start(place);
}

// Starts the entity of a seat, which begins with what waits there.
void desk::start(seat& place) noexcept {
    auto& slot = prepare_cell(here_);
    place.entity = slot.address();
    root_promise* root = nullptr;
    try {
        root = &space_.start(slot, place);
    } catch (...) {
        here_.release_cell(slot);
        here_.owner().report({"entity not started", place.key, "it failed before its first await"});
        place.entity = {};
        drop_mail(place.waiting, errc::terminated);
        remove(place);
        return;
    }
    launch_cell(here_, slot, *root, host_);
    slot.main.flags |= fiber::gated;
    slot.main.limit = std::max<std::uint16_t>(1, space_.options.mailbox_limit);
    auto mail = std::exchange(place.waiting, {});
    while (!mail.empty()) {
        here_.deliver(place.entity, mail.take());
    }
}

void desk::remove(seat& place) noexcept {
    auto& line = lines_[place.shard];
    auto shard = place.shard;
    (place.previous_of_shard != nullptr ? place.previous_of_shard->next_of_shard : line.first) =
        place.next_of_shard;
    if (place.next_of_shard != nullptr) {
        place.next_of_shard->previous_of_shard = place.previous_of_shard;
    }
    --line.seats;
    content_bytes_ -= place.content_bytes;
    counters_.bytes_out.add(place.content_bytes);
    counters_.ended.add();
    seats_.remove(place);
    if (line.seats == 0 && line.phase != shard_phase::serving && line.waiting) {
        pump(shard);  // what waits may have waited for this
    }
}

// Called while the coroutine's frame is destroyed: its cell lives on for a moment, empty.
void desk::ended(seat& place, cell& was) noexcept {
    COHORT_ASSERT(place.entity == was.address(), "S-1: a seat knows its entity");
    auto mail = detail::mail{was.head, was.tail, was.count};
    was.head = was.tail = nullptr;
    was.count = 0;
    while (!place.waiting.empty()) {
        mail.append(place.waiting.take());
    }
    while (!mail.empty()) {
        auto* node = mail.take();
        if (node->type->system) {
            destroy_message(*node);
        } else {
            place.waiting.append(node);
        }
    }
    place.entity = {};
    place.published.reset();
    place.at_rest = false;
    if (closing()) {
        drop_mail(place.waiting, errc::terminated);
    }
    if (place.waiting.empty()) {
        remove(place);
        return;
    }
    auto& line = lines_[place.shard];
    auto goes_on = line.phase == shard_phase::serving ||
                   (line.phase == shard_phase::draining && here_.turn_time() < line.drain_until);
    if (goes_on && of_today(line)) {
        holds(place, 0);
        start(place);
    } else {
        take_back(place);
        remove(place);
    }
}

// What no entity took goes to the shard's next owner: it stands before everything that waits. Of
// messages without an answer nobody knows whether they came from another node, whose later ones
// they would follow; they are lost.
void desk::take_back(seat& place) noexcept {
    auto& rest = waiting(place.shard);
    auto& line = lines_[place.shard];
    auto taken = std::vector<flight_ptr>{};
    while (!place.waiting.empty()) {
        auto* node = place.waiting.take();
        auto asked = node->type->request;
        auto elsewhere =
            asked && static_cast<request_message*>(node)->header.reply.core() == core_elsewhere;
        if (!asked) {
            counters_.tells_lost.add();
            destroy_message(*node);
        } else if (elsewhere && !of_today(line)) {
            here_.dead_letter(node, errc::moving);  // its sender keeps it, and keeps the order
        } else if (auto it = space_.wrap(*this, place.shard, place.key, node)) {
            it->guest = elsewhere;
            taken.push_back(std::move(it));
        }
    }
    for (auto each = taken.rbegin(); each != taken.rend(); ++each) {
        (*each)->expires = (*each)->header().deadline.at;
        (*each)->sequence = --rest.oldest;
        requeue(rest, std::move(*each), errc::moving);
    }
    open_[place.shard] = 0;
}

void desk::drop_mail(mail& rest, errc why) noexcept {
    while (!rest.empty()) {
        here_.dead_letter(rest.take(), why);
    }
}

void desk::holds(seat& place, std::size_t bytes) noexcept {
    counters_.bytes_in.add(bytes);
    counters_.bytes_out.add(place.content_bytes);
    content_bytes_ += bytes - place.content_bytes;
    place.content_bytes = bytes;
    for (int tries = 0; tries < second_chances_max && content_bytes_ > content_bytes_max_;
         ++tries) {
        if (!evict_one()) {
            break;
        }
    }
    if (content_bytes_ > content_bytes_max_) {  // what holds it is busy, perhaps this very entity
        here_.timers().cancel(sweep_timer_);
        here_.timers().arm(sweep_timer_, here_.turn_time() + wheel::tick_length);
    }
}

void desk::stop(seat& place) noexcept { here_.keeper().stop(here_, place.entity); }

void desk::make_room() noexcept {
    for (int tries = 0; tries < second_chances_max && seats_.size() >= entities_max_; ++tries) {
        if (!evict_one()) {
            return;
        }
    }
}

// Stops the entity that was used least lately, of those that have nothing to do.
bool desk::evict_one() noexcept {
    for (auto chances = second_chances_max; chances > 0 && seats_.oldest() != nullptr; --chances) {
        auto& place = *seats_.oldest();
        seats_.pass_over(place);
        if (!std::exchange(place.used, false) && rests(*here_.find(place.entity))) {
            counters_.evicted.add();
            content_bytes_ -= place.content_bytes;
            counters_.bytes_out.add(std::exchange(place.content_bytes, 0));
            stop(place);
            return true;
        }
    }
    return false;
}

// Looks at every seat once a tick, a part of them at a time. All are passed over in turn, so their
// order stays as it was.
void desk::sweep() noexcept {
    auto now = here_.turn_time();
    while (content_bytes_ > content_bytes_max_ && evict_one()) {
    }
    auto tick = std::max<duration>(space_.options.idle / ticks_of_idleness, wheel::tick_length);
    if (now >= next_tick_) {
        ++tick_;
        next_tick_ = now + tick;
    }
    auto left = swept_at_once;
    for (; left > 0; --left) {
        auto* place = seats_.oldest();
        if (place == nullptr || place->swept_at == tick_) {
            break;
        }
        place->swept_at = tick_;
        seats_.pass_over(*place);
        if (tick_ - place->used_at > ticks_of_idleness && rests(*here_.find(place->entity))) {
            counters_.passivated.add();
            stop(*place);
        }
    }
    auto soon = left == 0 || content_bytes_ > content_bytes_max_;
    here_.timers().arm(sweep_timer_, soon ? now + wheel::tick_length : next_tick_);
}

const seat* desk::at_rest(std::uint32_t shard, std::string_view key) noexcept {
    auto unguarded = COHORT_MUTANT(shown_unguarded);
    if (!open(shard) && !unguarded) {
        return nullptr;
    }
    auto* place = seats_.find(key);
    if (place == nullptr || !place->at_rest || (!unguarded && !gate_.open(here_))) {
        return nullptr;
    }
    place->used = true;
    place->used_at = tick_;
    return place;
}

}  // namespace cohort::detail
