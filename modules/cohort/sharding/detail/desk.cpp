#include <cohort/sharding/detail/desk.hpp>

#include <algorithm>

#include <cohort/actor/lifecycle.hpp>
#include <cohort/remoting/remoting.hpp>
#include <cohort/sharding/detail/lobby.hpp>
#include <cohort/sharding/shard_map.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort::detail {
namespace {

// What waits is refused a little before its asker gives up, so that the asker hears that it was not
// executed: two ticks of the wheel and the way between two cores.
constexpr duration expiry_margin = std::chrono::milliseconds{4};
// After a refusal one message goes ahead. Its refusal would be back after this time.
constexpr duration probe_time = std::chrono::milliseconds{10};
constexpr duration look_time = std::chrono::seconds{2};

/// Whether a message that was certainly not executed is sent again. What a full queue refused is
/// not: its sender is to hear so.
bool worth_retrying(errc code) noexcept {
    switch (code) {
        case errc::moving:
        case errc::suspended:
        case errc::stale_epoch:
        case errc::unavailable:
        case errc::terminated:
            return true;
        default:
            return false;
    }
}

error no_majority() { return {errc::suspended, "this node hears from no majority"}; }

bool was_lost(errc code) noexcept {
    return code == errc::network || code == errc::terminated || code == errc::unavailable;
}

}  // namespace

desk::peer::peer(desk& where, node_uid who) noexcept
    : at{where}, uid{who}, pause{*this, [](wheel_timer& fired) noexcept {
                                     auto& self = timer_of<peer>::owner_of(fired);
                                     self.at.pump_all(self.uid);
                                 }} {}

desk::desk(sharding_state& whole, space_base& space, core& here, std::uint32_t cores)
    : whole_{whole}, space_{space}, here_{here}, gate_{*whole.gates[here.id()]},
      stream_{here.world().random() | 1}, lines_(space.options.shards), open_(space.options.shards),
      retries_left_{static_cast<double>(whole.options.retries_max)}, seats_{here.world().random()},
      entities_max_{std::max<std::size_t>(1, space.options.entities_max / cores)},
      content_bytes_max_{space.options.content_bytes_max / cores},
      sweep_timer_{*this,
                   [](wheel_timer& fired) noexcept { timer_of<desk>::owner_of(fired).sweep(); }},
      drain_timer_{*this,
                   [](wheel_timer& fired) noexcept { timer_of<desk>::owner_of(fired).drain(); }} {
    for (std::uint32_t shard = 0; shard < lines_.size(); ++shard) {
        if (home_core(shard, cores) == here.id()) {
            homes_.push_back(shard);
        }
    }
    // Growing means hashing every key again, which would hold the core up; room costs little.
    seats_.reserve(entities_max_);
}

desk::~desk() = default;

backlog& desk::waiting(std::uint32_t shard) {
    auto& line = lines_[shard];
    if (!line.waiting) {
        line.waiting = std::make_unique<backlog>(*this, shard);
    }
    return *line.waiting;
}

bool desk::closing() const noexcept {
    return host_ == nullptr || (host_->main.flags & fiber::stopping) != 0;
}

// -- waiting -------------------------------------------------------------------------------------

// Takes a message into a row when the bounds allow it.
bool desk::enqueue(flights& row, flight_ptr& it) {
    auto& rest = *lines_[it->shard].waiting;
    auto& options = whole_.options;
    auto bytes = it->weigh();
    auto messages = rest.queue.size() + rest.guests.size();
    if (messages >= options.shard_messages_max || rest.bytes + bytes > options.shard_bytes_max ||
        whole_.waiting_bytes.load(std::memory_order_relaxed) + static_cast<std::int64_t>(bytes) >
            static_cast<std::int64_t>(options.node_bytes_max)) {
        return false;
    }
    it->bytes = bytes;
    rest.bytes += bytes;
    whole_.waiting_bytes += static_cast<std::int64_t>(bytes);
    arm(*it, it->expires - expiry_margin);
    row.push_back(std::move(it));
    return true;
}

