#include <cohort/remoting/detail/remote_core.hpp>

#include <algorithm>
#include <bit>

#include <cohort/actor/lifecycle.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort::detail {

// -- peers ---------------------------------------------------------------------------------------

remote_core::ways* remote_core::ways_to(std::uint32_t place, std::uint32_t generation) {
    if (place < ways_.size() && ways_[place].generation == generation) {
        return &ways_[place];
    }
    auto known = node_.peers->find(place, generation);
    if (!known) {
        return nullptr;
    }
    if (place >= ways_.size()) {
        ways_.resize(place + 1);
    }
    // The word that the peer before it is gone may still be on its way here.
    peer_gone(place, ways_[place].generation);
    ways_[place].generation = generation;
    ways_[place].uid = known->uid;
    return &ways_[place];
}

std::shared_ptr<link> remote_core::start(const peer& who, lane kind) {
    auto fresh = std::make_shared<link>(node_, who, kind);
    auto actor = spawn_kept(here_, nullptr, {.name = kind == lane::data ? "link" : "control"},
                            &link::run, fresh);
    fresh->actor = actor.address();
    return fresh;
}

link* remote_core::link_to(const actor_address& address, message_lane by) {
    auto* found = ways_to(address.place(), address.generation);
    if (found == nullptr) {
        return nullptr;
    }
    auto way = by == message_lane::control ? &ways::control : &ways::data;
    if (found->*way == nullptr) {
        auto known = node_.peers->find(address.place(), address.generation);
        if (!known) {
            return nullptr;
        }
        auto fresh = start(*known, by == message_lane::control ? lane::control : lane::data);
        ways_[address.place()].*way = fresh;
        node_.cores[0]->post_acquaint(*known);
    }
    return (ways_[address.place()].*way).get();
}

void remote_core::acquaint(const peer& who) {
    auto* found = ways_to(who.place, who.generation);
    if (found != nullptr && found->control == nullptr && !node_.leaving) {
        auto fresh = start(who, lane::control);
        ways_[who.place].control = fresh;
    }
}

void remote_core::post_acquaint(const peer& who) {
    post_to(this_core(), here_.id(), [this, who = peer{who}](core&) { acquaint(who); });
}

void remote_core::peer_gone(std::uint32_t place, std::uint32_t generation) noexcept {
    // Its connections end also on a core that never had a word for it.
    for (auto& each : seats_) {
        if (each.taken != nullptr && each.taken->who().place == place &&
            each.taken->who().generation == generation && !COHORT_MUTANT(order_broken)) {
            each.taken->end("the peer is gone");
        }
    }
    if (generation == 0 || place >= ways_.size() || ways_[place].generation != generation) {
        return;
    }
    auto old = std::exchange(ways_[place], ways{});
    places_.erase(old.uid);
    for (auto& way : {old.data, old.control}) {
        if (way) {
            way->fail_all();
            here_.keeper().stop(here_, way->actor);
        }
    }
    auto last = handle{};
    for (const auto& [target, watcher] : old.watched) {
        if (std::exchange(last, handle{target}) != handle{target}) {
            remove_watchers_of(here_, {target}, place, generation);
        }
    }
}

void remote_core::end_older(const peer& now) noexcept {
    for (auto& each : seats_) {
        if (each.taken != nullptr && each.taken->who().uid == now.uid &&
            (each.taken->who().place != now.place ||
             each.taken->who().generation != now.generation)) {
            each.taken->end("its node begins anew");
        }
    }
}

void remote_core::watch_again(std::uint32_t place, std::uint32_t generation) {
    if (place < ways_.size() && ways_[place].generation == generation && ways_[place].data) {
        ways_[place].data->watch_again();
    }
}

void remote_core::leave(lane kind) noexcept {
    for (auto& each : ways_) {
        auto& way = kind == lane::data ? each.data : each.control;
        if (way) {
            way->leave();
        }
    }
}

bool remote_core::has_left() noexcept {
    return std::all_of(ways_.begin(), ways_.end(), [](const ways& each) {
        auto done = [](const std::shared_ptr<link>& way) { return !way || way->has_left(); };
        return done(each.data) && done(each.control);
    });
}

// -- what this core's actors send ----------------------------------------------------------------

void remote_core::tell(const actor_address& to, const wire_format& format,
                       const void* content) noexcept {
    if (auto* way = link_to(to, format.lane)) {
        way->tell(to.there(), format, content);
    } else {
        here_.counters().dead_letters.add();
    }
}

void remote_core::ask(const actor_address& to, const wire_format& format, const void* content,
                      pending_answer& asker, const deadline& until) noexcept {
    if (auto* way = link_to(to, format.lane)) {
        way->ask(to.there(), format, content, asker, until);
    } else {
        asker.fail(asker, error{errc::terminated}.with(executed::no));
    }
}

