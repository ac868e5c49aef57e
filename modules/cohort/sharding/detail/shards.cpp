#include <algorithm>

#include <cohort/actor/lifecycle.hpp>
#include <cohort/sharding/detail/desk.hpp>
#include <cohort/world/mutant.hpp>

// What a desk does when views change: which shards it serves, how it takes and gives them.

namespace cohort::detail {
namespace {

constexpr duration activation_pause = std::chrono::milliseconds{100};

}  // namespace

void desk::view_changed(const view_ptr& now) noexcept {
    if (!now || (now->cluster_id == cluster_ && now->epoch <= epoch_)) {
        return;
    }
    const auto* mine = now->find_space(space_.name);
    if (now->cluster_id != cluster_) {
        // Another cluster counts from the beginning.
        cluster_ = now->cluster_id;
        for (auto& line : lines_) {
            line.own_epoch = ours(line) ? line.own_epoch : 0;
        }
    }
    view_ = now;
    epoch_ = now->epoch;
    self_ = whole_.owners.self();
    if (mine == nullptr) {
        return;
    }
    COHORT_ASSERT(mine->shards.size() == lines_.size(), "every node has the same number of shards");
    for (auto& [uid, each] : peers_) {
        if (const auto* who = now->find(uid)) {
            if (!(who->address == each.address)) {
                each.address = who->address;
                each.hosts.clear();
            }
        }
    }
    auto moves = std::vector<const shard_move*>(lines_.size(), nullptr);
    for (const auto& each : mine->moving) {
        if (each.shard < moves.size()) {
            moves[each.shard] = &each;
        }
    }
    for (auto shard : homes_) {
        update(shard, *now, mine->shards[shard], moves[shard]);
        pump(shard);
    }
    for (auto each = peers_.begin(); each != peers_.end();) {
        if (now->find(each->first) == nullptr) {
            here_.timers().cancel(each->second.pause);
            each = peers_.erase(each);
        } else {
            ++each;
        }
    }
}

void desk::update(std::uint32_t shard, const view& now, const shard_owner& owner,
                  const shard_move* move) noexcept {
    auto& line = lines_[shard];
    COHORT_ASSERT(owner.own_epoch >= line.own_epoch, "I3: a shard's epochs only grow");
    auto me = now.index_of(self_);
    auto uid = owner.owner < now.members.size() ? now.members[owner.owner].uid : node_uid{};
    auto changed = line.owner != uid || line.own_epoch != owner.own_epoch;
    auto resumes = line.moving && move == nullptr;
    line.owner = uid;
    line.moving = move != nullptr;
    auto taken = COHORT_MUTANT(taken_before_release) && move != nullptr && move->to == me;
    if (me != shard_owner::nobody && taken) {
        now_ours(shard, owner, nullptr);
    } else if (me != shard_owner::nobody && owner.owner == me) {
        now_ours(shard, owner, move);
    } else {
        COHORT_ASSERT(line.phase == shard_phase::elsewhere || line.phase == shard_phase::released ||
                          me == shard_owner::nobody,
                      "R9: a shard leaves its owner by release or by fence");
        if (ours(line)) {
            lose(shard);
        }
        line.own_epoch = owner.own_epoch;
        now_elsewhere(shard);
    }
    if (line.waiting) {
        // Nobody answers any more for what was sent to a node that is gone.
        auto& flying = line.waiting->flying;
        while (!flying.empty() && now.find(flying.front()->to) == nullptr) {
            if (!COHORT_MUTANT(not_recalled)) {
                flying.front()->abandon();
            }
            failed(*flying.front(), error{errc::terminated}.with(executed::maybe));
        }
    }
    if ((changed || resumes) && line.waiting) {
        line.waiting->attempts = 0;
        line.waiting->probing = false;
        here_.timers().cancel(line.waiting->pause);
    }
}

void desk::now_ours(std::uint32_t shard, const shard_owner& owner,
                    const shard_move* move) noexcept {
    auto& line = lines_[shard];
    if (ours(line) && line.own_epoch != owner.own_epoch) {
        // It was given away and came back between two views.
        COHORT_ASSERT(line.phase == shard_phase::released,
                      "R9: a shard leaves its owner by release or by fence");
        enter(shard, shard_phase::elsewhere);
    }
    line.own_epoch = owner.own_epoch;
    if (!ours(line)) {
        enter(shard, shard_phase::asleep);
        refuse_late_guests(shard);
        settle_in(shard);
    }
    if (move == nullptr) {
        if (line.phase == shard_phase::draining && of_today(line)) {
            enter(shard, shard_phase::serving);  // it stays after all, with what is left of it
        } else if (line.phase == shard_phase::draining || line.phase == shard_phase::released) {
            enter(shard, shard_phase::asleep);
            settle_in(shard);
        }
        std::erase(draining_, shard);
        return;
    }
    if (line.phase == shard_phase::released) {
        if (line.drain_epoch != move->drain_epoch) {
            line.drain_epoch = move->drain_epoch;
            whole_.owners.release(space_.name, shard, move->drain_epoch);
        }
    } else if (line.phase == shard_phase::draining) {
        line.drain_epoch = move->drain_epoch;
    } else {
        begin_drain(shard, move->drain_epoch);
    }
}

// What was sent to an earlier owner, which may have been this node under another name, comes too
// late: its sender may have sent more to others since.
void desk::refuse_late_guests(std::uint32_t shard) noexcept {
    auto& line = lines_[shard];
    auto* each = line.waiting ? line.waiting->guests.front() : nullptr;
    for (; each != nullptr; each = each->next) {
        if (each->epoch < line.own_epoch) {
            refuse_guests(shard, errc::stale_epoch);
            return;
        }
    }
}

void desk::now_elsewhere(std::uint32_t shard) noexcept {
    if (lines_[shard].waiting) {
        refuse_guests(shard, errc::stale_epoch);
    }
}

void desk::enter(std::uint32_t shard, shard_phase phase) noexcept {
    auto& line = lines_[shard];
    auto before = ours(line);
    line.phase = phase;
    open_[shard] = 0;
    COHORT_ASSERT(phase != shard_phase::serving || line.first == nullptr || of_today(line),
                  "I1: what an earlier owner started is gone before its shard is served again");
    if (before != ours(line)) {
        (before ? counters_.disowned : counters_.owned).add();
    }
}

// Without a store to tell, a shard is served from the start; else from its first message on.
void desk::settle_in(std::uint32_t shard) noexcept {
    auto& line = lines_[shard];
    if (!space_.options.activate && line.seats == 0) {
        enter(shard, shard_phase::serving);
    }
}

void desk::lose(std::uint32_t shard) noexcept {
    auto& line = lines_[shard];
    enter(shard, shard_phase::elsewhere);
    std::erase(draining_, shard);
    refuse_guests(shard, errc::moving);
    for (auto* each = line.first; each != nullptr; each = each->next_of_shard) {
        stop(*each);
    }
}

void desk::fenced() noexcept {
    for (auto shard : homes_) {
        if (ours(lines_[shard])) {
            lines_[shard].owner = {};
            lose(shard);
        }
    }
}

void desk::thawed() noexcept {
    for (auto shard : homes_) {
        if (lines_[shard].waiting) {
            pump(shard);
        }
    }
}

// -- taking a shard ------------------------------------------------------------------------------

void desk::activate(std::uint32_t shard) noexcept {
    auto& line = lines_[shard];
    auto& rest = *line.waiting;
    if ((rest.queue.empty() && rest.guests.empty()) || rest.pause.armed() || line.seats != 0) {
        return;
    }
    if (!space_.options.activate) {
        enter(shard, shard_phase::serving);
        deliver_waiting(line);
        return;
    }
    enter(shard, shard_phase::activating);
    counters_.activations.add();
    start_task(*host_, run_activation(this, shard, line.own_epoch));
}

task<void> desk::run_activation(desk* at, std::uint32_t shard, std::uint64_t own_epoch) {
    auto done = co_await at->space_.options.activate(shard, own_epoch);
    at->activated(shard, own_epoch, done);
}

void desk::activated(std::uint32_t shard, std::uint64_t own_epoch,
                     const result<void>& done) noexcept {
    auto& line = lines_[shard];
    if (line.phase != shard_phase::activating || line.own_epoch != own_epoch) {
        return;
    }
    if (done) {
        enter(shard, shard_phase::serving);
        pump(shard);
        return;
    }
    here_.owner().report(
        {"shard not activated", space_.name + "/" + std::to_string(shard), done.error().message()});
    if (done.error() == errc::stale_epoch) {
        whole_.owners.look_for(epoch_ + 1);
    }
    enter(shard, shard_phase::asleep);
    if (!line.waiting->pause.armed()) {
        here_.timers().arm(line.waiting->pause, here_.turn_time() + activation_pause);
    }
}

// -- giving a shard ------------------------------------------------------------------------------

void desk::begin_drain(std::uint32_t shard, std::uint64_t drain_epoch) noexcept {
    auto& line = lines_[shard];
    enter(shard, shard_phase::draining);
    line.drain_epoch = drain_epoch;
    line.drain_until = here_.turn_time() + whole_.options.drain_time;
    refuse_guests(shard, errc::moving);
    draining_.push_back(shard);
    if (!drain_timer_.armed()) {
        here_.timers().arm(drain_timer_, here_.turn_time());
    }
}

// Entities end as soon as they have nothing left to do. What one does cannot be awaited from here
// without a cost for every message of every entity, so they are looked at once a tick.
void desk::drain() noexcept {
    auto now = here_.turn_time();
    auto done = std::vector<std::uint32_t>{};
    std::erase_if(draining_, [&](std::uint32_t shard) {
        auto& line = lines_[shard];
        for (auto* each = line.first; each != nullptr; each = each->next_of_shard) {
            if (now >= line.drain_until || rests(*here_.find(each->entity))) {
                stop(*each);
            }
        }
        if (line.seats != 0 && !COHORT_MUTANT(released_early)) {
            return false;
        }
        enter(shard, shard_phase::released);
        counters_.moves.add();
        done.push_back(shard);
        return true;
    });
    for (auto shard : done) {
        whole_.owners.release(space_.name, shard, lines_[shard].drain_epoch);
    }
    if (!draining_.empty()) {
        here_.timers().arm(drain_timer_, now + wheel::tick_length);
    }
}

}  // namespace cohort::detail
