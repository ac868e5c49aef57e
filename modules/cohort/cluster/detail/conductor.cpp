#include <cohort/cluster/detail/conductor.hpp>

#include <algorithm>

#include <cohort/cluster/placement.hpp>

namespace cohort::detail {
namespace {

constexpr duration tidy_interval = std::chrono::minutes{1};

register_options make_register_options(const cluster_state& whole) {
    // A first view comes behind those of clusters that used the same stores before.
    auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(
        whole.owner->world().wall_now().time_since_epoch());
    const auto& given = whole.options;
    auto out = register_options{
        .cluster = given.name,
        .seeds = given.seeds,
        .times = given.times,
        .voters_max = given.voters,
        .spaces = whole.spaces,
        .first_epoch = static_cast<std::uint64_t>(std::max<std::int64_t>(1, wall.count())),
        .self = {}};
    out.self.address = whole.local;
    out.self.roles = given.roles;
    out.self.build = given.build;
    auto place = std::find(given.seeds.begin(), given.seeds.end(), whole.local);
    if (place != given.seeds.end()) {
        out.self.ordinal = static_cast<std::uint32_t>(place - given.seeds.begin());
    }
    return out;
}

std::string seconds_of(duration length) {
    auto text = std::to_string(std::chrono::duration<double>{length}.count());
    text.erase(text.find_last_not_of('0') + 1);
    return (text.ends_with('.') ? text.substr(0, text.size() - 1) : text) + " s";
}

}  // namespace

conductor::conductor(cluster_state& whole, const context<conductor_protocol>& self)
    : whole_{whole}, self_{self}, node_{make_register_options(whole), self.random()}, peers_{whole},
      began_{self.now()}, tidy_at_{began_ + tidy_interval} {
    node_.start(began_);
}

duration conductor::until_due(time_point now) const {
    auto due = std::min(left_ ? time_point::max() : node_.due(), tidy_at_);
    if (!joined_ && !failed_ && !left_) {
        due = std::min(due, after(began_, whole_.options.join_time));
    }
    return std::max(due - now, duration::zero());
}

behavior<conductor_protocol> conductor::run(context<conductor_protocol> self, cluster_state* whole,
                                            std::unique_ptr<conductor> it) {
    it = std::make_unique<conductor>(*whole, self);
    it->settle(self.now());
    for (;;) {
        auto message = co_await self.receive_for(it->until_due(self.now()));
        // What is due comes first: the node may have been paused since the message came, and its
        // lease may be over.
        auto now = self.now();
        if (!it->left_ && it->node_.due() <= now) {
            it->node_.tick(now);
            it->settle(now);
        }
        if (message) {
            it->take(*message, now);
        }
        it->settle(now);
    }
}

void conductor::take(received<conductor_protocol>& message, time_point now) {
    if (auto post = message.get_if<letter>()) {
        peers_.heard(self_, post->from, post->sender);
        auto who = std::pair{post->from.host, post->from.port};
        if (!post->leaving) {
            leaving_.erase(who);
        } else if (leaving_.size() < view_limits::members) {
            leaving_.insert(std::move(who));
        }
        if (!left_) {
            node_.receive(now, post->from, post->content);
        }
    } else if (auto back = message.get_if<give_back>()) {
        const auto& known = node_.current();
        const auto* found = known == nullptr ? nullptr : known->find_space(back->space);
        if (found != nullptr) {
            node_.release(now, static_cast<std::uint32_t>(found - known->spaces.data()),
                          back->shard, back->drain_epoch);
        }
    } else if (auto wanted = message.get_if<want_view>()) {
        node_.look_for(now, wanted->epoch);
    } else if (auto asked = message.get_if<depart>()) {
        departing_.push_back(asked.later());
        if (left_) {
            std::exchange(departing_, {}).back()(true);
        } else {
            whole_.leaving = true;
            node_.leave(now);
        }
    } else if (auto added = message.get_if<add_watcher>()) {
        subscribe(added->who);
    } else if (message.get_if<fence_heard>()) {
        --fence_unheard_;
    } else if (auto ended = message.get_if<terminated>()) {
        std::erase_if(subscribers_, [&](const subscriber& each) { return ended->is(each.who); });
    }
}

// After every step: what it brought about is told before anything else can happen.
void conductor::settle(time_point now) {
    for (const auto& event : node_.take_events()) {
        handle(event);
    }
    publish_lease();
    for (auto& out : node_.take_outgoing()) {
        peers_.send(self_, out.to, std::move(out.content));
    }
    leave_with_all();
    publish_readiness(now);
    check_join(now);
    if (now >= tidy_at_) {
        peers_.tidy(now);
        tidy_at_ = now + tidy_interval;
    }
}

void conductor::handle(const register_event& event) {
    using kind = register_event::kind;
    switch (event.what) {
        case kind::view_changed:
            adopt_view();
            break;
        case kind::lease_moved:
            break;  // published after the events
        case kind::suspended:
            whole_.suspensions.add();
            // It may have been renewed in the same step: then that is told behind this.
            whole_.own_lease.set_end(time_point::min());
            tell_listeners(
                [](ownership_listener& to, core& here, const view_ptr&) { to.suspended(here); });
            change_standing(node_standing::suspended);
            break;
        case kind::resumed:
            // In time for those who look at once.
            publish_lease();
            tell_listeners(
                [](ownership_listener& to, core& here, const view_ptr&) { to.resumed(here); });
            change_standing(node_standing::member);
            break;
        case kind::fenced:
            fence();
            break;
        case kind::left:
            depart_now();
            break;
        case kind::refused:
            fail("the cluster '" + whole_.options.name + "' does not take this node: " + event.why);
            break;
    }
}

void conductor::depart_now() {
    left_ = true;
    publish_lease();
    change_standing(node_standing::outside);
    for (auto& each : std::exchange(departing_, {})) {
        each(true);
    }
}

// A cluster that ends as a whole has nobody to hand anything to, and nobody to wait for.
void conductor::leave_with_all() {
    const auto& known = node_.current();
    if (!whole_.leaving || left_ || known == nullptr) {
        return;
    }
    bool all = std::all_of(known->members.begin(), known->members.end(), [&](const member& each) {
        return each.uid == node_.uid() || each.phase == member_phase::draining ||
               leaving_.contains({each.address.host, each.address.port});
    });
    if (all && known->members.size() > 1) {
        depart_now();
    }
}

void conductor::adopt_view() {
    const auto& fresh = node_.current();
    // A node that begins anew, without its memory, may be told again what it knew.
    if (before_ != nullptr && before_->cluster_id == fresh->cluster_id &&
        fresh->epoch <= before_->epoch) {
        return;
    }
    whole_.views.add();
    bool member = fresh->find(node_.uid()) != nullptr;
    {
        auto guard = std::lock_guard{whole_.mutex};
        whole_.current = fresh;
        if (member) {
            whole_.self = node_.uid();
        }
    }
    joined_ = joined_ || member;
    tell_listeners([](ownership_listener& to, core& here, const view_ptr& now) {
        to.view_changed(here, now);
    });
    for (auto& each : subscribers_) {
        tell(each);
    }
    for (const auto& each : changes_between(before_.get(), *fresh)) {
        give_notice("member " + std::string{name(each.what)},
                    each.who.address.text() + " by view " + std::to_string(fresh->epoch));
    }
    before_ = fresh;
    if (member && whole_.standing == node_standing::outside && node_.lease_end() > self_.now()) {
        change_standing(node_standing::member);
    }
}

void conductor::fence() {
    whole_.fences.add();
    whole_.own_lease.set_end(time_point::min());
    {
        auto guard = std::lock_guard{whole_.mutex};
        whole_.self = {};
    }
    tell_listeners([](ownership_listener& to, core& here, const view_ptr&) { to.fenced(here); });
    change_standing(node_standing::outside);
    auto& here = this_core();
    auto back = self_.self();
    for (std::uint32_t id = 0; id < whole_.owner->cores(); ++id) {
        if (id != here.id()) {
            ++fence_unheard_;
            here.post(id, [back](core&) { back.tell(fence_heard{}); });
        }
    }
    here.owner().report({"node was fenced", self_.name(),
                         "it was removed from the cluster and comes back as another member"});
}

void conductor::give_notice(std::string_view what, std::string detail) {
    this_core().owner().report({what, self_.name(), std::move(detail), event_kind::notice});
}

void conductor::change_standing(node_standing to) {
    if (whole_.standing.exchange(to) == to) {
        return;
    }
    switch (to) {
        case node_standing::member:
            give_notice("node may serve", "its lease holds");
            break;
        case node_standing::suspended:
            give_notice("node is suspended", "it has not heard from a majority for too long");
            break;
        case node_standing::outside:
            give_notice("node is outside", "it is no member of the cluster now");
            break;
    }
    for (auto& each : subscribers_) {
        each.who.tell(cluster_standing{to});
    }
}

// Whoever acts compares with a clock that was read just now, so it does not matter when this comes.
void conductor::publish_lease() {
    const auto& guard = whole_.options.times.guard;
    auto end = node_.lease_end();
    bool holds = fence_unheard_ == 0 && !left_ && end - time_point{} > guard;
    whole_.own_lease.set_end(holds ? end - guard : time_point::min());
}

void conductor::publish_readiness(time_point now) {
    const auto& known = node_.current();
    const auto* own = known == nullptr ? nullptr : known->find(node_.uid());
    whole_.member_ready = own != nullptr && own->phase == member_phase::ready && !left_;
    if (whole_.standing == node_standing::outside && own != nullptr && !left_ &&
        whole_.own_lease.holds(now)) {
        change_standing(node_standing::member);
    }
    if (whole_.member_ready && !whole_.was_ready && node_.seats_held(now) && all_owned(*known)) {
        whole_.was_ready = true;
    }
}

void conductor::check_join(time_point now) {
    const auto& options = whole_.options;
    if (joined_ || failed_ || left_ || now < after(began_, options.join_time)) {
        return;
    }
    auto why = "the cluster '" + options.name + "' could not be joined within " +
               seconds_of(options.join_time);
    auto separator = std::string{": "};
    for (const auto& seed : options.seeds) {
        if (seed != whole_.local) {
            why += separator + peers_.story(seed);
            separator = "; ";
        }
    }
    fail(std::move(why));
}

void conductor::fail(std::string why) {
    if (std::exchange(failed_, true)) {
        return;
    }
    auto& runtime = this_core().owner();
    runtime.report({"node is in no cluster", self_.name(), why, event_kind::failure});
    runtime.fail(std::move(why));
}

void conductor::subscribe(const ref<cluster_watcher>& who) {
    self_.watch(who);
    auto& each = subscribers_.emplace_back(subscriber{who});
    const auto& known = node_.current();
    each.epoch = known == nullptr ? 0 : known->epoch;
    who.tell(cluster_snapshot{known, whole_.standing});
}

void conductor::tell(subscriber& each) {
    const auto& now = node_.current();
    auto before = std::exchange(each.epoch, now->epoch);
    if (before + 1 == now->epoch && before_ != nullptr && before_->epoch == before) {
        each.who.tell(cluster_changed{now, changes_between(before_.get(), *now)});
    } else {
        each.who.tell(cluster_snapshot{now, whole_.standing});
    }
}

void conductor::tell_listeners(void (*what)(ownership_listener&, core&, const view_ptr&)) {
    auto& here = this_core();
    auto now = node_.current();
    for (std::uint32_t id = 0; id < whole_.owner->cores(); ++id) {
        auto call = [what, now, all = &whole_.listeners](core& there) noexcept {
            for (auto* each : *all) {
                what(*each, there, now);
            }
        };
        if (id == here.id()) {
            call(here);
        } else {
            here.post(id, std::move(call));
        }
    }
}

}  // namespace cohort::detail