void remote_core::send(const actor_address& to, const wire_format& format, const void* content,
                       pending_answer& asker) noexcept {
    if (auto* way = link_to(to, format.lane)) {
        way->send(to.there(), format, content, asker);
    } else {
        asker.fail(asker, error{errc::terminated}.with(executed::no));
    }
}

void remote_core::watch(handle watcher, const actor_address& target) noexcept {
    if (auto* way = link_to(target)) {
        way->watch(watcher, target.there());
    } else {
        deliver_terminated(here_, watcher, {target, exit_reason::stopped, nullptr});
    }
}

void remote_core::unwatch(handle watcher, const actor_address& target) noexcept {
    if (auto* way = link_to(target)) {
        way->unwatch(watcher, target.there());
    }
}

void remote_core::terminated(const actor_address& watcher, handle who, std::uint8_t reason,
                             std::string_view why) noexcept {
    if (auto* known = ways_to(watcher.place(), watcher.generation)) {
        known->watched.erase({who.value, watcher.there().value});
    }
    if (auto* way = link_to(watcher)) {
        way->terminated(watcher.there(), who, reason, why);
    }
}

node_uid remote_core::node_of(const actor_address& address) noexcept {
    auto* found = ways_to(address.place(), address.generation);
    if (found == nullptr) {
        return {};
    }
    if (mentioned_.empty() || mentioned_.back() != address) {
        mentioned_.push_back(address);
    }
    return found->uid;
}

actor_address remote_core::address_of(node_uid node, handle there) noexcept {
    auto found = places_.find(node);
    if (found == places_.end()) {
        // It may be known already, or become known when it calls; until then it cannot be reached,
        // and it is given up when that takes too long.
        auto known = node_.peers->learn(node, {"", 0}, {});
        if (!known || ways_to(known->place, known->generation) == nullptr) {
            return {};
        }
        node_.cores[0]->post_acquaint(*known);
        found = places_.emplace(node, std::pair{known->place, known->generation}).first;
    }
    return actor_address::remote(there, found->second.first, found->second.second);
}

// -- what comes in -------------------------------------------------------------------------------

template <class Take>
void remote_core::each_frame(std::string_view frames, Take take) {
    while (!frames.empty()) {
        auto size = std::uint32_t{};
        std::memcpy(&size, frames.data(), sizeof size);
        auto it = frame{};
        const auto* wrong = parse_frame(frames.substr(sizeof size, size), it);
        COHORT_ASSERT(wrong == nullptr, "N-8: what crosses cores was a frame before");
        take(it);
        frames.remove_prefix(sizeof size + size);
    }
}

void remote_core::arrived(const source& from, std::string_view frames) {
    each_frame(frames, [&](const frame& it) { arrived(from, it); });
}

void remote_core::overflowed(const source& from, std::uint32_t to, std::string_view frames) {
    auto rest = std::make_shared<byte_buffer>();
    each_frame(frames, [&](const frame& it) {
        if (it.kind == frame_kind::tell) {
            here_.counters().ring_refused.add();
        } else if (it.kind == frame_kind::request || it.kind == frame_kind::send) {
            here_.counters().ring_refused.add();
            refuse(from, it, errc::overloaded);
        } else {
            write_frame(it, *rest);
        }
    });
    if (!rest->empty()) {
        here_.post(to, [node = &node_, from, rest](core& there) {
            node->cores[there.id()]->arrived(from, rest->view());
        });
    }
}

void remote_core::arrived(const source& from, const frame& it) {
    if (it.target.core() != here_.id()) {
        // A core that this node does not have.
        here_.counters().dead_letters.add();
        refuse(from, it, errc::terminated);
        return;
    }
    switch (it.kind) {
        case frame_kind::watch: {
            auto watcher = actor_address::remote(it.subject, from.place, from.generation);
            if (auto* known = ways_to(from.place, from.generation)) {
                known->watched.emplace(it.target.value, it.subject.value);
                add_watcher(here_, it.target, watcher);
            }
            return;
        }
        case frame_kind::unwatch:
            if (auto* known = ways_to(from.place, from.generation)) {
                known->watched.erase({it.target.value, it.subject.value});
            }
            remove_watcher(here_, it.target,
                           actor_address::remote(it.subject, from.place, from.generation));
            return;
        case frame_kind::terminated:
            take_terminated(from, it);
            return;
        default:
            counters_.messages_in.add();
            take_message(from, it);
    }
}

