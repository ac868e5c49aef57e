#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <cohort/runtime/byte_ring.hpp>
#include <cohort/runtime/cell.hpp>
#include <cohort/runtime/counters.hpp>
#include <cohort/runtime/message.hpp>
#include <cohort/runtime/pending.hpp>
#include <cohort/runtime/remote.hpp>
#include <cohort/runtime/wheel.hpp>
#include <cohort/world/world.hpp>

namespace cohort {

class core;
class runtime;

/// Decides what happens to actors around their run: implemented by the actor layer, called by
/// cores.
///
/// Thread: the core's.
class cell_keeper {
public:
    virtual ~cell_keeper() = default;
    /// A fiber has come to rest: it finished, or its actor is stopping, or it was cancelled.
    virtual void settle(core& here, fiber& line) noexcept = 0;
    /// A message for an actor with a flag of `fiber::slow_delivery` or a full mailbox.
    virtual void deliver_slowly(core& here, cell& target, message* node) noexcept = 0;
    /// Stops an actor; null and stale handles are ignored.
    virtual void stop(core& here, handle target) noexcept = 0;
    /// Puts a message into a mailbox as soon as it has room, then answers `reply` (a pending ask of
    /// `void`).
    virtual void admit(core& here, handle target, message* node, handle reply) noexcept = 0;
    /// Takes a message back that `admit` was given and that no mailbox has taken yet: nobody waits
    /// for `reply` any more.
    virtual void withdraw(core& here, handle target, handle reply) noexcept = 0;
    /// A message was taken from a mailbox whose `senders_wait` flag is set.
    virtual void taken(core& here, cell& target) noexcept = 0;
    /// Registers a child task with its actor, which waits for it before it ends.
    virtual void adopt(task_fiber& line) = 0;
    virtual void disown(task_fiber& line) noexcept = 0;
    /// Notes that a child task, instead of the actor's own coroutine, takes the next message.
    virtual void begin_receive(cell& actor, task_fiber& line) = 0;
    /// The task gave up, or has its message.
    virtual void end_receive(cell& actor, task_fiber& line) noexcept = 0;
    /// Starts to stop every actor of the core.
    virtual void stop_all(core& here) noexcept = 0;
    /// Destroys what is left when the core ends although operations never came back.
    virtual void abandon_all(core& here) noexcept = 0;
    /// Writes the name of an actor and its await chain, for people. Best effort from a crash
    /// handler.
    virtual std::string describe(core& here, fiber& line) = 0;
};

/// Decides, right before a slice of an actor that is `fiber::gated`, whether it may run now.
///
/// Thread: its core's.
class slice_gate {
public:
    virtual ~slice_gate() = default;
    [[nodiscard]] virtual bool open(core& here) noexcept = 0;
    /// The line was about to run and did not: it is ready, in no queue, and the gate's to park.
    virtual void held_back(core& here, fiber& line) noexcept = 0;
};

/// One core of a node: a thread, its actors and everything they use. Nothing of it is shared; other
/// cores reach it through rings, other threads through its inbox.
///
/// Thread: its own, except where a member says `any thread`.
class core {
public:
    core(runtime& owner, std::uint32_t id, std::uint32_t cores);
    core(const core&) = delete;
    core& operator=(const core&) = delete;
    ~core();

    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] runtime& owner() const noexcept { return owner_; }
    [[nodiscard]] cohort::world& world() const noexcept;
    [[nodiscard]] cohort::reactor& reactor() const noexcept { return *reactor_; }
    [[nodiscard]] cohort::wheel& timers() noexcept { return wheel_; }
    [[nodiscard]] core_counters& counters() noexcept { return counters_; }

    /// The clock, read now. See `turn_time` for most uses.
    [[nodiscard]] time_point now() const noexcept;
    /// The clock as it was read at the start of this turn of the loop.
    [[nodiscard]] time_point turn_time() const noexcept { return turn_time_; }

    /// The clock for a length of time that begins here: the turn's reading while that is not older
    /// than 0.1 ms or so, which costs a third of a reading, else read now. A turn may be as long as
    /// the slowest actor makes it.
    [[nodiscard]] time_point fresh_time() const noexcept {
        return COHORT_LIKELY(cycle_count() - turn_cycles_ < cycles_fresh_) ? turn_time_ : now();
    }