flight_ptr desk::dequeue(flights& row, flight& it) noexcept {
    auto& rest = *lines_[it.shard].waiting;
    COHORT_ASSERT(rest.bytes >= it.bytes, "I14: what waits is counted");
    rest.bytes -= it.bytes;
    whole_.waiting_bytes -= static_cast<std::int64_t>(std::exchange(it.bytes, 0));
    return row.take(it);
}

void desk::arm(flight& it, time_point at) noexcept {
    if (it.timer.armed()) {
        here_.timers().cancel(it.timer);
    }
    here_.timers().arm(it.timer, at);
}

void desk::give_up(flight_ptr it, const error& why) noexcept {
    counters_.refused.add();
    it->refuse(why);
}

// A message that came back goes where it stood. It was counted when it waited first, so only what
// was on its way can make a row longer than its bound.
void desk::requeue(backlog& rest, flight_ptr it, error why) noexcept {
    it->last = std::move(why);
    it->to = {};
    it->bytes = it->weigh();
    rest.bytes += it->bytes;
    whole_.waiting_bytes += static_cast<std::int64_t>(it->bytes);
    arm(*it, it->expires - expiry_margin);
    auto& row = it->guest ? rest.guests : rest.queue;
    row.insert(std::move(it));
}

void desk::send(flight_ptr it) {
    auto shard = it->shard;
    auto& line = lines_[shard];
    auto& rest = waiting(shard);
    auto until = it->header().deadline.at;
    it->expires = until == time_point::max() ? here_.turn_time() + whole_.options.tell_wait : until;
    it->sequence = ++rest.newest;
    retries_left_ = std::min<double>(whole_.options.retries_max, retries_left_ + 0.1);
    if (closing()) {
        give_up(std::move(it), error{errc::unavailable}.with(executed::no));
        return;
    }
    if (gate_.impatient()) {
        give_up(std::move(it), no_majority());
        return;
    }
    if (rest.queue.empty() && !ours(line) && line.owner != node_uid{}) {
        auto& to = peer_of(line.owner);
        if (may_launch(line, rest, it->sequence, to)) {
            launch(line, to, std::move(it));
            return;
        }
    }
    open_[shard] = 0;
    if (!enqueue(rest.queue, it)) {
        give_up(std::move(it), errc::overloaded);
        return;
    }
    pump(shard);
}

void desk::hold(flight_ptr guest) {
    auto shard = guest->shard;
    auto& rest = waiting(shard);
    auto until = guest->header().deadline.at;
    auto known = ours(lines_[shard]);
    auto latest = here_.turn_time() + (known ? whole_.options.tell_wait : whole_.options.view_wait);
    guest->expires = std::min(until, latest);
    guest->sequence = ++rest.newest;
    guest->last = known ? errc::moving : errc::stale_epoch;
    if (closing() || !enqueue(rest.guests, guest)) {
        give_up(std::move(guest), errc::overloaded);
        return;
    }
    pump(shard);
}

void desk::expired(flight& it) noexcept {
    auto shard = it.shard;
    auto& rest = *lines_[shard].waiting;
    if (it.to != node_uid{}) {
        // Its asker has its own timer, and knows as little as this node does.
        static_cast<void>(rest.flying.take(it));
        pump(shard);
        return;
    }
    auto why = it.last.code();
    if (it.guest) {
        // All of them: one that stayed would overtake this one.
        refuse_guests(shard, why);
        return;
    }
    auto taken = dequeue(rest.queue, it);
    auto text = "the owner of the key did not take the request in time: " +
                std::string{name(gate_.frozen() ? errc::suspended : why)};
    give_up(std::move(taken),
            error{gate_.frozen() ? errc::suspended : why, std::move(text)}.with(executed::no));
    pump(shard);
}

void desk::turn_away(std::uint32_t shard, std::uint64_t stream, std::uint32_t round) {
    waiting(shard).refused.note(stream, round);
    lines_[shard].turned = true;
}

