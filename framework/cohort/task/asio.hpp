#pragma once

#include <exception>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>

#include <cohort/task/awaiters.hpp>

namespace cohort {

/// The executor of the calling core: construct sockets, timers and other I/O objects of Asio on it,
/// so that their operations complete on this core.
///
/// Throws `std::logic_error` in a simulated world, which has no sockets: there use the streams of
/// <cohort/world/network.hpp>.
[[nodiscard]] inline boost::asio::io_context::executor_type asio_executor() {
    auto* context = static_cast<boost::asio::io_context*>(this_core().reactor().io_context());
    if (context == nullptr) {
        throw std::logic_error{
            "Asio operations belong to the real world: in a simulation use cohort's streams and "
            "timers"};
    }
    return context->get_executor();
}

namespace detail {

inline error asio_error(const boost::system::error_code& failure) {
    auto code = failure == boost::asio::error::operation_aborted ? errc::cancelled
                : failure == boost::asio::error::eof             ? errc::end_of_stream
                                                                 : errc::network;
    return {code, failure.message(), failure.category().name()};
}

/// What an operation gives back: by its completion signature.
template <class Signature>
struct asio_result;
template <>
struct asio_result<void(boost::system::error_code)> {
    using type = result<void>;
    static type make(boost::system::error_code failure) {
        return failure ? type{asio_error(failure)} : type{};
    }
};
template <class T>
struct asio_result<void(boost::system::error_code, T)> {
    using type = result<T>;
    static type make(boost::system::error_code failure, T value) {
        return failure ? type{asio_error(failure)} : type{std::move(value)};
    }
};
template <>
struct asio_result<void(std::exception_ptr)> {
    using type = std::exception_ptr;
    static type make(std::exception_ptr failure) { return failure; }
};
template <class T>
struct asio_result<void(std::exception_ptr, T)> {
    using type = std::pair<std::exception_ptr, std::optional<T>>;
    static type make(std::exception_ptr failure, T value) {
        return failure ? type{failure, std::nullopt} : type{nullptr, std::move(value)};
    }
};
template <>
struct asio_result<void()> {
    using type = std::monostate;
    static type make() { return {}; }
};

inline void give(std::exception_ptr failure) {
    if (failure) {
        std::rethrow_exception(std::move(failure));
    }
}
template <class T>
T give(std::pair<std::exception_ptr, std::optional<T>> outcome) {
    give(std::move(outcome.first));
    return std::move(*outcome.second);
}
template <class T>
result<T> give(result<T> outcome) {
    return outcome;
}
inline void give(std::monostate) {}

template <class T>
struct spawned_signature {
    using type = void(std::exception_ptr, T);
};
template <>
struct spawned_signature<void> {
    using type = void(std::exception_ptr);
};

/// Awaits a deferred operation of Asio.
template <class Operation, class Signature>
class [[nodiscard]] asio_operation : io_awaiter {
    using outcome = asio_result<Signature>;

    struct handler {
        using allocator_type = pool_allocator<std::byte>;
        using executor_type = boost::asio::io_context::executor_type;
        using cancellation_slot_type = boost::asio::cancellation_slot;
        [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
        [[nodiscard]] executor_type get_executor() const noexcept { return executor; }
        [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
            return self->signal_.slot();
        }
        template <class... Args>
        void operator()(Args&&... args) const {
            COHORT_ASSERT(current_core == self->home_,
                          "an I/O object is constructed on the executor of the core that uses it");
            self->outcome_.emplace(outcome::make(std::forward<Args>(args)...));
            self->completed();
        }
        asio_operation* self;
        executor_type executor;
    };

public:
    explicit asio_operation(Operation&& operation) : operation_{std::move(operation)} {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> here) {
        home_ = &this_core();
        cancel = [](io_wait& wait) noexcept {
            static_cast<asio_operation&>(wait).signal_.emit(
                boost::asio::cancellation_type::terminal);
        };
        auto then = handler{this, asio_executor()};
        suspend(here);
        std::move(operation_)(then);
    }
    auto await_resume() { return give(std::move(*outcome_)); }

private:
    Operation operation_;
    core* home_ = nullptr;
    boost::asio::cancellation_signal signal_;
    std::optional<typename outcome::type> outcome_;
};

}  // namespace detail

/// In actors and tasks any Asio operation can be awaited in its deferred form:
///
///     auto bytes = co_await socket.async_read_some(buffer, asio::deferred);   //
///     result<std::size_t>
///
/// Errors:       `cancelled`, `end_of_stream` or `network` with Asio's text, as a value.
/// Cancellation: when the actor is stopped the operation is cancelled and waited for.
template <class Signature, class Initiation, class... Args>
struct await_adapter<boost::asio::deferred_async_operation<Signature, Initiation, Args...>> {
    using operation = boost::asio::deferred_async_operation<Signature, Initiation, Args...>;
    static detail::asio_operation<operation, Signature> adapt(operation&& given) {
        return detail::asio_operation<operation, Signature>{std::move(given)};
    }
};

/// An `asio::awaitable` runs on this core's executor; its exception arrives at the `co_await`.
template <class T, class Executor>
struct await_adapter<boost::asio::awaitable<T, Executor>> {
    static auto adapt(boost::asio::awaitable<T, Executor>&& given) {
        auto started =
            boost::asio::co_spawn(asio_executor(), std::move(given), boost::asio::deferred);
        using signature = typename detail::spawned_signature<T>::type;
        return detail::asio_operation<decltype(started), signature>{std::move(started)};
    }
};

}  // namespace cohort