    // -- actors ---------------------------------------------------------------------------------

    /// The living actor behind a handle of this core, or null.
    [[nodiscard]] cell* find(handle address) noexcept {
        auto slot = address.slot();
        if (!COHORT_LIKELY(slot < slots_used_)) {
            return nullptr;
        }
        auto& found = cell_at(slot);
        return COHORT_LIKELY(found.main.generation == address.generation()) ? &found : nullptr;
    }
    [[nodiscard]] cell& cell_at(std::uint32_t slot) noexcept { return cells_[slot]; }
    [[nodiscard]] std::uint32_t slots_used() const noexcept { return slots_used_; }
    [[nodiscard]] std::uint32_t live_cells() const noexcept { return live_; }
    /// Whether its actors were told to end: what is spawned now ends at once.
    [[nodiscard]] bool stopping() const noexcept { return stopping_; }

    /// Takes a free slot. Throws `std::bad_alloc` when all 16 M are taken.
    [[nodiscard]] cell& acquire_cell();
    /// Gives a slot back; its handles are stale from now on.
    void release_cell(cell& dead) noexcept;

    // -- running --------------------------------------------------------------------------------

    [[nodiscard]] fiber* current() const noexcept { return current_; }

    /// Puts a fiber at the end of the run queue, unless its actor is parked.
    void make_ready(fiber& line) noexcept {
        COHORT_ASSERT(line.state != run_state::ready, "R-1: a fiber is made ready once");
        line.state = run_state::ready;
        if (COHORT_LIKELY((line.flags & fiber::parked) == 0)) {
            enqueue(line);
        }
    }
    void enqueue(fiber& line) noexcept {
        line.next = nullptr;
        (run_tail_ != nullptr ? run_tail_->next : run_head_) = &line;
        run_tail_ = &line;
    }

    /// Takes a ready fiber out of the run queue; linear in the queue's length.
    void unqueue(fiber& line) noexcept;

    /// Asks a fiber to come to rest, where its frame may be destroyed: it is not resumed any more,
    /// and what it waits for in an operation is cancelled. Returns whether it rests already;
    /// otherwise the keeper settles it when it does.
    [[nodiscard]] bool come_to_rest(fiber& line) noexcept;
    /// Ends a child task, with the tasks that it waits for: its `settled` follows, at once or when
    /// the operations have come back. Not the running one; once more does nothing.
    void cancel(task_fiber& line) noexcept;

    /// Whether the running fiber may take one more message in this slice; counts it.
    [[nodiscard]] bool take_budget() noexcept { return --budget_ > 0; }
    void end_slice() noexcept { budget_ = 0; }

    // -- sending --------------------------------------------------------------------------------

    /// Delivers to an actor of this core; the node belongs to the mailbox from here on.
    void deliver(handle to, message* node) noexcept {
        auto* target = find(to);
        if (!COHORT_LIKELY(target != nullptr)) {
            dead_letter(node, errc::terminated);
            return;
        }
        if (!COHORT_LIKELY(target->count < target->main.limit &&
                           (target->main.flags & fiber::slow_delivery) == 0)) {
            keeper().deliver_slowly(*this, *target, node);
            return;
        }
        append(*target, node);
    }
    void append(cell& target, message* node) noexcept {
        node->next = nullptr;
        (target.tail != nullptr ? target.tail->next : target.head) = node;
        target.tail = node;
        ++target.count;
        if (target.main.state == run_state::idle) {
            COHORT_ASSERT(target.count == 1, "R-2: an idle actor's mailbox is empty");
            make_ready(target.main);
        }
    }
    /// Takes the first message of a mailbox that is not empty.
    [[nodiscard]] message* take(cell& from) noexcept {
        auto* node = from.head;
        COHORT_ASSERT(node != nullptr, "R-4: only a mailbox that is not empty is taken from");
        from.head = node->next;
        if (from.head == nullptr) {
            from.tail = nullptr;
        }
        --from.count;
        counters_.messages.add();
        return node;
    }

