#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <cohort/task/promise.hpp>

namespace cohort {

template <class T = void>
class task;

namespace detail {

template <class T>
struct task_result {
    // An optional holds the value: a task that was destroyed half-way has none.
    std::optional<T> value;
    std::exception_ptr failure;

    template <class U>
    void return_value(U&& result) {
        value.emplace(std::forward<U>(result));
    }
    T take() {
        if (failure) {
            std::rethrow_exception(std::move(failure));
        }
        return std::move(*value);
    }
};

template <>
struct task_result<void> {
    std::exception_ptr failure;

    void return_void() noexcept {}
    void take() {
        if (failure) {
            std::rethrow_exception(std::move(failure));
        }
    }
};

template <class T>
struct task_promise : promise_base, awaits<task_promise<T>>, task_result<T> {
    task<T> get_return_object() noexcept;
    struct final_awaiter {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<task_promise> self) noexcept {
            if (auto* parent = self.promise().parent) {
                return parent->frame();
            }
            // The outermost coroutine of a child task: its fiber is over.
            this_core().current()->state = run_state::finished;
            return std::noop_coroutine();
        }
        void await_resume() noexcept {}
    };
    final_awaiter final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { this->failure = std::current_exception(); }
};

}  // namespace detail

/// A lazy coroutine that gives a `T`: it starts when it is awaited, on the awaiting fiber, and its
/// exception arrives at the `co_await`.
///
/// Ownership:    the object owns the frame; parameters live in the frame, so take them by value.
/// Thread:       the core of the actor that awaits it.
/// Cancellation: destroying a suspended task destroys its locals, innermost first.
template <class T>
class [[nodiscard("a task does nothing until it is awaited")]] task {
public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task(task&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    task& operator=(task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~task() {
        if (handle_) {
            handle_.destroy();
        }
    }

    struct awaiter {
        std::coroutine_handle<promise_type> child;

        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
            static_assert(std::is_base_of_v<promise_base, Promise>,
                          "a cohort::task is awaited in an actor or in another cohort::task; "
                          "elsewhere ask an actor with system.ask");
            child.promise().parent = &parent.promise();
            return child;
        }
        T await_resume() { return child.promise().take(); }
    };
    awaiter operator co_await() const noexcept { return {handle_}; }

    /// For combinators: the frame, still owned by the task.
    [[nodiscard]] std::coroutine_handle<promise_type> handle() const noexcept { return handle_; }

private:
    friend promise_type;
    explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

    std::coroutine_handle<promise_type> handle_;
};

template <class T>
task<T> detail::task_promise<T>::get_return_object() noexcept {
    static_assert(alignof(task_promise) <= 16, "a task's result is aligned to at most 16 bytes");
    return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

}  // namespace cohort
