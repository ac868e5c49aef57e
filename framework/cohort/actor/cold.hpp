#pragma once

#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <cohort/actor/behavior.hpp>
#include <cohort/actor/context.hpp>
#include <cohort/actor/supervision.hpp>

namespace cohort {

/// A child task that its actor owns.
struct started_task : task_fiber {
    started_task(cell& actor, task<void> work) : task_fiber{actor}, body{std::move(work)} {}
    task<void> body;
};

/// What few actors need, made when an actor first needs it.
struct cold_block {
    explicit cold_block(cell& actor) noexcept : owner{&actor}, restart_timer{actor, nullptr} {}

    cell* owner;

    // The tree. The actor's own place in it lies in its coroutine's promise while there is one.
    std::uint32_t first_child = root_promise::none;
    std::uint32_t children = 0;
    std::uint32_t parent = root_promise::none;
    std::uint32_t previous = root_promise::none;
    std::uint32_t next = root_promise::none;
    std::uint32_t protocol = 0;

    // Death watch.
    std::vector<actor_address> watchers;
    std::vector<actor_address> watching;

    // How it was started, and how it ends.
    std::unique_ptr<detail::spawn_recipe> recipe;
    std::string name;
    cohort::supervision supervision;
    std::function<void(exit_reason)> on_exit;
    bool restart_for_mail = false;
    bool stop_asked = false;  // never begins again
    bool parked = false;      // ended parked: begins again parked
    exit_reason reason = exit_reason::stopped;
    std::exception_ptr thrown;
    std::shared_ptr<const failure> why;
    timer_of<cell> restart_timer;
    time_point window_start{};
    unsigned restarts = 0;

    // Child tasks.
    task_fiber* tasks = nullptr;
    task_fiber* receiver = nullptr;

    // The mailbox.
    struct waiting_sender {
        message* node;
        handle reply;
    };
    mailbox_policy policy = mailbox_policy::refuse;
    std::deque<waiting_sender> senders;
};

/// Calls `action` for the actor's own line and for each of its child tasks.
template <class Action>
void each_line(cell& actor, Action action) noexcept {
    action(actor.main);
    if (actor.cold != nullptr) {
        for (auto* line = actor.cold->tasks; line != nullptr; line = line->next_sibling) {
            action(static_cast<fiber&>(*line));
        }
    }
}

}  // namespace cohort