void desk::refuse_guests(std::uint32_t shard, errc code) noexcept {
    auto* rest = lines_[shard].waiting.get();
    while (rest != nullptr && !rest->guests.empty()) {
        auto it = dequeue(rest->guests, *rest->guests.front());
        if (it->stream != 0) {
            turn_away(shard, it->stream, it->round);
        }
        counters_.redirected.add();
        it->refuse(error{code}.with(executed::no));
    }
}

void desk::refuse_waiting() noexcept {
    for (auto shard : homes_) {
        auto* rest = lines_[shard].waiting.get();
        while (rest != nullptr && !rest->queue.empty()) {
            give_up(dequeue(rest->queue, *rest->queue.front()), no_majority());
        }
        // Those who could answer are most likely not to be heard either.
        while (rest != nullptr && !rest->flying.empty()) {
            give_up(rest->flying.pop_front(), no_majority().with(executed::maybe));
        }
        refuse_guests(shard, errc::suspended);
    }
}

// -- going on ------------------------------------------------------------------------------------

void desk::pump(std::uint32_t shard) noexcept {
    auto& line = lines_[shard];
    if (closing()) {
        return;
    }
    if (line.waiting) {
        if (line.phase == shard_phase::elsewhere) {
            launch_waiting(line);
        } else if (!gate_.frozen() && line.phase == shard_phase::serving) {
            deliver_waiting(line);
        } else if (line.phase == shard_phase::asleep) {
            activate(shard);
        }
    }
    const auto* rest = line.waiting.get();
    auto empty =
        rest == nullptr || (rest->queue.empty() && rest->guests.empty() && rest->flying.empty());
    open_[shard] = line.phase == shard_phase::serving && empty ? 1 : 0;
}

void desk::deliver_waiting(shard_line& line) noexcept {
    auto& rest = *line.waiting;
    auto hand_over = [&](flights& row) {
        auto it = dequeue(row, *row.front());
        deliver(it->shard, it->key(), it->to_node());
        it->handed_over();
    };
    while (!rest.guests.empty()) {
        hand_over(rest.guests);
    }
    // What was sent to the owner before has to be settled first: it may come back.
    while (rest.flying.empty() && !rest.queue.empty()) {
        hand_over(rest.queue);
    }
}

// A message may go when nothing is on its way that would then come behind it.
bool desk::may_launch(const shard_line& line, const backlog& rest, std::int64_t next,
                      peer& to) const noexcept {
    // Entities of the time when it was this node's may still give messages back.
    if (to.hosts.empty() || line.moving || rest.pause.armed() || line.seats != 0) {
        return false;
    }
    // What flies behind one that was turned away is turned away as well; in a newer round than its
    // own, what is sent now would come before it.
    const auto* last = rest.flying.back();
    return last == nullptr || (!rest.again && last->to == line.owner && last->sequence < next);
}

void desk::launch_waiting(shard_line& line) noexcept {
    if (line.owner == node_uid{} || line.moving) {
        return;
    }
    auto& rest = *line.waiting;
    auto& to = peer_of(line.owner);
    if (rest.probing && !rest.pause.armed()) {
        rest.probing = false;
        rest.attempts = 0;
    }
    while (!rest.queue.empty() && may_launch(line, rest, rest.queue.front()->sequence, to)) {
        launch(line, to, dequeue(rest.queue, *rest.queue.front()));
        if (rest.attempts != 0 && !rest.pause.armed()) {
            rest.probing = true;
            here_.timers().arm(rest.pause, here_.turn_time() + probe_time);
        }
    }
    if (!rest.queue.empty() && to.hosts.empty()) {
        look_for(to);
    }
}