void remote_core::take_terminated(const source& from, const frame& it) {
    auto who = actor_address::remote(it.subject, from.place, from.generation);
    auto why = std::shared_ptr<const failure>{};
    auto reason = static_cast<exit_reason>(it.reason);
    if (reason == exit_reason::failed) {
        why = std::make_shared<const failure>(failure{it.subject, "actor of another node", "failed",
                                                      std::string{it.payload}, nullptr});
    }
    if (auto* known = ways_to(from.place, from.generation); known != nullptr && known->data) {
        known->data->forget_watch(it.target, it.subject);
    }
    deliver_terminated(here_, it.target, {who, reason, std::move(why)});
}

cell* remote_core::receiver(const source& from, const frame& it, const wire_format*& format) {
    format = node_.formats.find(it.type);
    if (format == nullptr) {
        counters_.unknown_types.add();
        refuse(from, it, error{errc::unsupported, "this node does not know that message"});
        return nullptr;
    }
    auto* target = here_.find(it.target);
    if (target == nullptr || !target->alive()) {
        if (it.kind == frame_kind::tell) {
            here_.counters().dead_letters.add();
        }
        refuse(from, it, errc::terminated);
        return nullptr;
    }
    const auto* type = it.kind == frame_kind::request ? format->ask : format->tell;
    if (type == nullptr || !understands(*target, *type)) {
        counters_.not_understood.add();
        refuse(from, it, error{errc::unsupported, "the actor does not understand that message"});
        return nullptr;
    }
    return target;
}

void remote_core::take_message(const source& from, const frame& it) {
    const wire_format* format = nullptr;
    if (it.kind == frame_kind::request && it.remaining_us == 0) {
        refuse(from, it, errc::timeout);
        return;
    }
    if (it.kind != frame_kind::tell && free_served_.empty() &&
        served_.size() == reply_token::slots) {
        refuse(from, it, errc::overloaded);
        return;
    }
    if (receiver(from, it, format) == nullptr) {
        return;
    }
    bool request = it.kind == frame_kind::request;
    auto node = format->decode(it.payload, request, codec());
    if (!node) {
        refuse(from, it, node.error());
        bad_peer(from, node.error().message());
        return;
    }
    if (it.kind == frame_kind::send) {
        here_.keeper().admit(here_, it.target, *node, take_token(from, it, nullptr));
        return;
    }
    if (request) {
        auto limit = time_point::max();
        constexpr auto ages = std::uint64_t{1} << 52;  // microseconds: more than a hundred years
        if (it.remaining_us < ages) {
            limit = after(here_.turn_time(),
                          std::chrono::microseconds{static_cast<std::int64_t>(it.remaining_us)});
        }
        static_cast<request_message*>(*node)->header = {take_token(from, it, format),
                                                        {limit, it.trace}};
    }
    here_.deliver(it.target, *node);
}

void remote_core::refuse(const source& from, const frame& it, const error& why) {
    if (it.kind == frame_kind::request || it.kind == frame_kind::send) {
        write_failure(from.connection, it.correlation, error{why}.with(executed::no));
    }
}

void remote_core::bad_peer(const source& from, std::string_view why) {
    counters_.bad_bytes.add();
    auto close = [node = &node_, which = from.connection, text = std::string{why}](core&) {
        if (auto* it = node->cores[which.core]->find(which)) {
            it->end(text);
        }
    };
    post_to(here_, from.connection.core, std::move(close));
}

// -- answers -------------------------------------------------------------------------------------

handle remote_core::take_token(const source& from, const frame& it, const wire_format* format) {
    auto slot = static_cast<std::uint32_t>(served_.size());
    if (free_served_.empty()) {
        served_.emplace_back();
    } else {
        slot = free_served_.front();
        free_served_.pop_front();
    }
    auto& taken = served_[slot];
    taken.connection = from.connection;
    taken.correlation = it.correlation;
    taken.format = format;
    taken.used = true;
    return reply_token::of(here_.id(), slot, taken.generation);
}

std::optional<remote_core::served> remote_core::release(handle token) noexcept {
    auto slot = reply_token::slot(token);
    if (slot >= served_.size() || !served_[slot].used ||
        served_[slot].generation != reply_token::generation(token)) {
        return std::nullopt;
    }
    auto& done = served_[slot];
    done.used = false;
    auto out = done;
    done.generation = (done.generation + 1) & reply_token::generation_mask;
    free_served_.push_back(slot);
    return out;
}

