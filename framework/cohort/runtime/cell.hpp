#pragma once

#include <coroutine>
#include <cstdint>

#include <cohort/runtime/handle.hpp>
#include <cohort/runtime/message.hpp>

namespace cohort {

struct cell;
struct io_wait;

inline constexpr std::uint16_t mailbox_limit_default = 1000;

/// Where a fiber stands. `idle` waits for a message, `blocked` for an answer or a timer (its frame
/// may be destroyed), `io` for something that holds a pointer into its frame (cancel, wait, then
/// destroy).
enum class run_state : std::uint8_t { idle, ready, running, blocked, io, finished };

/// One line of execution: an actor's own coroutine or one of its child tasks.
///
/// Invariants, asserted where they are made (docs/invariants.md has them all): R-1 a fiber is in a
/// run queue if and only if it is `ready` and not parked; R-2 an idle actor's mailbox is empty; R-3
/// a coroutine is resumed by its core's run loop only.
struct fiber {
    static constexpr std::uint8_t is_task = 1;    // a child task, not the actor's own coroutine
    static constexpr std::uint8_t cancelled = 2;  // destroy instead of resuming
    static constexpr std::uint8_t parked = 4;     // frozen: becomes ready, but does not run
    static constexpr std::uint8_t stopping = 8;   // the actor is ending
    static constexpr std::uint8_t senders_wait =
        16;  // the mailbox's limit or policy is not the default
    static constexpr std::uint8_t task_receives = 32;  // a child task waits for the next message
    static constexpr std::uint8_t gated = 64;          // the core's gate is asked before each slice

    /// Deliveries look at nothing else unless one of these is set.
    static constexpr std::uint8_t slow_delivery = parked | stopping | senders_wait | task_receives;

    fiber* next = nullptr;
    union {
        void* resume = nullptr;  // address of the coroutine to go on with
        io_wait* io;             // while the state is `io`
    };
    run_state state = run_state::blocked;
    std::uint8_t flags = 0;
    std::uint16_t limit = mailbox_limit_default;  // of the mailbox; unused in child tasks
    std::uint32_t generation = 0;                 // of the slot; unused in child tasks
};

/// What a fiber in state `io` waits for; it lies in the fiber's frame.
struct io_wait {
    void* resume = nullptr;
    fiber* waiter = nullptr;
    /// Asks the operation to end soon; its completion still comes. May be null.
    void (*cancel)(io_wait&) noexcept = nullptr;
};

struct cold_block;
struct root_promise;

/// An actor: its slot in the core's table, which is also its header, one cache line.
struct alignas(64) cell {
    fiber main;
    message* head = nullptr;
    message* tail = nullptr;
    std::uint32_t count = 0;       // of messages waiting, system messages included
    std::uint32_t position = 0;    // core << 24 | slot
    root_promise* root = nullptr;  // null while no coroutine exists
    cold_block* cold = nullptr;    // what few actors need, made when first needed

    [[nodiscard]] handle address() const noexcept { return handle::of(position, main.generation); }
    [[nodiscard]] bool alive() const noexcept { return root != nullptr || cold != nullptr; }
    /// Whether it waits for a message while there is none and nothing keeps it from taking one: a
    /// message that came now would be the next thing that it looks at.
    [[nodiscard]] bool at_rest() const noexcept {
        return main.state == run_state::idle && (main.flags & fiber::slow_delivery) == 0;
    }
};
static_assert(sizeof(cell) == 64, "a slot is one cache line");

/// A child task of an actor.
struct task_fiber : fiber {
    explicit task_fiber(cell& actor) noexcept : owner{&actor} { flags = is_task; }
    cell* owner;
    task_fiber* next_sibling = nullptr;
    task_fiber* previous_sibling = nullptr;
    /// While the task waits for tasks of its own: ends those. It becomes ready when they have
    /// ended.
    void (*cancel_below)(void* waited_for) noexcept = nullptr;
    void* waited_for = nullptr;
    /// Called by the run loop when the task has finished or, cancelled, may be destroyed.
    void (*settled)(task_fiber&) noexcept = nullptr;
};

[[nodiscard]] inline cell& owner_of(fiber& line) noexcept {
    return (line.flags & fiber::is_task) != 0 ? *static_cast<task_fiber&>(line).owner
                                              : *reinterpret_cast<cell*>(&line);
}

}  // namespace cohort
