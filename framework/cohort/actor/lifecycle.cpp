#include <cohort/actor/detail/names.hpp>
#include <cohort/actor/detail/watch.hpp>
#include <cohort/actor/lifecycle.hpp>
#include <cohort/world/mutant.hpp>

#include <algorithm>
#include <cxxabi.h>

#include <fmt/format.h>

namespace cohort {
namespace {

using detail::may_come_back;

constexpr auto none = root_promise::none;

void try_finish(core& here, cell& actor) noexcept;
void begin_stop(core& here, cell& actor, exit_reason reason,
                std::shared_ptr<const failure> why) noexcept;

}  // namespace

cold_block& lifecycle::cold_of(cell& actor) {
    if (actor.cold == nullptr) {
        actor.cold = new cold_block{actor};
    }
    return *actor.cold;
}

void root_promise::unhandled_exception() {
    lifecycle::cold_of(*owner).thrown = std::current_exception();
}

namespace {

// the tree

struct place {
    std::uint32_t& parent;
    std::uint32_t& previous;
    std::uint32_t& next;
};

place place_of(cell& actor) noexcept {
    if (actor.root != nullptr) {
        return {actor.root->parent, actor.root->previous, actor.root->next};
    }
    return {actor.cold->parent, actor.cold->previous, actor.cold->next};
}

void link_child(core& here, cell& parent, cell& child) {
    auto& family = lifecycle::cold_of(parent);
    auto here_is = place_of(child);
    auto slot = child.address().slot();
    here_is.parent = parent.address().slot();
    here_is.previous = none;
    here_is.next = family.first_child;
    if (family.first_child != none) {
        place_of(here.cell_at(family.first_child)).previous = slot;
    }
    family.first_child = slot;
    ++family.children;
}

// Takes a child out of the tree; returns its parent, or null.
cell* unlink_child(core& here, cell& child) noexcept {
    auto at = place_of(child);
    if (at.parent == none) {
        return nullptr;
    }
    auto& parent = here.cell_at(at.parent);
    COHORT_ASSERT(parent.cold != nullptr && parent.cold->children > 0,
                  "R-6: a parent knows its children");
    if (at.previous != none) {
        place_of(here.cell_at(at.previous)).next = at.next;
    } else {
        parent.cold->first_child = at.next;
    }
    if (at.next != none) {
        place_of(here.cell_at(at.next)).previous = at.previous;
    }
    at.parent = at.previous = at.next = none;
    --parent.cold->children;
    return &parent;
}

// child tasks

// Whether the frames of an actor may be destroyed; asks its lines to get there where they do not
// stand so. Each of them is a line of the actor, so none is asked to end those that it waits for.
bool at_rest(core& here, cell& actor) noexcept {
    bool all = true;
    each_line(actor, [&](fiber& line) { all = here.come_to_rest(line) && all; });
    return all;
}

// Destroys something with frames of an actor that ends; requests that they hold hear of that.
template <class Destroy>
void destroy_ending(Destroy destroy) noexcept {
    bool outer = this_core().set_ending(true);
    destroy();
    this_core().set_ending(outer);
}

void destroy_root(cell& actor) noexcept {
    destroy_ending([&] { std::exchange(actor.root, nullptr)->frame().destroy(); });
}

void settle_started(task_fiber& line) noexcept {
    auto& here = this_core();
    auto& self = static_cast<started_task&>(line);
    auto& actor = *self.owner;
    auto failure =
        line.state == run_state::finished ? self.body.handle().promise().failure : nullptr;
    here.keeper().disown(self);
    if (!failure) {
        delete &self;
    } else {
        destroy_ending([&] { delete &self; });
        lifecycle::cold_of(actor).thrown = failure;
        begin_stop(here, actor, exit_reason::failed, nullptr);
    }
}

// Destroys the tasks that the actor itself owns; others belong to frames.
void destroy_started(cell& actor) noexcept {
    auto* line = actor.cold->tasks;
    while (line != nullptr) {
        auto* next = line->next_sibling;
        if (line->settled == &settle_started) {
            this_core().keeper().disown(*line);
            destroy_ending([&] { delete static_cast<started_task*>(line); });
        }
        line = next;
    }
}

// stopping

std::pair<std::string, std::string> describe_exception(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& known) {
        int status = 0;
        auto* plain = abi::__cxa_demangle(typeid(known).name(), nullptr, nullptr, &status);
        auto type = std::string{plain != nullptr ? plain : typeid(known).name()};
        std::free(plain);
        return {type, known.what()};
    } catch (...) {
        return {"unknown exception", "not derived from std::exception"};
    }
}

std::shared_ptr<const failure> make_failure(core& here, cell& actor,
                                            const std::exception_ptr& thrown) {
    auto [type, what] = describe_exception(thrown);
    auto name = detail::name_of(here, actor) + "@" + detail::address_text(actor.address());
    return std::make_shared<const failure>(failure{actor.address(), name, type, what, nullptr});
}

void stop_children(core& here, cell& actor) noexcept {
    for (auto slot = actor.cold->first_child; slot != none;) {
        auto& child = here.cell_at(slot);
        slot = place_of(child).next;
        // Through the queue, so that a deep tree does not become a deep stack.
        here.urgently({[](core& home, handle target) noexcept { home.keeper().stop(home, target); },
                       child.address()});
    }
}

void finish_later(core& here, cell& actor) noexcept {
    here.urgently({[](core& home, handle target) noexcept {
                       if (auto* found = home.find(target)) {
                           try_finish(home, *found);
                       }
                   },
                   actor.address()});
}

// An actor that ends is not parked any more, so that its operations can come back. What was ready
// in it is in no queue and must not run again: it has come to rest.
void thaw_to_end(core& here, cell& actor) noexcept {
    if (COHORT_MUTANT(parked_actor_lost) || (actor.main.flags & fiber::parked) == 0) {
        return;
    }
    if (actor.cold != nullptr) {
        actor.cold->parked = true;
    }
    each_line(actor, [&](fiber& line) {
        line.flags &= static_cast<std::uint8_t>(~fiber::parked);
        if (line.state == run_state::ready) {
            line.state = run_state::blocked;
        }
        if ((line.flags & fiber::is_task) != 0) {
            static_cast<void>(here.come_to_rest(line));
        }
    });
}

void begin_stop(core& here, cell& actor, exit_reason reason,
                std::shared_ptr<const failure> why) noexcept {
    bool stopping = (actor.main.flags & fiber::stopping) != 0;
    if (reason == exit_reason::stopped && actor.cold != nullptr) {
        // Also when it is ending already: what was told to stop does not begin again.
        actor.cold->stop_asked = true;
    }
    if (stopping && reason != exit_reason::failed) {
        return;
    }
    if (reason == exit_reason::failed) {
        auto& cold = lifecycle::cold_of(actor);
        if (stopping && cold.why) {
            return;  // the first failure is the one that is told
        }
        cold.why = why ? std::move(why) : make_failure(here, actor, cold.thrown);
    }
    if (actor.cold != nullptr) {
        // A stop that came first wins over a failure on the way; a return does not.
        if (!stopping || actor.cold->reason == exit_reason::normal) {
            actor.cold->reason = reason;
        }
        here.timers().cancel(actor.cold->restart_timer);
    }
    if (stopping) {
        return;
    }
    actor.main.flags |= fiber::stopping;
    thaw_to_end(here, actor);
    if (here.current() != nullptr && &owner_of(*here.current()) == &actor) {
        here.end_slice();
    }
    if (actor.cold != nullptr && actor.cold->children != 0) {
        stop_children(here, actor);
    }
    finish_later(here, actor);
}

void destroy_frames(cell& actor) noexcept {
    if (actor.cold != nullptr && actor.cold->tasks != nullptr) {
        destroy_started(actor);
    }
    if (actor.root != nullptr) {
        auto at = place_of(actor);
        if (actor.cold != nullptr) {
            actor.cold->parent = at.parent;
            actor.cold->previous = at.previous;
            actor.cold->next = at.next;
            actor.cold->protocol = actor.root->protocol;
        }
        actor.main.resume = nullptr;
        destroy_root(actor);
    }
}

void drain_mailbox(core& here, cell& actor) noexcept {
    while (auto* node = actor.head) {
        actor.head = node->next;
        --actor.count;
        if (node->type->system) {
            destroy_message(*node);
        } else {
            here.dead_letter(node, errc::terminated);
        }
    }
    actor.tail = nullptr;
    if (actor.cold != nullptr) {
        for (auto& waiting : actor.cold->senders) {
            here.fail_reply(waiting.reply, error{errc::terminated}.with(executed::no));
            here.dead_letter(waiting.node, errc::terminated);
        }
        actor.cold->senders.clear();
    }
}

// The parent fails by what its child failed by, so that the rules for it are asked about that.
void escalate(core& here, cell* parent, const std::shared_ptr<const failure>& why,
              std::exception_ptr thrown) noexcept {
    if (parent == nullptr) {
        here.owner().report({"failure escalated", why->actor, why->reason(), event_kind::failure});
        here.owner().fail(why->message());
        return;
    }
    auto name = detail::name_of(here, *parent) + "@" + detail::address_text(parent->address());
    auto outer = std::make_shared<const failure>(
        failure{parent->address(), name, "child failed", why->actor + " escalated", why});
    auto& cold = lifecycle::cold_of(*parent);
    if (!cold.thrown) {
        cold.thrown = std::move(thrown);
    }
    begin_stop(here, *parent, exit_reason::failed, std::move(outer));
}

// The end of an actor: its ref is stale afterwards.
void terminate(core& here, cell& actor, bool escalates) noexcept {
    auto why = actor.cold->why;
    auto thrown = actor.cold->thrown;
    if (actor.cold->on_exit) {
        auto last_words = std::move(actor.cold->on_exit);
        last_words(actor.cold->reason);
    }
    destroy_ending([&] { drain_mailbox(here, actor); });
    detail::tell_watchers(here, actor);
    auto* parent = unlink_child(here, actor);
    COHORT_ASSERT(actor.cold->children == 0 && actor.cold->tasks == nullptr,
                  "R-6: children and tasks end before their actor");
    delete std::exchange(actor.cold, nullptr);
    here.release_cell(actor);
    if (parent != nullptr && (parent->main.flags & fiber::stopping) != 0) {
        finish_later(here, *parent);
    }
    if (escalates) {
        escalate(here, parent, why, std::move(thrown));
    }
}

// Makes a cell whose frames are gone ready to begin again.
void renew(cell& actor) noexcept {
    auto& cold = *actor.cold;
    actor.main.flags &= static_cast<std::uint8_t>(~(fiber::stopping | fiber::cancelled));
    if (std::exchange(cold.parked, false)) {
        actor.main.flags |= fiber::parked;
    }
    actor.main.state = run_state::blocked;
    cold.thrown = nullptr;
    cold.why = nullptr;
    cold.reason = exit_reason::stopped;
}

void launch(core& here, cell& actor) noexcept {
    auto& cold = *actor.cold;
    try {
        auto& root = cold.recipe->start(actor);
        root.parent = cold.parent;
        root.previous = cold.previous;
        root.next = cold.next;
        actor.root = &root;
        actor.main.resume = root.frame().address();
        here.make_ready(actor.main);
    } catch (...) {
        cold.thrown = std::current_exception();
        begin_stop(here, actor, exit_reason::failed, nullptr);
    }
}

void restart(core& here, cell& actor) noexcept {
    auto& cold = *actor.cold;
    renew(actor);
    here.counters().restarted.add();
    auto& options = cold.supervision.restart();
    auto wait = std::min(options.backoff, options.backoff_max);
    for (auto i = 1U; i < cold.restarts && wait < options.backoff_max; ++i) {
        wait = wait > options.backoff_max / 2 ? options.backoff_max : wait * 2;
    }
    if (wait <= duration::zero()) {
        launch(here, actor);
        return;
    }
    cold.restart_timer.fire = [](wheel_timer& timer) noexcept {
        launch(this_core(), timer_of<cell>::owner_of(timer));
    };
    here.timers().arm(cold.restart_timer, here.now() + wait);
}

bool may_restart(core& here, cold_block& cold) noexcept {
    auto& options = cold.supervision.restart();
    auto now = here.turn_time();
    if (cold.restarts == 0 || now - cold.window_start > options.within) {
        cold.window_start = now;
        cold.restarts = 0;
    }
    return ++cold.restarts <= options.times;
}

// The common end: nobody has to be told but a parent that waits for its children.
void finish_plain(core& here, cell& actor) noexcept {
    auto* parent = unlink_child(here, actor);
    destroy_root(actor);
    if (actor.cold != nullptr) {
        // A destructor watched, spawned or started something: the actor ends the long way.
        actor.cold->reason =
            actor.main.state == run_state::finished ? exit_reason::normal : exit_reason::stopped;
        if (parent != nullptr) {
            link_child(here, *parent, actor);
        }
        finish_later(here, actor);
        return;
    }
    destroy_ending([&] { drain_mailbox(here, actor); });
    here.release_cell(actor);
    if (parent != nullptr && (parent->main.flags & fiber::stopping) != 0) {
        finish_later(here, *parent);
    }
}

// Nothing of the actor is left but its cell: decides what comes next.
void finish(core& here, cell& actor) noexcept {
    auto* cold = actor.cold;
    bool escalates = false;
    bool again = false;
    if (cold->why) {
        here.counters().failed.add();
        here.owner().report(
            {"actor failed", cold->why->actor, cold->why->reason(), event_kind::failure});
    }
    if (cold->reason == exit_reason::failed) {
        COHORT_ASSERT(cold->thrown, "R-17: what failed knows by which exception");
        auto decision = cold->supervision.decide(cold->thrown);
        escalates = decision == directive::escalate;
        again = decision == directive::restart && may_come_back(actor) && may_restart(here, *cold);
    }
    if (again) {
        restart(here, actor);
        return;
    }
    if (cold->reason == exit_reason::normal && actor.head != nullptr && may_come_back(actor)) {
        renew(actor);
        launch(here, actor);
        return;
    }
    terminate(here, actor, escalates);
}

void try_finish(core& here, cell& actor) noexcept {
    if ((actor.main.flags & fiber::stopping) == 0) {
        return;
    }
    if (actor.cold != nullptr && actor.cold->children != 0) {
        return;  // the last child to end comes back here
    }
    if (!at_rest(here, actor)) {
        return;  // the last of them to come to rest comes back here
    }
    if (actor.cold == nullptr) {
        finish_plain(here, actor);
        return;
    }
    destroy_frames(actor);
    if (actor.cold->children != 0 || actor.cold->tasks != nullptr) {
        // A destructor spawned or started something; that ends first.
        finish_later(here, actor);
        return;
    }
    finish(here, actor);
}

}  // namespace

