#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include <cohort/runtime/runtime.hpp>
#include <cohort/task/promise.hpp>
#include <cohort/world/network.hpp>

namespace cohort {

/// Waits until `length` has passed, at least; 1 ms is the resolution.
class [[nodiscard("it waits for nothing before it is awaited: write co_await")]] sleep_for {
public:
    explicit sleep_for(duration length) noexcept : length_{length}, timer_{*this, &fire} {}
    ~sleep_for() {
        if (timer_.armed()) {
            this_core().timers().cancel(timer_);
        }
    }
    sleep_for(const sleep_for&) = delete;
    sleep_for& operator=(const sleep_for&) = delete;

    bool await_ready() const noexcept { return length_ <= duration::zero(); }
    void await_suspend(std::coroutine_handle<> here) noexcept {
        waiter_ = &suspend_current(here, run_state::blocked);
        // From now, not from the start of the turn, which may be long ago; a sleep can afford it.
        auto& home = this_core();
        home.timers().arm(timer_, after(home.now(), length_));
    }
    void await_resume() const noexcept {}

private:
    static void fire(wheel_timer& timer) noexcept {
        this_core().make_ready(*timer_of<sleep_for>::owner_of(timer).waiter_);
    }

    duration length_;
    timer_of<sleep_for> timer_;
    fiber* waiter_ = nullptr;
};

/// Lets everything else that is ready on this core run first.
struct [[nodiscard("it does nothing before it is awaited: write co_await")]] yield {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> here) const noexcept {
        auto& line = suspend_current(here, run_state::running);
        this_core().make_ready(line);
    }
    void await_resume() const noexcept {}
};

namespace detail {

/// Base of awaiters whose operation holds a pointer into the frame.
class io_awaiter : protected io_wait {
public:
    io_awaiter() = default;
    io_awaiter(const io_awaiter&) = delete;
    io_awaiter& operator=(const io_awaiter&) = delete;
    ~io_awaiter() {
        COHORT_ASSERT(waiter == nullptr,
                      "a frame is not destroyed while an operation is pending in it");
    }

protected:
    void suspend(std::coroutine_handle<> here) noexcept {
        resume = here.address();
        waiter = this_core().current();
        waiter->io = this;
        waiter->state = run_state::io;
    }
    void completed() noexcept {
        auto* line = std::exchange(waiter, nullptr);
        COHORT_ASSERT(line != nullptr && line->state == run_state::io,
                      "an operation completes once");
        line->resume = resume;
        this_core().make_ready(*line);
    }
};

}  // namespace detail

/// One read or write on a stream of the world's network.
class [[nodiscard]] stream_operation : detail::io_awaiter, io_completion {
public:
    bool await_ready() noexcept {
        complete = [](io_completion& done, io_outcome outcome) noexcept {
            auto& self = static_cast<stream_operation&>(done);
            self.outcome_ = outcome;
            self.completed();
        };
        cancel = [](io_wait& wait) noexcept {
            static_cast<stream_operation&>(wait).stream_.cancel();
        };
        auto known =
            reading_ ? stream_.read_some(buffer_, *this) : stream_.write_some(buffers_, *this);
        if (known) {
            outcome_ = *known;
        }
        return known.has_value();
    }
    void await_suspend(std::coroutine_handle<> here) noexcept { suspend(here); }
    io_outcome await_resume() const noexcept { return outcome_; }

private:
    friend stream_operation read_some(stream&, std::span<std::byte>);
    friend stream_operation write_some(stream&, std::span<const std::span<const std::byte>>);
    friend class detail::io_awaiter;

    stream_operation(stream& on, std::span<std::byte> buffer)
        : stream_{on}, reading_{true}, buffer_{buffer} {}
    stream_operation(stream& on, std::span<const std::span<const std::byte>> buffers)
        : stream_{on}, reading_{false}, buffers_{buffers} {}

    stream& stream_;
    bool reading_;
    std::span<std::byte> buffer_;
    std::span<const std::span<const std::byte>> buffers_;
    io_outcome outcome_;
};

/// Awaits `stream::read_some`; the buffer must live until then. Cancellation: the stream's
/// `cancel`.
[[nodiscard]] inline stream_operation read_some(stream& from, std::span<std::byte> buffer) {
    return {from, buffer};
}
/// Awaits `stream::write_some`; the buffers must live until then.
[[nodiscard]] inline stream_operation write_some(
    stream& to, std::span<const std::span<const std::byte>> buffers) {
    return {to, buffers};
}

