#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <cohort/actor/received.hpp>
#include <cohort/actor/ref.hpp>
#include <cohort/actor/supervision.hpp>
#include <cohort/runtime/runtime.hpp>
#include <cohort/task/awaiters.hpp>
#include <cohort/task/task.hpp>

namespace cohort {

template <class P>
class behavior;
template <class P>
class context;
struct root_promise;

namespace detail {

/// Makes the coroutine of an actor in a slot that was prepared for it.
class spawn_recipe {
public:
    virtual ~spawn_recipe() = default;
    virtual root_promise& start(cell& slot) = 0;
};

/// Takes a slot and starts `recipe` in it, as a child of `parent` (null for a top-level actor). The
/// recipe is kept only when the options may need it again.
cell& spawn_cell(core& here, cell* parent, std::unique_ptr<spawn_recipe> recipe,
                 spawn_options options);
/// The short way, for default options.
cell& prepare_cell(core& here);
void launch_cell(core& here, cell& slot, root_promise& root, cell* parent) noexcept;

void watch(core& here, cell& watcher, const actor_address& target);
void unwatch(core& here, cell& watcher, const actor_address& target) noexcept;
void start_task(cell& actor, task<void> body);
[[nodiscard]] std::string name_of(core& here, cell& actor);

template <class Function>
struct actor_function {
    static_assert(!std::is_same_v<Function, Function>,
                  "an actor is spawned from a free function that returns cohort::behavior");
};
template <class P, class Context, class... Parameters>
struct actor_function<behavior<P> (*)(Context, Parameters...)> {
    using protocol_type = P;
    using context_type = std::remove_cvref_t<Context>;
};

template <class Function, class... Args>
consteval void check_spawn() {
    static_assert(
        std::is_invocable_v<Function, typename actor_function<Function>::context_type, Args...>,
        "these arguments do not fit the actor: give one for each parameter behind its context");
}

}  // namespace detail

/// What every actor can do, whatever its protocol. A context is a pointer to the actor's own slot:
/// copy it into the actor's own tasks, never out of the actor.
///
/// Thread: the actor's core.
class context_base {
public:
    explicit context_base(cell& slot) noexcept : cell_{&slot} {}

    [[nodiscard]] handle address() const noexcept { return cell_->address(); }
    [[nodiscard]] std::string name() const { return detail::name_of(this_core(), *cell_); }
    /// The clock, read now, and as it was at the start of this turn of the loop (cheaper).
    [[nodiscard]] time_point now() const noexcept { return this_core().now(); }
    [[nodiscard]] time_point turn_time() const noexcept { return this_core().turn_time(); }
    [[nodiscard]] std::uint64_t random() const { return this_core().world().random(); }
    [[nodiscard]] cohort::core& core() const noexcept { return this_core(); }

    /// Starts a child on this core. It ends, with its own children, before this actor does.
    ///
    ///     auto worker = self.spawn(work, 42);
    template <class Function, class... Args>
    auto spawn(Function function, Args&&... args) const;
    template <class Function, class... Args>
    auto spawn_with(spawn_options options, Function function, Args&&... args) const;

    /// Stops an actor: its next suspension is its last, and its destructors run. Overtakes what is
    /// in its mailbox; a `tell` right before a `stop` to another core may be lost. An actor of
    /// another node is not stopped: tell it to end.
    template <class P>
    void stop(const ref<P>& target) const {
        auto& here = this_core();
        auto address = target.address();
        if (target.where().remote()) {
            here.owner().report({"actor not stopped", name(),
                                 "an actor of another node is stopped by its own node only"});
        } else if (address.core() == here.id()) {
            here.keeper().stop(here, address);
        } else {
            here.post(address.core(),
                      [address](cohort::core& home) { home.keeper().stop(home, address); });
        }
    }

    /// Asks for one `terminated` when `target` ends, or when its node is gone or is given up; at
    /// once when it has ended. Watching twice is watching once.
    template <class P>
    void watch(const ref<P>& target) const {
        detail::watch(this_core(), *cell_, target.where());
    }
    /// After this no `terminated` of `target` arrives.
    template <class P>
    void unwatch(const ref<P>& target) const noexcept {
        detail::unwatch(this_core(), *cell_, target.where());
    }

    sleep_for sleep(duration length) const noexcept { return sleep_for{length}; }
    cohort::yield yield() const noexcept { return {}; }

    /// Runs a task beside the actor's own coroutine, interleaved at their awaits. It ends with the
    /// actor; an exception that leaves it fails the actor.
    void start(task<void> body) const { detail::start_task(*cell_, std::move(body)); }

protected:
    friend struct root_promise;
    friend cell& cell_of(const context_base& self) noexcept { return *self.cell_; }

    cell* cell_;
};

namespace detail {

/// Waits for the next message.
class receive_awaiter {
public:
    explicit receive_awaiter(cell& actor) noexcept : cell_{actor} {}
    ~receive_awaiter() { end_in_task(); }
    receive_awaiter(const receive_awaiter&) = delete;
    receive_awaiter& operator=(const receive_awaiter&) = delete;

