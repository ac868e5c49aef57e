#include <cohort/actor/detail/watch.hpp>
#include <cohort/actor/lifecycle.hpp>
#include <cohort/world/mutant.hpp>

#include <algorithm>

namespace cohort {
namespace {

template <class Action>
void on_core_of(core& here, handle target, Action action) noexcept {
    if (target.core() == here.id()) {
        action(here);
    } else {
        here.post(target.core(), std::move(action));
    }
}

void send_terminated(core& here, const actor_address& watcher, terminated news) noexcept {
    if (watcher.remote()) {
        auto why = news.why ? news.why->message() : std::string{};
        here.remote().terminated(watcher, news.who.at, static_cast<std::uint8_t>(news.reason), why);
        return;
    }
    on_core_of(here, watcher.at, [to = watcher.at, news = std::move(news)](core& home) mutable {
        deliver_terminated(home, to, std::move(news));
    });
}

void end_watch(core& here, handle watcher, const actor_address& target) noexcept {
    if (target.remote()) {
        here.remote().unwatch(watcher, target);
        return;
    }
    on_core_of(here, target.at, [target = target.at, watcher](core& home) {
        remove_watcher(home, target, {watcher});
    });
}

}  // namespace

bool detail::may_come_back(const cell& actor) noexcept {
    const auto* cold = actor.cold;
    if (cold == nullptr || !cold->recipe || cold->stop_asked) {
        return false;
    }
    return cold->reason == exit_reason::failed
               ? cold->supervision.may_restart()
               : cold->reason == exit_reason::normal && cold->restart_for_mail;
}

void detail::tell_watchers(core& here, cell& actor) noexcept {
    auto& cold = *actor.cold;
    auto self = actor.address();
    for (const auto& watcher : cold.watchers) {
        send_terminated(here, watcher, {{self}, cold.reason, cold.why});
    }
    for (const auto& target : cold.watching) {
        end_watch(here, self, target);
    }
}

void detail::watch(core& here, cell& watcher, const actor_address& target) {
    auto& watching = lifecycle::cold_of(watcher).watching;
    if (std::find(watching.begin(), watching.end(), target) != watching.end()) {
        return;
    }
    watching.push_back(target);
    auto self = watcher.address();
    if (target.remote()) {
        here.remote().watch(self, target);
        return;
    }
    on_core_of(here, target.at,
               [target = target.at, self](core& home) { add_watcher(home, target, {self}); });
}

void detail::unwatch(core& here, cell& watcher, const actor_address& target) noexcept {
    if (watcher.cold != nullptr && std::erase(watcher.cold->watching, target) != 0) {
        end_watch(here, watcher.address(), target);
    }
}

void deliver_terminated(core& here, handle watcher, terminated news) noexcept {
    auto* target = here.find(watcher);
    if (target == nullptr || target->cold == nullptr ||
        ((target->main.flags & fiber::stopping) != 0 && !detail::may_come_back(*target))) {
        return;
    }
    auto& watching = target->cold->watching;
    auto found = std::find(watching.begin(), watching.end(), news.who);
    if (!COHORT_MUTANT(terminated_twice)) {
        if (found == watching.end()) {
            return;  // unwatched meanwhile
        }
        watching.erase(found);
    }
    auto* node = make_node<tell_node<terminated>>(system_type<terminated>, std::move(news));
    here.deliver(watcher, node);
}

void add_watcher(core& here, handle target, const actor_address& watcher) noexcept {
    auto* actor = here.find(target);
    if (actor == nullptr) {
        send_terminated(here, watcher, {{target}, exit_reason::normal, nullptr});
        return;
    }
    auto& watchers = lifecycle::cold_of(*actor).watchers;
    // Only nodes ask twice: when a connection was lost, and what was on it.
    if (!watcher.remote() ||
        std::find(watchers.begin(), watchers.end(), watcher) == watchers.end()) {
        watchers.push_back(watcher);
    }
}

void remove_watcher(core& here, handle target, const actor_address& watcher) noexcept {
    auto* actor = here.find(target);
    if (actor != nullptr && actor->cold != nullptr) {
        std::erase(actor->cold->watchers, watcher);
    }
}

void remove_watchers_of(core& here, handle target, std::uint32_t place,
                        std::uint32_t generation) noexcept {
    auto* actor = here.find(target);
    if (actor != nullptr && actor->cold != nullptr) {
        std::erase_if(actor->cold->watchers, [&](const actor_address& each) {
            return each.remote() && each.place() == place && each.generation == generation;
        });
    }
}

// what an actor understands

namespace {

// Filled before `main` and only read afterwards.
std::vector<std::vector<const message_type*>>& protocols() {
    static auto all = std::vector<std::vector<const message_type*>>(1);
    return all;
}

}  // namespace

std::uint32_t detail::number_protocol(std::vector<const message_type*> types) {
    protocols().push_back(std::move(types));
    return static_cast<std::uint32_t>(protocols().size() - 1);
}

bool understands(const cell& actor, const message_type& type) noexcept {
    auto number = actor.root != nullptr ? actor.root->protocol
                                        : (actor.cold != nullptr ? actor.cold->protocol : 0);
    const auto& types = protocols()[number];
    return std::find(types.begin(), types.end(), &type) != types.end();
}

}  // namespace cohort
