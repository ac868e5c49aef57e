#pragma once

#include <memory>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <cohort/actor/system.hpp>
#include <cohort/task/asio.hpp>

namespace cohort {

namespace detail {

template <class M, class P, class Handler>
struct outside_asio_ask {
    using answer_type = result<reply_value<M>>;
    using executor_type = boost::asio::associated_executor_t<Handler>;

    Handler handler;
    // The waiting side's context must not run out of work meanwhile.
    boost::asio::executor_work_guard<executor_type> work;

    explicit outside_asio_ask(Handler given)
        : handler{std::move(given)}, work{boost::asio::get_associated_executor(handler)} {}

    /// The actor that asks.
    static behavior<silent> body(context<silent>, std::shared_ptr<outside_asio_ask> self,
                                 ref<P> target, duration within, M request) {
        auto answer = co_await target.template ask<M>(within, std::move(request));
        auto executor = self->work.get_executor();
        boost::asio::post(executor, [self = std::move(self), answer = std::move(answer)]() mutable {
            auto handler = std::move(self->handler);
            self.reset();
            std::move(handler)(std::move(answer));
        });
    }
};

}  // namespace detail

/// Asks an actor from outside of the cores: an ordinary asynchronous operation of Asio with the
/// signature `void(result<T>)`, for any completion token.
///
///     auto value = co_await async_ask(node, cache, get{"key"}, 2s, asio::use_awaitable);
///
/// Thread:    any; completes on the handler's associated executor.
/// Ownership: the request is moved; `owner` must outlive the operation, and the handler's context
/// must
///            outlive `owner`: a core may still be posting to it when the answer is already there.
template <class P, class M, class CompletionToken>
auto async_ask(system& owner, const ref<P>& target, M request, duration within,
               CompletionToken&& token) {
    detail::check_ask<P, M>();
    auto initiate = [&owner](auto handler, ref<P> to, M content, duration limit) {
        using state_type = detail::outside_asio_ask<M, P, decltype(handler)>;
        auto state = std::make_shared<state_type>(std::move(handler));
        owner.runtime().post(
            detail::core_for(to.where()), [state = std::move(state), to, limit,
                                           content = std::move(content)](core& here) mutable {
                detail::spawn_plain(here, nullptr, &state_type::body, std::move(state), to, limit,
                                    std::move(content));
            });
    };
    return boost::asio::async_initiate<CompletionToken, void(result<reply_value<M>>)>(
        std::move(initiate), token, target, std::move(request), within);
}

}  // namespace cohort