    /// Counts and destroys a message that nobody will receive; its asker gets `why`, and that the
    /// request was certainly not executed.
    void dead_letter(message* node, errc why) noexcept;
    /// Answers a pending ask, of this node or of another one, with an error.
    void fail_reply(handle pending, error why) noexcept;
    /// Why a request that is dropped gets no answer: its actor ends, or has forgotten it.
    [[nodiscard]] errc unanswered() const noexcept;
    /// While the frames of an actor that ends are destroyed; gives what was set before.
    bool set_ending(bool now) noexcept { return std::exchange(ending_, now); }
    /// The way to other nodes; a ref to an actor of another node exists only where there is one.
    [[nodiscard]] remote_gateway& remote() const noexcept {
        COHORT_ASSERT(remote_ != nullptr, "actors of other nodes are reached through remoting");
        return *remote_;
    }
    void set_remote(remote_gateway* way) noexcept { remote_ = way; }
    /// Set before an actor of the core is gated; outlives those that are.
    void set_gate(slice_gate* gate) noexcept { gate_ = gate; }
    [[nodiscard]] slice_gate* gate() const noexcept { return gate_; }

    /// Runs `action(core&)` on another core, in the order of posts to it. Returns false when the
    /// rings' overflow is full and `droppable` was given: the action was not taken then.
    template <class Action>
    bool post(std::uint32_t target, Action action, bool droppable = false) {
        static_assert(std::is_nothrow_move_constructible_v<Action>);
        using record_type = ring_action<Action>;
        constexpr auto size = static_cast<std::uint32_t>((sizeof(record_type) + 15) & ~15UL);
        auto& to = links_[target];
        if constexpr (size <= byte_ring::record_max) {
            if (COHORT_LIKELY(to.overflow_head == nullptr)) {
                if (auto* memory = to.out->reserve(size)) {
                    auto* record = new (memory) record_type(std::move(action));
                    record->size = size;
                    record->apply = &record_type::run;
                    to.out->commit(size);
                    if (++to.unpublished >= publish_batch) {
                        publish(to);
                    }
                    return true;
                }
            }
        }
        if (droppable && to.overflow_bytes + size > overflow_bytes_max) {
            return false;
        }
        auto* record = new (::operator new(size)) record_type(std::move(action));
        record->size = size;
        record->boxed = true;
        record->apply = &record_type::run;
        overflow(to, record);
        return true;
    }

    /// Hands a record over from any thread.
    /// Destroyed without being run when the core has ended.
    void post_external(ring_record* record) noexcept;
    /// Ends the core's sleep if it sleeps. Any thread.
    void wake_if_sleeping() noexcept;

    // -- asks -----------------------------------------------------------------------------------

    [[nodiscard]] pending_table& pending() noexcept { return pending_; }

    // -- the loop -------------------------------------------------------------------------------

