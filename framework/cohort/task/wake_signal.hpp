#pragma once

#include <coroutine>
#include <utility>

#include <cohort/runtime/core.hpp>
#include <cohort/task/promise.hpp>

namespace cohort {

/// Wakes one fiber that waits for it; a wake-up without a waiter is kept for the next. Whoever
/// waits may be destroyed meanwhile.
///
/// Thread: its core's.
class wake_signal {
public:
    class [[nodiscard]] wait {
    public:
        explicit wait(wake_signal& on) noexcept : on_{on} {}
        wait(const wait&) = delete;
        wait& operator=(const wait&) = delete;
        ~wait() {
            if (line_ != nullptr && on_.waiter_ == line_) {
                on_.waiter_ = nullptr;
            }
        }
        bool await_ready() noexcept { return std::exchange(on_.notified_, false); }
        void await_suspend(std::coroutine_handle<> here) noexcept {
            line_ = &suspend_current(here, run_state::blocked);
            on_.waiter_ = line_;
        }
        void await_resume() noexcept { line_ = nullptr; }

    private:
        wake_signal& on_;
        fiber* line_ = nullptr;
    };

    void notify() noexcept {
        if (auto* line = std::exchange(waiter_, nullptr)) {
            this_core().make_ready(*line);
        } else {
            notified_ = true;
        }
    }
    [[nodiscard]] bool awaited() const noexcept { return waiter_ != nullptr; }
    [[nodiscard]] wait operator co_await() noexcept { return wait{*this}; }

private:
    fiber* waiter_ = nullptr;
    bool notified_ = false;
};

}  // namespace cohort