// what cores call

void lifecycle::settle(core& here, fiber& line) noexcept {
    auto& actor = owner_of(line);
    bool stopping = (actor.main.flags & fiber::stopping) != 0;
    if ((line.flags & fiber::is_task) != 0) {
        if (!stopping) {
            auto& child = static_cast<task_fiber&>(line);
            child.settled(child);
            return;
        }
    } else if (line.state == run_state::finished && !stopping) {
        bool failed = actor.cold != nullptr && actor.cold->thrown != nullptr;
        if (actor.cold == nullptr) {
            actor.main.flags |= fiber::stopping;
        } else {
            begin_stop(here, actor, failed ? exit_reason::failed : exit_reason::normal, nullptr);
        }
    } else if (line.state == run_state::finished && actor.cold != nullptr && actor.cold->thrown) {
        begin_stop(here, actor, exit_reason::failed, nullptr);
    }
    try_finish(here, actor);
}

void lifecycle::stop(core& here, handle target) noexcept {
    if (auto* actor = here.find(target)) {
        begin_stop(here, *actor, exit_reason::stopped, nullptr);
    }
}

void lifecycle::stop_all(core& here) noexcept {
    for (std::uint32_t slot = 0; slot < here.slots_used(); ++slot) {
        auto& actor = here.cell_at(slot);
        if ((actor.root != nullptr || actor.cold != nullptr) && place_of(actor).parent == none) {
            begin_stop(here, actor, exit_reason::stopped, nullptr);
        }
    }
}