    bool await_ready() const noexcept { return cell_.head != nullptr && this_core().take_budget(); }
    void await_suspend(std::coroutine_handle<> here) {
        auto& home = this_core();
        auto& line = *home.current();
        line.resume = here.address();
        if (cell_.head != nullptr) {
            home.make_ready(line);
        } else if (&line == &cell_.main) {
            COHORT_ASSERT(
                (line.flags & fiber::task_receives) == 0,
                "R-4: only one coroutine of an actor waits for the next message at a time");
            line.state = run_state::idle;
        } else {
            line.state = run_state::blocked;
            in_task_ = static_cast<task_fiber*>(&line);
            home.keeper().begin_receive(cell_, *in_task_);
        }
    }

protected:
    void end_in_task() noexcept {
        if (auto* line = std::exchange(in_task_, nullptr)) {
            this_core().keeper().end_receive(cell_, *line);
        }
    }
    message* take() noexcept {
        auto& home = this_core();
        auto* node = home.take(cell_);
        if (!COHORT_LIKELY((cell_.main.flags & fiber::senders_wait) == 0)) {
            home.keeper().taken(home, cell_);
        }
        return node;
    }

    cell& cell_;
    task_fiber* in_task_ = nullptr;
};

}  // namespace detail

template <class P>
class [[nodiscard("it waits for nothing before it is awaited: write co_await")]] receive_operation
    : public detail::receive_awaiter {
public:
    using receive_awaiter::receive_awaiter;
    received<P> await_resume() noexcept { return received<P>{take()}; }
};

/// Waits for the next message, or until a length of time has passed.
template <class P>
class [[nodiscard(
    "it waits for nothing before it is awaited: write co_await")]] timed_receive_operation
    : public detail::receive_awaiter {
public:
    timed_receive_operation(cell& actor, duration length) noexcept
        : receive_awaiter{actor}, length_{length}, timer_{*this, &fire} {}
    ~timed_receive_operation() { this_core().timers().cancel(timer_); }

    void await_suspend(std::coroutine_handle<> here) {
        receive_awaiter::await_suspend(here);
        auto& home = this_core();
        waiter_ = home.current();
        if (waiter_->state != run_state::ready) {
            // From now, not from the start of the turn, which may be long ago.
            home.timers().arm(timer_, after(home.now(), length_));
        }
    }
    std::optional<received<P>> await_resume() noexcept {
        this_core().timers().cancel(timer_);
        if (cell_.head == nullptr) {
            return std::nullopt;
        }
        return received<P>{take()};
    }

private:
    static void fire(wheel_timer& timer) noexcept {
        auto& self = timer_of<timed_receive_operation>::owner_of(timer);
        if (self.waiter_->state != run_state::ready) {
            // A message that comes before the task runs must not make it ready once more.
            self.end_in_task();
            this_core().make_ready(*self.waiter_);
        }
    }

    duration length_;
    timer_of<timed_receive_operation> timer_;
    fiber* waiter_ = nullptr;
};

/// What an actor of protocol `P` can do.
template <class P>
class context : public context_base {
public:
    using protocol_type = P;
    using context_base::context_base;

    [[nodiscard]] ref<P> self() const noexcept { return ref<P>{address()}; }

    /// Waits for the next message. The wait ends, and with it the coroutine, when the actor is
    /// stopped.
    ///
    /// Cancellation: loses no message.
    receive_operation<P> receive() const noexcept { return receive_operation<P>{*cell_}; }
    /// The same, at most for `length`; nothing when it passed.
    timed_receive_operation<P> receive_for(duration length) const noexcept {
        return {*cell_, length};
    }
};

namespace detail {

template <class Function, class... Args>
class kept_recipe final : public spawn_recipe {
public:
    template <class... Given>
    explicit kept_recipe(Function function, Given&&... args)
        : function_{function}, args_{std::forward<Given>(args)...} {}

    root_promise& start(cell& slot) override {
        using context_type = typename actor_function<Function>::context_type;
        return std::apply(
            [&](auto&... args) -> root_promise& {
                return function_(context_type{slot}, Args(args)...).promise();
            },
            args_);
    }

private:
    Function function_;
    std::tuple<Args...> args_;
};

/// Starts an actor with default options, without keeping its arguments.
template <class Function, class... Args>
auto spawn_plain(core& here, cell* parent, Function function, Args&&... args) {
    using traits = actor_function<Function>;
    check_spawn<Function, Args...>();
    auto& slot = prepare_cell(here);
    root_promise* root = nullptr;
    try {
        root =
            &function(typename traits::context_type{slot}, std::forward<Args>(args)...).promise();
    } catch (...) {
        here.release_cell(slot);
        throw;
    }
    launch_cell(here, slot, *root, parent);
    return ref<typename traits::protocol_type>{slot.address()};
}

/// Starts an actor with options. Its arguments are kept, so they have to be copyable.
template <class Function, class... Args>
auto spawn_kept(core& here, cell* parent, spawn_options options, Function function,
                Args&&... args) {
    using traits = actor_function<Function>;
    check_spawn<Function, std::decay_t<Args>...>();
    static_assert(
        (std::is_copy_constructible_v<std::decay_t<Args>> && ...),
        "an actor that may be started again keeps its arguments: they have to be copyable");
    auto recipe = std::make_unique<kept_recipe<Function, std::decay_t<Args>...>>(
        function, std::forward<Args>(args)...);
    auto& slot = spawn_cell(here, parent, std::move(recipe), std::move(options));
    return ref<typename traits::protocol_type>{slot.address()};
}

}  // namespace detail

template <class Function, class... Args>
auto context_base::spawn(Function function, Args&&... args) const {
    return detail::spawn_plain(this_core(), cell_, function, std::forward<Args>(args)...);
}

template <class Function, class... Args>
auto context_base::spawn_with(spawn_options options, Function function, Args&&... args) const {
    return detail::spawn_kept(this_core(), cell_, std::move(options), function,
                              std::forward<Args>(args)...);
}

}  // namespace cohort