    /// One turn: rings, a bounded number of slices, I/O, timers. Returns whether anything was done.
    bool turn();
    enum class progress : std::uint8_t { worked, idle, ended };
    /// A turn, and what stopping asks for; the unit that a simulation drives.
    progress step();
    /// Waits for work: spins for a while where that pays, then sleeps.
    void idle();
    /// The body of the core's thread.
    void run();
    /// Whether something is waiting that needs no event from outside.
    [[nodiscard]] bool has_work() noexcept;
    /// What the watchdog looks at. Any thread.
    [[nodiscard]] std::uint64_t slices_seen() const noexcept {
        return slice_count_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool running_seen() const noexcept {
        return running_.load(std::memory_order_relaxed);
    }
    /// The watchdog's verdict on what runs now; the core reports it when the slice ends. Any
    /// thread.
    void mark_slow() noexcept { slow_.store(true, std::memory_order_relaxed); }

    /// Commands of the actor layer that run before the next slice (stops, exits of children).
    struct urgent_command {
        void (*function)(core&, handle) noexcept;
        handle address;
    };
    void urgently(urgent_command command) { urgent_.push_back(command); }

    /// Runs one slice of `line` now; the loop's own step, also used by the deterministic driver.
    void run_slice(fiber& line) noexcept;

    /// For a simulation, before a turn: shuffles the run queue, and lets the turn and its slices
    /// end early. Any order of the run queue keeps what is promised: messages wait in mailboxes.
    void vary(std::uint64_t draw) noexcept;

    /// Starts to stop every actor, before anything else of them runs. The node's `request_stop`
    /// gets here after a turn; a simulated crash comes at once.
    void begin_stop() noexcept;

    [[nodiscard]] cell_keeper& keeper() const noexcept { return *keeper_; }

private:
    static constexpr std::uint32_t publish_batch = 64;
    static constexpr int messages_per_turn = 1024;
    static constexpr int slices_per_turn = 64;
    static constexpr std::size_t overflow_bytes_max = 16U << 20;

    struct link {
        byte_ring* out = nullptr;
        byte_ring* in = nullptr;
        core* peer = nullptr;
        std::uint32_t unpublished = 0;
        ring_record* overflow_head = nullptr;
        ring_record* overflow_tail = nullptr;
        std::size_t overflow_bytes = 0;
    };

    friend class runtime;

    COHORT_NOINLINE void publish(link& to) noexcept;
    void overflow(link& to, ring_record* record) noexcept;
    void move_overflow(link& to) noexcept;
    void flush() noexcept;
    bool drain_rings() noexcept;
    bool drain_inbox() noexcept;
    void close_inbox() noexcept;
    void apply(ring_record* record) noexcept;
    void run_urgent() noexcept;
    bool run_queue() noexcept;
    void measure(duration spent, int messages, bool with_spin) noexcept;
    void read_clock() noexcept;
    void push_external(ring_record* record) noexcept;
    bool spin() noexcept;
    bool incoming() noexcept;
    [[nodiscard]] bool poll_due() const noexcept;
    void probe_queue() noexcept;
    COHORT_NOINLINE void report_slow(fiber& line) noexcept;

    // What a send or a slice touches comes first.
    fiber* current_ = nullptr;
    fiber* run_head_ = nullptr;
    fiber* run_tail_ = nullptr;
    int budget_ = 0;
    std::uint32_t id_;
    std::uint32_t slots_used_ = 0;
    std::uint32_t live_ = 0;
    cell* cells_ = nullptr;  // reserved address space for every slot, touched as it is used
    std::atomic<bool> running_{false};
    std::atomic<bool> slow_{false};
    std::atomic<std::uint64_t> slice_count_{0};
    time_point turn_time_;
    std::uint64_t turn_cycles_ = 0;
    std::uint64_t cycles_fresh_ = 0;  // 0: the turn's reading of the clock always counts as old
    std::vector<link> links_;
    pending_table pending_;
    cell_keeper* keeper_;
    core_counters counters_;
    std::vector<urgent_command> urgent_;

    runtime& owner_;
    remote_gateway* remote_ = nullptr;
    slice_gate* gate_ = nullptr;
    std::unique_ptr<cohort::reactor> reactor_;
    cohort::wheel wheel_;
    cell* free_head_ = nullptr;  // linked by `main.next`
    cell* free_tail_ = nullptr;

    fiber probe_;  // travels through the run queue to measure its delay
    time_point probe_sent_;
    double ns_per_message_ = 100;
    int turn_messages_ = messages_per_turn;
    int messages_unpolled_ = 0;
    int ran_ = 0;  // messages of the last turn, until they are measured
    bool found_by_spinning_ = false;
    bool clock_reused_ = false;  // the last turn began without a reading of its own
    time_point polled_at_{};
    duration spin_time_{0};
    bool stopping_ = false;
    bool ending_ = false;  // an actor, of which frames are destroyed just now
    bool drained_ = false;
    time_point abandon_at_;

    alignas(64) std::atomic<bool> sleeping_{false};
    alignas(64) std::atomic<ring_record*> inbox_{nullptr};
    std::atomic<std::uint32_t> posting_{0};
};

/// The core that the calling thread is running, or null on other threads.
inline constinit thread_local core* current_core = nullptr;

[[nodiscard]] inline core& this_core() noexcept {
    COHORT_ASSERT(
        current_core != nullptr,
        "this is called from an actor or a task on a core; elsewhere use the system's members");
    return *current_core;
}

}  // namespace cohort
