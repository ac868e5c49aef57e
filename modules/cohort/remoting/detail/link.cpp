#include <cohort/remoting/detail/link.hpp>

#include <algorithm>

#include <cohort/remoting/detail/remote_core.hpp>
#include <cohort/remoting/detail/state.hpp>
#include <cohort/task/combinators.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort::detail {
namespace {

std::uint64_t remaining_us(const deadline& until, time_point now) noexcept {
    if (until.at == time_point::max()) {
        return no_time_limit;
    }
    if (COHORT_MUTANT(deadline_as_instant)) {
        now = {};
    }
    auto left = std::chrono::duration_cast<std::chrono::microseconds>(until.at - now).count();
    return left > 0 ? static_cast<std::uint64_t>(left) : 0;
}

}  // namespace

link::link(remoting_state& node, peer who, lane kind)
    : peer_connection{node}, who_{std::move(who)}, alive_{home_.turn_time()} {
    assign(kind);
}

// -- requests that are out -----------------------------------------------------------------------

std::uint64_t link::take_slot(handle asker, const wire_format* format) {
    auto slot = free_;
    if (slot == none) {
        slot = static_cast<std::uint32_t>(requests_.size());
        requests_.emplace_back();
    } else {
        free_ = requests_[slot].next_free;
    }
    auto& taken = requests_[slot];
    taken.asker = asker;
    taken.format = format;
    taken.used = true;
    ++used_;
    return (std::uint64_t{slot} << 32) | taken.generation;
}

link::request* link::find(std::uint64_t correlation) noexcept {
    auto slot = static_cast<std::uint32_t>(correlation >> 32);
    if (slot >= requests_.size()) {
        return nullptr;
    }
    auto& found = requests_[slot];
    return found.used && found.generation == static_cast<std::uint32_t>(correlation) ? &found
                                                                                     : nullptr;
}

handle link::release(std::uint64_t correlation) noexcept {
    auto slot = static_cast<std::uint32_t>(correlation >> 32);
    auto& done = requests_[slot];
    COHORT_ASSERT(done.used, "N-7: a request is answered once");
    done.used = false;
    if (++done.generation == 0) {
        done.generation = 1;
    }
    done.next_free = std::exchange(free_, slot);
    --used_;
    return done.asker;
}

// -- sending -------------------------------------------------------------------------------------

void link::wake() noexcept {
    if (connected()) {
        flush();
    } else if (work_.awaited()) {
        work_.notify();
    }
}

result<void> link::encode(const wire_format& format, const void* content,
                          std::size_t mark) noexcept {
    auto& bytes = out().filling();
    auto done = format.encode(content, bytes, node_.cores[home_.id()]->codec());
    if (done && !out().fits(mark)) {
        done = error{errc::too_large, "the peer takes no message of this size"};
    }
    if (!done) {
        bytes.truncate(mark);
    }
    return done;
}

void link::tell(handle to, const wire_format& format, const void* content) noexcept {
    auto& ours = *node_.cores[home_.id()];
    if (gone_ || leaving_ || !out().has_room()) {
        ours.counters().tells_dropped.add();
        return;
    }
    auto& bytes = out().filling();
    auto mark = begin_frame({.kind = frame_kind::tell, .target = to, .type = format.id}, bytes);
    if (auto done = encode(format, content, mark); !done) {
        ours.counters().tells_dropped.add();
        home_.owner().report(
            {"message not sent", std::string{format.name}, done.error().message()});
        return;
    }
    out().finish(ours.introduce_before(*this, mark), to);
    ours.counters().messages_out.add();
    wake();
}

std::optional<error> link::refusal_now() noexcept {
    if (gone_) {
        return error{errc::terminated}.with(executed::no);
    }
    if (unreachable_ && !connected()) {
        // Not in time for this one, but it is a reason to try again.
        missed_ = true;
        wake();
        return error{errc::unavailable}.with(executed::no);
    }
    if (leaving_) {
        return error{errc::unavailable}.with(executed::no);
    }
    if (!out().has_room() || used_ == requests_max) {
        return error{errc::overloaded};
    }
    return std::nullopt;
}

void link::request_frame(frame head, const wire_format& format, const void* content,
                         pending_answer& asker, bool answered) noexcept {
    auto& ours = *node_.cores[home_.id()];
    auto refused = refusal_now();
    if (!refused) {
        auto& bytes = out().filling();
        head.type = format.id;
        head.correlation = take_slot(asker.address, answered ? &format : nullptr);
        auto mark = begin_frame(head, bytes);
        if (auto done = encode(format, content, mark); !done) {
            static_cast<void>(release(head.correlation));
            refused = error{std::move(done).error()}.with(executed::no);
        } else {
            mark = ours.introduce_before(*this, mark);
            find(head.correlation)->place = out().finish(mark, head.target);
        }
    }
    if (refused) {
        ours.counters().asks_refused.add();
        asker.fail(asker, std::move(*refused));
        return;
    }
    ours.counters().messages_out.add();
    wake();
}