void desk::launch(shard_line& line, peer& to, flight_ptr it) noexcept {
    auto& rest = *line.waiting;
    auto& out = *it;
    rest.round += std::exchange(rest.again, false) ? 1 : 0;
    out.to = to.uid;
    out.round = rest.round;
    arm(out, out.expires);
    rest.flying.push_back(std::move(it));
    counters_.sent.add();
    // It may have failed, and stand in the row again, when this returns.
    out.launch(to.hosts[home_core(out.shard, static_cast<std::uint32_t>(to.hosts.size()))]);
}

void desk::answered(flight& it) noexcept {
    auto shard = it.shard;
    auto& rest = *lines_[shard].waiting;
    static_cast<void>(rest.flying.take(it));
    rest.attempts = 0;
    if (std::exchange(rest.probing, false)) {
        here_.timers().cancel(rest.pause);
    }
    if (!rest.queue.empty() || ours(lines_[shard])) {
        pump(shard);
    }
}

void desk::failed(flight& it, error why) noexcept {
    auto shard = it.shard;
    auto& rest = *lines_[shard].waiting;
    auto to = it.to;
    auto taken = rest.flying.take(it);
    auto code = why.code();
    auto again = why.executed() == executed::no
                     ? worth_retrying(code)
                     : (taken->idempotent() || COHORT_MUTANT(maybe_sent_again)) && was_lost(code);
    if (!again || closing() || retries_left_ < 1) {
        give_up(std::move(taken), why);
        pump(shard);
        return;
    }
    retries_left_ -= 1;
    counters_.retries.add();
    if (code == errc::stale_epoch) {
        whole_.owners.look_for(epoch_ + 1);
    } else if (was_lost(code)) {
        forget_hosts(to);
    }
    if (std::exchange(rest.probing, false)) {
        here_.timers().cancel(rest.pause);
    }
    rest.again = true;
    rest.last = why;
    requeue(rest, std::move(taken), std::move(why));
    open_[shard] = 0;
    if (!rest.pause.armed()) {
        here_.timers().arm(rest.pause, here_.turn_time() + next_pause(rest.attempts++));
    }
}

duration desk::next_pause(std::uint32_t attempts) noexcept {
    auto& options = whole_.options;
    auto bound = options.backoff_max;
    if (attempts < 20) {
        bound = std::min(bound, options.backoff * (std::int64_t{1} << attempts));
    }
    auto range = static_cast<std::uint64_t>(std::max<std::int64_t>(1, bound.count()));
    return duration{static_cast<duration::rep>(here_.world().random() % range)};
}

// -- who answers elsewhere -----------------------------------------------------------------------

desk::peer& desk::peer_of(node_uid uid) {
    auto found = peers_.find(uid);
    if (found == peers_.end()) {
        found = peers_.try_emplace(uid, *this, uid).first;
        if (const auto* who = view_ ? view_->find(uid) : nullptr) {
            found->second.address = who->address;
        }
    }
    return found->second;
}

void desk::look_for(peer& who) noexcept {
    if (who.looking || who.pause.armed() || closing() || whole_.network == nullptr ||
        who.address.port == 0) {
        return;
    }
    who.looking = true;
    start_task(*host_, look(this, who.uid, who.address));
}

task<void> desk::look(desk* at, node_uid who, endpoint address) {
    auto lobby = co_await at->whole_.network->find<lobby_protocol>(address, std::string{lobby_name},
                                                                   look_time);
    if (!lobby) {
        at->looked(who, std::move(lobby).error());
        co_return;
    }
    auto answer = co_await lobby->ask<hosts_of>(look_time, at->space_.name,
                                                at->space_.options.shards, shard_hash_id);
    if (!answer) {
        at->looked(who, std::move(answer).error());
        co_return;
    }
    auto hosts = std::vector<actor_address>{};
    const auto& there = lobby->where();
    for (auto each : *answer) {
        hosts.push_back(actor_address::remote({each}, there.place(), there.generation));
    }
    if (hosts.empty() || hosts.size() > cores_max || !there.remote()) {
        at->looked(who, error{errc::invalid, "the owner's address leads nowhere"});
        co_return;
    }
    at->looked(who, std::move(hosts));
}

