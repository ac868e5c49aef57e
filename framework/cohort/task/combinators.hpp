#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <cohort/task/awaiters.hpp>
#include <cohort/task/task.hpp>

namespace cohort {
namespace detail {

template <class T>
using storable = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// Child tasks that one coroutine waits for together. It goes on when all have come to rest, so
/// that nothing outlives the `co_await`.
class fork_base {
public:
    fork_base(const fork_base&) = delete;
    fork_base& operator=(const fork_base&) = delete;

protected:
    struct child : task_fiber {
        explicit child(cell& actor) noexcept : task_fiber{actor} {}
        fork_base* group = nullptr;
        std::size_t index = 0;
        bool settled_already = false;
    };

    fork_base() = default;
    ~fork_base() = default;

    /// Starts one line per frame; they run after the caller has suspended.
    void begin(child* lines, void* const* frames, std::size_t count);
    void cancel_rest() noexcept;
    /// At destruction: takes the lines out of the actor's list when the actor is being stopped.
    void end() noexcept;

    child* lines_ = nullptr;
    std::size_t count_ = 0;
    std::size_t running_ = 0;
    fiber* waiter_ = nullptr;
    bool cancelling_ = false;
    /// Called when a line finished (not when it was cancelled); true ends the others.
    bool (*finished_)(fork_base&, std::size_t index) noexcept = nullptr;
    /// Destroys the frame of a line that was cancelled.
    void (*drop_)(fork_base&, std::size_t index) noexcept = nullptr;

private:
    static void settled(task_fiber& line) noexcept;
    void settle_one(child& line) noexcept;
};

template <class... Ts>
class fork : public fork_base {
public:
    explicit fork(task<Ts>... tasks) : tasks_{std::move(tasks)...} {}
    ~fork() { end(); }

    bool await_ready() const noexcept { return false; }

protected:
    void start(std::coroutine_handle<> here) {
        waiter_ = &suspend_current(here, run_state::blocked);
        auto& actor = owner_of(*waiter_);
        drop_ = [](fork_base& base, std::size_t index) noexcept {
            static_cast<fork&>(base).drop_at(index, std::index_sequence_for<Ts...>{});
        };
        auto frames = std::apply(
            [](auto&... each) {
                return std::array<void*, sizeof...(Ts)>{each->handle().address()...};
            },
            tasks_);
        fill(actor, std::index_sequence_for<Ts...>{});
        begin(children_->data(), frames.data(), sizeof...(Ts));
    }

    template <std::size_t I>
    auto& promise() {
        return std::get<I>(tasks_)->handle().promise();
    }
    [[nodiscard]] bool failed_at(std::size_t index) noexcept {
        return visit_at(index,
                        [](auto& one) { return one->handle().promise().failure != nullptr; });
    }

    std::tuple<std::optional<task<Ts>>...> tasks_;

private:
    template <std::size_t... I>
    void fill(cell& actor, std::index_sequence<I...>) {
        children_.emplace(std::array<child, sizeof...(Ts)>{((void)I, child{actor})...});
    }
    template <std::size_t... I>
    void drop_at(std::size_t index, std::index_sequence<I...>) noexcept {
        ((I == index ? std::get<I>(tasks_).reset() : void()), ...);
    }
    template <class Visitor>
    bool visit_at(std::size_t index, Visitor visitor) noexcept {
        bool answer = false;
        std::size_t at = 0;
        std::apply(
            [&](auto&... each) { ((at++ == index ? void(answer = visitor(each)) : void()), ...); },
            tasks_);
        return answer;
    }

    std::optional<std::array<child, sizeof...(Ts)>> children_;
};

template <class T>
storable<T> take_value(task_promise<T>& promise) {
    if constexpr (std::is_void_v<T>) {
        promise.take();
        return {};
    } else {
        return promise.take();
    }
}

template <class... Ts>
class [[nodiscard]] all_operation : public fork<Ts...> {
public:
    using fork<Ts...>::fork;

    void await_suspend(std::coroutine_handle<> here) {
        this->finished_ = [](fork_base& base, std::size_t index) noexcept {
            auto& self = static_cast<all_operation&>(base);
            bool failed = self.failed_at(index);
            if (failed && !self.first_failure_) {
                self.first_failure_ = index;
            }
            return failed;
        };
        this->start(here);
    }
    std::tuple<storable<Ts>...> await_resume() { return collect(std::index_sequence_for<Ts...>{}); }

private:
    template <std::size_t... I>
    std::tuple<storable<Ts>...> collect(std::index_sequence<I...>) {
        if (first_failure_) {
            ((I == *first_failure_ ? static_cast<void>(take_value(this->template promise<I>()))
                                   : void()),
             ...);
        }
        return {take_value(this->template promise<I>())...};
    }

    std::optional<std::size_t> first_failure_;
};

template <class... Ts>
class [[nodiscard]] any_operation : public fork<Ts...> {
public:
    using fork<Ts...>::fork;
    using value_type = std::variant<storable<Ts>...>;

    void await_suspend(std::coroutine_handle<> here) {
        this->finished_ = [](fork_base& base, std::size_t index) noexcept {
            auto& self = static_cast<any_operation&>(base);
            if (!self.winner_) {
                self.winner_ = index;
            }
            return true;
        };
        this->start(here);
    }
    value_type await_resume() { return pick(std::index_sequence_for<Ts...>{}); }

private:
    template <std::size_t... I>
    value_type pick(std::index_sequence<I...>) {
        auto answer = std::optional<value_type>{};
        ((I == *winner_ ? void(answer.emplace(std::in_place_index<I>,
                                              take_value(this->template promise<I>())))
                        : void()),
         ...);
        return std::move(*answer);
    }

    std::optional<std::size_t> winner_;
};

}  // namespace detail

/// Runs tasks side by side, interleaved at their awaits, and gives all their values; `void` gives a
/// `std::monostate`. The first exception cancels the others, waits for them and is rethrown.
///
///     auto [left, right] = co_await when_all(load("a"), load("b"));
///
/// Thread: one actor's core; nothing runs in parallel.
template <class... Ts>
[[nodiscard]] detail::all_operation<Ts...> when_all(task<Ts>... tasks) {
    static_assert(sizeof...(Ts) > 0, "when_all waits for at least one task");
    return detail::all_operation<Ts...>{std::move(tasks)...};
}

/// Runs tasks side by side and gives the value of the first that ends, in a variant at its index.
/// The others are cancelled and have ended when this goes on. A message that a cancelled task was
/// waiting for stays in the mailbox.
template <class... Ts>
[[nodiscard]] detail::any_operation<Ts...> when_any(task<Ts>... tasks) {
    static_assert(sizeof...(Ts) > 0, "when_any waits for at least one task");
    return detail::any_operation<Ts...>{std::move(tasks)...};
}

namespace detail {

inline task<void> wait_for(duration length) { co_await sleep_for{length}; }

}  // namespace detail

/// Runs a task for at most `length`. Errors: `errc::timeout`; the task is cancelled and has ended
/// then.
template <class T>
task<result<T>> with_timeout(duration length, task<T> body) {
    auto first = co_await when_any(std::move(body), detail::wait_for(length));
    if (first.index() == 1) {
        co_return errc::timeout;
    }
    if constexpr (std::is_void_v<T>) {
        co_return result<void>{};
    } else {
        co_return result<T>{std::get<0>(std::move(first))};
    }
}

}  // namespace cohort