// Writes an answer where its connection is: straight into its outbox on this core.
template <class Write>
void remote_core::answer(const holder& to, Write write) {
    if (to.core == here_.id()) {
        if (auto* it = find(to)) {
            auto& bytes = it->out().filling();
            auto mark = bytes.size();
            write(bytes);
            it->finish_answer(introduce_before(*it, mark));
        } else {
            here_.counters().late_replies.add();
        }
        return;
    }
    auto bytes = byte_buffer{};
    write(bytes);
    here_.post(to.core, [node = &node_, to, bytes = std::move(bytes),
                         mentioned = std::exchange(mentioned_, {})](core& there) {
        if (auto* it = node->cores[to.core]->find(to)) {
            it->introduce(mentioned);
            it->answer(bytes.view());
        } else {
            there.counters().late_replies.add();
        }
    });
}

void remote_core::reply(handle token, const void* value) noexcept {
    auto request = release(token);
    if (!request) {
        here_.counters().late_replies.add();
        return;
    }
    answer(request->connection, [&](byte_buffer& bytes) {
        auto mark =
            begin_frame({.kind = frame_kind::reply, .correlation = request->correlation}, bytes);
        if (request->format == nullptr) {
            return;
        }
        if (auto done = request->format->encode_reply(value, bytes, codec()); !done) {
            bytes.truncate(mark);
            mark = begin_frame({.kind = frame_kind::failure,
                                .correlation = request->correlation,
                                .code = done.error().code(),
                                .ran = executed::yes},
                               bytes);
            bytes.append(done.error().message());
        }
    });
}

void remote_core::fail_reply(handle token, const error& why) noexcept {
    if (auto request = release(token)) {
        write_failure(request->connection, request->correlation, why);
    } else {
        here_.counters().late_replies.add();
    }
}

void remote_core::write_failure(const holder& to, std::uint64_t correlation, const error& why) {
    constexpr std::size_t text_max = 1024;
    answer(to, [&](byte_buffer& bytes) {
        static_cast<void>(begin_frame({.kind = frame_kind::failure,
                                       .correlation = correlation,
                                       .code = why.code(),
                                       .ran = why.executed()},
                                      bytes));
        bytes.append(why.text().substr(0, text_max));
    });
}

// -- connections that came -----------------------------------------------------------------------

holder remote_core::enter(inbound& fresh) {
    auto slot = static_cast<std::uint32_t>(seats_.size());
    if (free_seats_.empty()) {
        seats_.emplace_back();
    } else {
        slot = free_seats_.front();
        free_seats_.pop_front();
    }
    auto& taken = seats_[slot];
    taken.taken = &fresh;
    taken.generation = taken.generation + 1 == 0 ? 1 : taken.generation + 1;
    return {here_.id(), slot, taken.generation};
}

inbound* remote_core::find(const holder& which) noexcept {
    return which.slot < seats_.size() && seats_[which.slot].generation == which.generation
               ? seats_[which.slot].taken
               : nullptr;
}

void remote_core::leave(const holder& which) noexcept {
    seats_[which.slot].taken = nullptr;
    free_seats_.push_back(which.slot);
}

// -- of the whole node ---------------------------------------------------------------------------

void remoting_state::give_up(std::uint32_t place, std::uint32_t generation, std::string_view why) {
    auto known = peers->find(place, generation);
    if (known && peers->forget(place, generation)) {
        tell_gone(*known, why);
    }
}

void remoting_state::tell_gone(const peer& who, std::string_view why) {
    ++peers_gone;
    node->report({"peer gone", who.address.text(), std::string{why}});
    on_every_core([place = who.place, generation = who.generation](remote_core& each) {
        each.peer_gone(place, generation);
    });
}

void remoting_state::watch_again(std::uint32_t place, std::uint32_t generation) {
    on_every_core([place, generation](remote_core& each) { each.watch_again(place, generation); });
}

result<void> wire_registry::build() {
    const auto& all = wire_formats();
    auto size = std::bit_ceil(all.size() * 2 + 2);
    table_.assign(size, nullptr);
    mask_ = static_cast<std::uint32_t>(size - 1);
    for (const auto* each : all) {
        auto at = each->id & mask_;
        for (; table_[at] != nullptr; at = (at + 1) & mask_) {
            if (table_[at]->id == each->id) {
                return error{errc::invalid,
                             std::string{table_[at]->name} + " and " + std::string{each->name} +
                                 " have the same id on the wire: give one of them a wire_name",
                             "remoting"};
            }
        }
        table_[at] = each;
    }
    return {};
}

bool half_open::enter(const std::string& host, std::uint32_t each_max) {
    auto guard = std::lock_guard{mutex_};
    auto& count = by_host_[host];
    if (count >= each_max) {
        return false;
    }
    ++count;
    return true;
}

void half_open::leave(const std::string& host) {
    auto guard = std::lock_guard{mutex_};
    auto found = by_host_.find(host);
    if (found != by_host_.end() && --found->second == 0) {
        by_host_.erase(found);
    }
}

}  // namespace cohort::detail
