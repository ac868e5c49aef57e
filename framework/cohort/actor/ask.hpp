#pragma once

#include <concepts>
#include <coroutine>
#include <utility>

#include <cohort/actor/protocol.hpp>
#include <cohort/runtime/runtime.hpp>
#include <cohort/task/promise.hpp>

namespace cohort {

/// Until when an answer is wanted: a length of time from now (less at most the time that
/// `core::fresh_time` may be old, far below the timers' tick of 1 ms), or the `deadline` of the
/// request that is being served, which also carries its trace on.
struct ask_deadline {
    template <class Rep, class Period>
    ask_deadline(
        std::chrono::duration<Rep, Period> length)  // NOLINT: `ask<get>(5s, ...)` reads well
        : value{after(this_core().fresh_time(), length), 0} {}
    ask_deadline(deadline given) noexcept : value{given} {}  // NOLINT

    deadline value;
};

namespace detail {

template <class... Args>
inline constexpr bool begins_with_deadline = false;
template <class First, class... Rest>
inline constexpr bool begins_with_deadline<First, Rest...> =
    std::is_convertible_v<First, ask_deadline>;

}  // namespace detail

/// The waiting side of a request: it was sent when this object was made, and the answer is taken by
/// `co_await`. Dropping it gives the answer up.
///
/// Thread: the core where it was made.
template <class T>
class [[nodiscard("the answer of an ask is taken with co_await")]] pending_ask
    : protected pending_answer {
public:
    explicit pending_ask(deadline until) {
        auto& home = this_core();
        fail = [](pending_answer& base, error why) noexcept {
            static_cast<pending_ask&>(base).fail_now(std::move(why));
        };
        address = home.pending().add(*this);
        if (until.at != time_point::max()) {
            timer.fire = [](wheel_timer& fired) noexcept {
                auto& base = reinterpret_cast<pending_answer&>(fired);
                this_core().counters().ask_timeouts.add();
                base.fail(base, errc::timeout);
            };
            home.timers().arm(timer, until.at);
        }
    }
    ~pending_ask() {
        if (!done) {
            release();
        }
    }
    pending_ask(const pending_ask&) = delete;
    pending_ask& operator=(const pending_ask&) = delete;

    bool await_ready() const noexcept { return done; }
    void await_suspend(std::coroutine_handle<> here) noexcept {
        waiter = &suspend_current(here, run_state::blocked);
    }
    result<T> await_resume() noexcept { return std::move(answer_); }

    [[nodiscard]] handle reply_address() const noexcept { return address; }
    [[nodiscard]] bool ended() const noexcept { return done; }

    /// The answer has come; called by `send_reply` through the pending table.
    static void answer(pending_answer& base, result<T>&& value) noexcept {
        auto& self = static_cast<pending_ask&>(base);
        self.answer_ = std::move(value);
        self.finish();
    }
    void fail_now(error why) noexcept {
        answer_ = std::move(why);
        finish();
    }

protected:
    [[nodiscard]] pending_answer& record() noexcept { return *this; }
    /// Asks anew under another address: what was sent to the one until now comes too late.
    void renew() {
        auto& home = this_core();
        home.pending().remove(address);
        address = home.pending().add(*this);
    }

private:
    void release() noexcept {
        auto& home = this_core();
        home.timers().cancel(timer);
        home.pending().remove(address);
        done = true;
    }
    void finish() noexcept {
        release();
        if (waiter != nullptr) {
            this_core().make_ready(*waiter);
        } else if (arrived != nullptr) {
            arrived(*this);
        }
    }

    result<T> answer_{errc::no_reply};
};

/// Answers the ask behind `pending`, on whatever core or node it waits. Late answers are counted
/// and dropped.
template <class T>
void send_reply(handle pending, result<T> value) {
    auto& here = this_core();
    if (pending.core() == here.id()) {
        if (auto* found = here.pending().find(pending)) {
            pending_ask<T>::answer(*found, std::move(value));
        } else {
            here.counters().late_replies.add();
        }
        return;
    }
    bool elsewhere = pending.core() == core_elsewhere;
    auto home = elsewhere ? reply_token::core(pending) : pending.core();
    if (elsewhere && home == here.id()) {
        here.remote().reply(pending, &value);
        return;
    }
    here.post(home, [pending, value = std::move(value)](core&) mutable {
        send_reply<T>(pending, std::move(value));
    });
}

/// The right to answer one request later. Destroying it unused answers `errc::no_reply`, or
/// `errc::terminated` when that is because its actor fails or is stopped.
///
/// Thread: the core of the actor that received the request.
template <class R>
class [[nodiscard]] reply_to {
public:
    using value_type = typename detail::flattened<R>::type;

    reply_to() = default;
    explicit reply_to(handle pending) noexcept : pending_{pending} {}
    reply_to(reply_to&& other) noexcept : pending_{std::exchange(other.pending_, {})} {}
    reply_to& operator=(reply_to&& other) noexcept {
        std::swap(pending_, other.pending_);
        return *this;
    }
    ~reply_to() {
        // Without a core the node has ended, and with it whoever asked.
        if (pending_ && current_core != nullptr) {
            this_core().fail_reply(pending_, this_core().unanswered());
        }
    }

    /// Whether anybody is to be answered; false after a `tell` and after an answer.
    explicit operator bool() const noexcept { return static_cast<bool>(pending_); }

    /// Gives the right away as an address, to be answered by whoever is given it.
    [[nodiscard]] handle release() noexcept { return std::exchange(pending_, {}); }

    template <class Value>
    void operator()(Value&& value) {
        static_assert(std::convertible_to<Value&&, R>,
                      "this is not an answer to that message: reply with its `reply` type");
        if (auto pending = std::exchange(pending_, {})) {
            send_reply<value_type>(pending, result<value_type>{R(std::forward<Value>(value))});
        }
    }
    void operator()()
        requires std::is_void_v<value_type>
    {
        if (auto pending = std::exchange(pending_, {})) {
            send_reply<void>(pending, result<void>{});
        }
    }

private:
    handle pending_;
};

}  // namespace cohort