void link::ask(handle to, const wire_format& format, const void* content, pending_answer& asker,
               const deadline& until) noexcept {
    request_frame({.kind = frame_kind::request,
                   .target = to,
                   .remaining_us = remaining_us(until, home_.fresh_time()),
                   .trace = until.trace},
                  format, content, asker, true);
}

void link::send(handle to, const wire_format& format, const void* content,
                pending_answer& asker) noexcept {
    request_frame({.kind = frame_kind::send, .target = to}, format, content, asker, false);
}

// -- death watch ---------------------------------------------------------------------------------

void link::watch(handle watcher, handle target) {
    watched_.emplace(watcher.value, target.value);
    write_frame({.kind = frame_kind::watch, .target = target, .subject = watcher}, out().filling());
    wake();
}

void link::unwatch(handle watcher, handle target) {
    forget_watch(watcher, target);
    write_frame({.kind = frame_kind::unwatch, .target = target, .subject = watcher},
                out().filling());
    wake();
}

void link::forget_watch(handle watcher, handle target) noexcept {
    watched_.erase({watcher.value, target.value});
}

void link::watch_again() {
    if (COHORT_MUTANT(watch_lost)) {
        return;
    }
    for (const auto& [watcher, target] : watched_) {
        write_frame({.kind = frame_kind::watch, .target = {target}, .subject = {watcher}},
                    out().filling());
    }
    wake();
}

void link::terminated(handle watcher, handle who, std::uint8_t reason, std::string_view why) {
    constexpr std::size_t text_max = 1024;
    if (gone_) {
        return;
    }
    std::erase_if(news_, [&](const news& each) { return out().handed_over(each.place); });
    write_news(
        news_.emplace_back(news{watcher, who, reason, std::string{why.substr(0, text_max)}}));
    wake();
}

void link::write_news(news& it) {
    auto& bytes = out().filling();
    auto mark = begin_frame({.kind = frame_kind::terminated,
                             .target = it.watcher,
                             .subject = it.who,
                             .reason = it.reason},
                            bytes);
    bytes.append(it.why);
    // Behind everything that the actor sent to its watcher.
    it.place = out().finish(mark, it.watcher);
}

// -- answers -------------------------------------------------------------------------------------

bool link::arrived(const frame& it) {
    switch (it.kind) {
        case frame_kind::reply:
            return take_reply(it);
        case frame_kind::failure:
            return take_failure(it);
        case frame_kind::goodbye:
            give_up("it said goodbye");
            return false;
        default:
            node_.cores[home_.id()]->counters().bad_bytes.add();
            end("an answering side sends answers only");
            return false;
    }
}

bool link::take_reply(const frame& it) {
    auto& ours = *node_.cores[home_.id()];
    auto* found = find(it.correlation);
    if (found == nullptr) {
        home_.counters().late_replies.add();
        return true;
    }
    const auto* format = found->format;
    auto* asker = home_.pending().find(release(it.correlation));
    if (asker == nullptr) {
        home_.counters().late_replies.add();
        return true;
    }
    if (format == nullptr) {
        pending_ask<void>::answer(*asker, result<void>{});
        return true;
    }
    if (auto done = format->decode_reply(*asker, it.payload, ours.codec()); !done) {
        asker->fail(*asker, done.error());
        ours.counters().bad_bytes.add();
        end(done.error().message());
        return false;
    }
    return true;
}

bool link::take_failure(const frame& it) {
    if (find(it.correlation) == nullptr) {
        home_.counters().late_replies.add();
        return true;
    }
    auto why = it.payload.empty()
                   ? error{it.code}
                   : error{it.code, std::string{it.payload.substr(0, 1024)}, who_.address.text()};
    home_.fail_reply(release(it.correlation), std::move(why).with(it.ran));
    return true;
}

// What was handed over may have arrived; it is not sent again.
void link::lose(errc code) noexcept {
    for (std::uint32_t slot = 0; slot < requests_.size() && used_ != 0; ++slot) {
        auto& each = requests_[slot];
        if (!each.used) {
            continue;
        }
        auto left = out().handed_over(each.place);
        auto why = left
                       ? error{code}.with(executed::maybe)
                       : error{code == errc::network ? errc::unavailable : code}.with(executed::no);
        home_.fail_reply(release((std::uint64_t{slot} << 32) | each.generation), std::move(why));
    }
    std::erase_if(news_, [&](const news& each) { return out().handed_over(each.place); });
    node_.cores[home_.id()]->counters().tells_lost.add(out().reset());
    for (auto& each : news_) {
        write_news(each);
    }
}

void link::fail_all() noexcept {
    gone_ = true;
    lose(errc::terminated);
    for (const auto& [watcher, target] : std::exchange(watched_, {})) {
        deliver_terminated(home_, {watcher},
                           {actor_address::remote({target}, who_.place, who_.generation),
                            exit_reason::stopped, nullptr});
    }
    end("the peer is gone");
}