void lifecycle::abandon_all(core& here) noexcept {
    for (std::uint32_t slot = 0; slot < here.slots_used(); ++slot) {
        auto& actor = here.cell_at(slot);
        if (!actor.alive()) {
            continue;
        }
        bool told = false;
        each_line(actor, [&](fiber& line) {
            if (line.state == run_state::io) {
                here.owner().report({"operation ignores cancellation", describe(here, line),
                                     "the actor is abandoned at the end of the process"});
                told = true;
            }
        });
        if (!told && (actor.cold == nullptr || actor.cold->children == 0)) {
            here.owner().report({"actor does not end", describe(here, actor.main),
                                 "the actor is abandoned at the end of the process"});
        }
    }
    here.owner().abandon();
}

void lifecycle::deliver_slowly(core& here, cell& target, message* node) noexcept {
    if ((target.main.flags & fiber::stopping) != 0 && !may_come_back(target)) {
        auto system = node->type->system;
        system ? destroy_message(*node) : here.dead_letter(node, errc::terminated);
        return;
    }
    if (target.count >= target.main.limit && !node->type->system) {
        auto policy = target.cold != nullptr ? target.cold->policy : mailbox_policy::refuse;
        (policy == mailbox_policy::refuse ? here.counters().refused : here.counters().dropped)
            .add();
        if (policy == mailbox_policy::drop_oldest && !target.head->type->system) {
            here.append(target, node);
            node = target.head;
            target.head = node->next;
            --target.count;
        }
        if (node->type->request) {
            here.fail_reply(static_cast<request_message*>(node)->header.reply, errc::overloaded);
        }
        destroy_message(*node);
        return;
    }
    here.append(target, node);
    if ((target.main.flags & fiber::task_receives) != 0) {
        auto* receiver = std::exchange(target.cold->receiver, nullptr);
        target.main.flags &= static_cast<std::uint8_t>(~fiber::task_receives);
        here.make_ready(*receiver);
    }
}

