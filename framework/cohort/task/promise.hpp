#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <cohort/runtime/core.hpp>
#include <cohort/world/frame_pool.hpp>

namespace cohort {

/// What every coroutine of Cohort begins with: who waits for it, and which function it is. Frames
/// come from the pool.
///
/// The chain of parents is the await chain that logs and crash reports print.
struct promise_base {
    promise_base* parent = nullptr;
    std::source_location where;

    /// The default argument is evaluated inside the coroutine, so it names the coroutine's
    /// function.
    std::suspend_always initial_suspend(
        std::source_location here = std::source_location::current()) noexcept {
        where = here;
        return {};
    }

    static void* operator new(std::size_t size) { return frame_pool::local().allocate(size); }
    static void operator delete(void* memory, std::size_t size) noexcept {
        frame_pool::local().release(memory, size);
    }
    [[nodiscard]] std::coroutine_handle<> frame() noexcept {
        return std::coroutine_handle<promise_base>::from_promise(*this);
    }
};

/// How a foreign operation is awaited: a specialisation has `static auto adapt(Operation&&)` that
/// returns an awaiter. Asio's deferred operations have one in <cohort/task/asio.hpp>.
template <class Operation>
struct await_adapter {};

template <class Promise>
struct awaits {
    template <class Operation>
    decltype(auto) await_transform(Operation&& operation) {
        using adapter = await_adapter<std::remove_cvref_t<Operation>>;
        if constexpr (requires { adapter::adapt(std::forward<Operation>(operation)); }) {
            return adapter::adapt(std::forward<Operation>(operation));
        } else {
            return static_cast<Operation&&>(operation);
        }
    }
};

/// Suspends the running fiber in `state`, to go on at `where`.
inline fiber& suspend_current(std::coroutine_handle<> where, run_state state) noexcept {
    auto& line = *this_core().current();
    line.resume = where.address();
    line.state = state;
    return line;
}

}  // namespace cohort