void desk::looked(node_uid uid, result<std::vector<actor_address>> found) noexcept {
    auto known = peers_.find(uid);
    if (known == peers_.end()) {
        return;
    }
    auto& who = known->second;
    who.looking = false;
    if (found) {
        who.hosts = std::move(*found);
        who.attempts = 0;
        pump_all(uid);
        return;
    }
    here_.timers().arm(who.pause, here_.turn_time() + next_pause(who.attempts++));
}

void desk::forget_hosts(node_uid uid) noexcept {
    auto known = peers_.find(uid);
    if (known != peers_.end()) {
        known->second.hosts.clear();
    }
}

void desk::pump_all(node_uid owner) noexcept {
    for (auto shard : homes_) {
        if (lines_[shard].waiting && lines_[shard].owner == owner) {
            pump(shard);
        }
    }
}

// -- what comes from other nodes -----------------------------------------------------------------

admission desk::judge(const arrival& it, std::string_view key, error& why) {
    if (it.shard >= lines_.size() || closing() ||
        home_core(it.shard, static_cast<std::uint32_t>(space_.desks.size())) != here_.id()) {
        why =
            error{errc::unavailable, "the node does not serve that shard here"}.with(executed::no);
        return admission::refuse;
    }
    if (shard_of(key, space_.options.shards) != it.shard) {
        // Its entity may be alive elsewhere, or here in the right shard.
        why = error{errc::invalid, "the key is of another shard"}.with(executed::no);
        return admission::refuse;
    }
    auto& line = lines_[it.shard];
    auto code = errc::ok;
    if (line.turned && !COHORT_MUTANT(round_unread) &&
        line.waiting->refused.refuses(it.stream, it.round)) {
        code = errc::moving;
    } else if (line.phase == shard_phase::elsewhere) {
        if (it.epoch > epoch_) {
            whole_.owners.look_for(it.epoch);
            return admission::hold;
        }
        code = errc::stale_epoch;
    } else if (line.phase == shard_phase::draining || line.phase == shard_phase::released) {
        code = errc::moving;
    } else if (it.epoch < line.own_epoch && !COHORT_MUTANT(arrival_epoch_unread)) {
        code = errc::stale_epoch;  // sent to an earlier owner: too late
    } else if (gate_.frozen()) {
        code = errc::suspended;
    } else {
        return line.phase == shard_phase::serving ? admission::admit : admission::hold;
    }
    // What is held was sent before: were it refused later, it would come back behind this one.
    refuse_guests(it.shard, code);
    turn_away(it.shard, it.stream, it.round);
    counters_.redirected.add();
    why = error{code}.with(executed::no);
    return admission::refuse;
}

// -- its life ------------------------------------------------------------------------------------

void desk::opened(cell& host) noexcept {
    host_ = &host;
    ++whole_.open_desks;
    next_tick_ = here_.now();
    here_.timers().arm(sweep_timer_, next_tick_);
}

void desk::closed() noexcept {
    here_.timers().cancel(sweep_timer_);
    here_.timers().cancel(drain_timer_);
    gate_.close();
    host_ = nullptr;
    --whole_.open_desks;
    for (auto& [uid, each] : peers_) {
        here_.timers().cancel(each.pause);
    }
    for (auto shard : homes_) {
        auto& line = lines_[shard];
        open_[shard] = 0;
        if (!line.waiting) {
            continue;
        }
        auto& rest = *line.waiting;
        here_.timers().cancel(rest.pause);
        while (!rest.flying.empty()) {
            rest.flying.pop_front()->refuse(error{errc::terminated}.with(executed::maybe));
        }
        while (!rest.queue.empty()) {
            give_up(dequeue(rest.queue, *rest.queue.front()),
                    error{errc::unavailable}.with(executed::no));
        }
        refuse_guests(shard, errc::moving);
        COHORT_ASSERT(rest.bytes == 0, "I20: nothing waits at a desk that is closed");
    }
    peers_.clear();
}

}  // namespace cohort::detail