void lifecycle::admit(core& here, handle target, message* node, handle reply) noexcept {
    auto* actor = here.find(target);
    if (actor == nullptr ||
        ((actor->main.flags & fiber::stopping) != 0 && !may_come_back(*actor))) {
        here.fail_reply(reply, error{errc::terminated}.with(executed::no));
        here.dead_letter(node, errc::terminated);
        return;
    }
    if (actor->count >= actor->main.limit ||
        (actor->cold != nullptr && !actor->cold->senders.empty())) {
        cold_of(*actor).senders.push_back({node, reply});
        actor->main.flags |= fiber::senders_wait;
        return;
    }
    here.deliver(target, node);
    send_reply<void>(reply, result<void>{});
}

void lifecycle::withdraw(core& here, handle target, handle reply) noexcept {
    auto* actor = here.find(target);
    if (actor == nullptr || actor->cold == nullptr) {
        return;
    }
    auto& senders = actor->cold->senders;
    auto found = std::find_if(senders.begin(), senders.end(),
                              [&](const auto& each) { return each.reply == reply; });
    if (found == senders.end()) {
        return;
    }
    destroy_message(*found->node);
    senders.erase(found);
    if (senders.empty()) {
        actor->main.flags &= static_cast<std::uint8_t>(~fiber::senders_wait);
    }
}