void link::leave() noexcept {
    if (std::exchange(leaving_, true)) {
        return;
    }
    if (kind_ == lane::control) {
        write_frame({.kind = frame_kind::goodbye}, out().filling());
    }
    wake();
    if (!connected() && work_.awaited()) {
        work_.notify();
    }
}

bool link::has_left() const noexcept {
    return !leaving_ || !connected() || (used_ == 0 && out().empty());
}

// -- the connection ------------------------------------------------------------------------------

bool link::wanted() const noexcept {
    return kind_ == lane::control || lost_ || missed_ || !out().empty() || !watched_.empty();
}

void link::give_up(std::string_view why) { node_.give_up(who_.place, who_.generation, why); }

bool link::silent_too_long() const noexcept {
    return kind_ == lane::control && home_.turn_time() - alive_ >= node_.options.gone_after;
}

duration link::next_backoff() noexcept {
    const auto& options = node_.options;
    auto most = kind_ == lane::control ? std::min(options.backoff_max, options.control_patience / 4)
                                       : options.backoff_max;
    backoff_ = std::clamp(backoff_ * 2, std::min(options.backoff, most), most);
    auto half = static_cast<std::uint64_t>(backoff_.count() / 2);
    return backoff_ / 2 + duration{static_cast<duration::rep>(home_.world().random() % (half + 1))};
}

bool link::accept_welcome(greeting& whole, std::uint64_t its_session) {
    const auto& answer = whole.answer;
    switch (answer.why) {
        case rejection::none:
            if (answer.callee != who_.uid && !COHORT_MUTANT(old_incarnation_kept)) {
                give_up("another node is at its address");
                return false;
            }
            if (!node_.peers->confirm(who_.place, who_.generation, answer)) {
                give_up("it had given this node up");
                return false;
            }
            out().limit_messages(answer.message_bytes_max);
            begin(std::move(whole.socket), answer.version, whole.rest);
            return true;
        case rejection::other_node:
        case rejection::leaving:
            give_up(name(answer.why));
            return false;
        case rejection::forgotten:
            if (its_session != 0) {
                give_up(name(answer.why));
            }
            return false;
        default:
            home_.owner().report({"peer refused the connection", who_.address.text(),
                                  std::string{name(answer.why)}});
            return false;
    }
}

task<bool> link::open() {
    if (auto newest = node_.peers->find(who_.place, who_.generation)) {
        who_ = *newest;
    }
    if (who_.address.port == 0) {
        co_return false;
    }
    auto first = hello{.lane = kind_,
                       .core = static_cast<std::uint8_t>(home_.id()),
                       .caller = node_.uid,
                       .callee = who_.uid,
                       .attempt = ++attempt_,
                       .caller_session = who_.session,
                       .callee_session = who_.its_session,
                       .frame_bytes_max = node_.options.frame_bytes_max,
                       .message_bytes_max = node_.options.message_bytes_max,
                       .cluster = node_.options.cluster,
                       .host = node_.local.host,
                       .port = node_.local.port};
    auto its_session = first.callee_session;
    auto limit = kind_ == lane::control
                     ? std::min(node_.options.handshake_time, node_.options.control_patience / 2)
                     : node_.options.handshake_time;
    auto greeted = co_await with_timeout(limit, greet(&node_, who_.address, std::move(first)));
    if (!greeted || !*greeted) {
        co_return false;
    }
    co_return accept_welcome(**greeted, its_session);
}

behavior<silent> link::run(context<silent> self, std::shared_ptr<link> it) {
    struct at_end {
        link& it;
        ~at_end() { it.put_away(); }
    } closes{*it};
    auto& counters = it->node_.cores[it->home_.id()]->counters();
    for (;;) {
        while (!it->wanted() && !it->gone_) {
            co_await it->work_;
        }
        if (it->gone_) {
            co_return;
        }
        bool opened = co_await it->open();
        if (it->gone_) {
            co_return;
        }
        if (!opened) {
            it->unreachable_ = true;
            it->missed_ = false;
            it->lose(errc::unavailable);
            if (it->silent_too_long()) {
                it->give_up("it cannot be reached");
                co_return;
            }
            auto pause = it->next_backoff();
            co_await self.sleep(pause);
            continue;
        }
        counters.connections_made.add();
        it->unreachable_ = it->missed_ = false;
        it->backoff_ = {};
        it->lost_ = false;
        it->watch_again();
        static_cast<void>(co_await when_any(it->read(), it->write()));
        it->alive_ = it->heard_;
        it->put_away();
        counters.connections_lost.add();
        if (it->gone_) {
            co_return;
        }
        it->home_.owner().report(
            {"connection lost", it->who_.address.text(), std::string{it->ended_because()}});
        it->lost_ = true;
        it->lose(errc::network);
        if (it->silent_too_long()) {
            it->give_up("it does not answer");
            co_return;
        }
    }
}

}  // namespace cohort::detail