/// Awaits one connection of a listener. Gives the incoming stream or an error.
class [[nodiscard]] accept_operation : detail::io_awaiter, io_completion {
public:
    explicit accept_operation(listener& on) : listener_{on} {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> here) {
        complete = [](io_completion& done, io_outcome outcome) noexcept {
            auto& self = static_cast<accept_operation&>(done);
            self.code_ = outcome.code;
            self.completed();
        };
        cancel = [](io_wait& wait) noexcept {
            static_cast<accept_operation&>(wait).listener_.close();
        };
        suspend(here);
        listener_.accept(accepted_, *this);
    }
    result<std::unique_ptr<incoming_stream>> await_resume() {
        if (code_ != errc::ok) {
            return code_;
        }
        return std::move(accepted_);
    }

private:
    listener& listener_;
    std::unique_ptr<incoming_stream> accepted_;
    errc code_ = errc::ok;
};

[[nodiscard]] inline accept_operation accept(listener& on) { return accept_operation{on}; }

/// Awaits a connection to a numeric address, from this core.
class [[nodiscard]] connect_operation : detail::io_awaiter, io_completion {
public:
    explicit connect_operation(endpoint remote) : remote_{std::move(remote)} {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> here) {
        complete = [](io_completion& done, io_outcome outcome) noexcept {
            auto& self = static_cast<connect_operation&>(done);
            self.code_ = outcome.code;
            self.completed();
        };
        cancel = [](io_wait& wait) noexcept {
            auto& self = static_cast<connect_operation&>(wait);
            this_core().reactor().cancel_connect(self);
        };
        suspend(here);
        this_core().reactor().connect(remote_, connected_, *this);
    }
    result<std::unique_ptr<stream>> await_resume() {
        if (code_ != errc::ok) {
            return code_;
        }
        return std::move(connected_);
    }

private:
    endpoint remote_;
    std::unique_ptr<stream> connected_;
    errc code_ = errc::ok;
};

[[nodiscard]] inline connect_operation connect(endpoint remote) {
    return connect_operation{std::move(remote)};
}

/// Runs a blocking call on a worker and gives its result; an exception arrives at the `co_await`.
///
/// Ownership:    the function lives in the awaiting frame; it must not touch the actor's state that
///               others may use meanwhile (there are none: the mailbox waits).
/// Cancellation: a call that started is waited for.
template <class Function>
class [[nodiscard]] work_operation : detail::io_awaiter, work_item, ring_record {
public:
    using value_type = std::invoke_result_t<Function&>;

    work_operation(worker& on, Function function) : worker_{on}, function_{std::move(function)} {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> here) {
        home_ = &this_core();
        work_item::run = [](work_item& item) noexcept {
            static_cast<work_operation&>(item).execute();
        };
        ring_record::apply = [](core* on, ring_record* record) noexcept {
            // Without a core the frame was abandoned at the end of the process.
            if (on != nullptr) {
                static_cast<work_operation*>(record)->completed();
            }
        };
        suspend(here);
        worker_.submit(*this);
    }
    value_type await_resume() {
        if (failure_) {
            std::rethrow_exception(std::move(failure_));
        }
        if constexpr (!std::is_void_v<value_type>) {
            return std::move(*value_);
        }
    }

private:
    void execute() noexcept {
        try {
            if (work_item::dropped) {
                // Its node died. What awaits it unwinds, if it is not destroyed before.
                throw std::runtime_error{"the worker ended before it ran this"};
            } else if constexpr (std::is_void_v<value_type>) {
                function_();
            } else {
                value_.emplace(function_());
            }
        } catch (...) {
            failure_ = std::current_exception();
        }
        home_->post_external(this);
    }

    worker& worker_;
    Function function_;
    core* home_ = nullptr;
    std::conditional_t<std::is_void_v<value_type>, std::monostate, std::optional<value_type>>
        value_;
    std::exception_ptr failure_;
};

/// Awaits `function()` on `on`; see `work_operation`.
template <class Function>
[[nodiscard]] work_operation<Function> run_on(worker& on, Function function) {
    return {on, std::move(function)};
}

}  // namespace cohort