void lifecycle::taken(core& here, cell& target) noexcept {
    auto& cold = *target.cold;
    while (!cold.senders.empty() && target.count < target.main.limit) {
        auto waiting = cold.senders.front();
        cold.senders.pop_front();
        here.append(target, waiting.node);
        send_reply<void>(waiting.reply, result<void>{});
    }
    if (cold.senders.empty()) {
        target.main.flags &= static_cast<std::uint8_t>(~fiber::senders_wait);
    }
}

void lifecycle::adopt(task_fiber& line) {
    auto& cold = cold_of(*line.owner);
    line.previous_sibling = nullptr;
    line.next_sibling = cold.tasks;
    if (cold.tasks != nullptr) {
        cold.tasks->previous_sibling = &line;
    }
    cold.tasks = &line;
}

void lifecycle::disown(task_fiber& line) noexcept {
    auto& cold = *line.owner->cold;
    (line.previous_sibling != nullptr ? line.previous_sibling->next_sibling : cold.tasks) =
        line.next_sibling;
    if (line.next_sibling != nullptr) {
        line.next_sibling->previous_sibling = line.previous_sibling;
    }
    line.next_sibling = line.previous_sibling = nullptr;
}

void lifecycle::begin_receive(cell& actor, task_fiber& line) {
    auto& cold = cold_of(actor);
    COHORT_ASSERT(cold.receiver == nullptr && actor.main.state != run_state::idle,
                  "R-4: only one coroutine of an actor waits for the next message at a time");
    cold.receiver = &line;
    actor.main.flags |= fiber::task_receives;
}

void lifecycle::end_receive(cell& actor, task_fiber& line) noexcept {
    // Another task may wait by now when a message had reached this one already.
    if (actor.cold->receiver == &line) {
        actor.cold->receiver = nullptr;
        actor.main.flags &= static_cast<std::uint8_t>(~fiber::task_receives);
    }
}

std::string lifecycle::describe(core& here, fiber& line) {
    auto& actor = owner_of(line);
    auto text = detail::name_of(here, actor) + "@" + detail::address_text(actor.address());
    auto* frame = line.state == run_state::io ? line.io->resume : line.resume;
    if (line.state == run_state::finished || line.state == run_state::running || frame == nullptr) {
        return text;  // what runs has no leaf to read
    }
    auto& leaf = std::coroutine_handle<promise_base>::from_address(frame).promise();
    for (auto* each = &leaf; each != nullptr; each = each->parent) {
        text += (each == &leaf ? " in " : " awaited by ") + detail::function_of(*each);
    }
    return text;
}

// starting

cell& detail::prepare_cell(core& here) { return here.acquire_cell(); }

void detail::launch_cell(core& here, cell& slot, root_promise& root, cell* parent) noexcept {
    slot.root = &root;
    slot.main.resume = root.frame().address();
    if (parent != nullptr) {
        link_child(here, *parent, slot);
    }
    // What is born while its parent or its core ends goes with it.
    if (parent != nullptr ? (parent->main.flags & fiber::stopping) != 0 : here.stopping()) {
        here.urgently({[](core& home, handle target) noexcept { home.keeper().stop(home, target); },
                       slot.address()});
    }
    here.make_ready(slot.main);
}

cell& detail::spawn_cell(core& here, cell* parent, std::unique_ptr<spawn_recipe> recipe,
                         spawn_options options) {
    auto& slot = here.acquire_cell();
    root_promise* root = nullptr;
    try {
        auto& cold = lifecycle::cold_of(slot);
        root = &recipe->start(slot);
        if (options.supervision.may_restart() || options.restart_for_mail) {
            cold.recipe = std::move(recipe);
        }
        cold.name = std::move(options.name);
        cold.supervision = std::move(options.supervision);
        cold.restart_for_mail = options.restart_for_mail;
        cold.on_exit = std::move(options.on_exit);
        cold.policy = options.policy;
        slot.main.limit = std::max<std::uint16_t>(1, options.mailbox_limit);
    } catch (...) {
        delete std::exchange(slot.cold, nullptr);
        here.release_cell(slot);
        throw;
    }
    launch_cell(here, slot, *root, parent);
    return slot;
}

void detail::start_task(cell& actor, task<void> body) {
    auto& here = this_core();
    auto* line = new started_task{actor, std::move(body)};
    line->settled = &settle_started;
    line->resume = line->body.handle().address();
    here.keeper().adopt(*line);
    here.make_ready(*line);
}

}  // namespace cohort
