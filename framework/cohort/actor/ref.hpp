#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include <cohort/actor/ask.hpp>
#include <cohort/actor/protocol.hpp>

namespace cohort {

namespace detail {

template <class M>
[[nodiscard]] const wire_format& wire_of() noexcept {
    COHORT_ASSERT(wire_slot<M> != nullptr, "a ref comes from another node through a door only");
    return *wire_slot<M>;
}

}  // namespace detail

/// The address of an actor that understands `P`: a value of 16 bytes, free to copy and to send. It
/// does not keep the actor alive; what is sent to an actor that is gone becomes a dead letter, and
/// an ask of it ends at once with `errc::terminated`.
///
/// A ref to a wider protocol converts to a narrower one. An actor of another node answers to the
/// same verbs.
///
/// Thread: copied anywhere; its verbs are called from actors and tasks on a core.
template <class P>
class ref {
public:
    using protocol_type = P;

    ref() = default;
    explicit ref(handle address) noexcept : where_{address} {}
    explicit ref(const actor_address& where) noexcept : where_{where} {}
    template <class Wider>
        requires(!std::is_same_v<Wider, P> && detail::covers<Wider, P>)
    ref(const ref<Wider>& other) noexcept : where_{other.where()} {}  // NOLINT

    /// Whether it was ever set; says nothing about the actor's life.
    explicit operator bool() const noexcept { return static_cast<bool>(where_.at); }
    /// The handle of an actor of this node.
    [[nodiscard]] handle address() const noexcept { return where_.at; }
    /// The address of an actor of any node.
    [[nodiscard]] const actor_address& where() const noexcept { return where_; }

    /// Sends a message: at most once, in order between the same two actors, never waiting. A full
    /// mailbox acts by its policy.
    template <class M>
    void tell(M&& content) const {
        using type = std::remove_cvref_t<M>;
        detail::check_tell<P, type>();
        if constexpr (detail::lists<P, type>) {
            tell_payload<type>(std::forward<M>(content));
        }
    }
    /// The same, with the message made in place from its fields.
    template <class M, class... Args>
    void tell(Args&&... fields) const {
        detail::check_tell<P, M>();
        if constexpr (detail::lists<P, M>) {
            tell_payload<M>(M{std::forward<Args>(fields)...});
        }
    }

    /// Sends a request and waits for its answer: `result<T>` where the reply is `T` or `result<T>`.
    ///
    /// Ownership:    arguments are moved into the message; nothing is borrowed after the call.
    /// Thread:       call on a core; resumes there.
    /// Errors:       `timeout` (outcome unknown), `overloaded` (certainly not executed),
    ///               `terminated` (certainly not executed where `executed` says so: the actor was
    ///               gone, or ended before it took the request), `no_reply`; of another node also
    ///               `network` (the connection was lost meanwhile: outcome unknown) and
    ///               `unavailable` (certainly not executed).
    /// Cancellation: dropping the awaiter gives the answer up; the callee may still run the
    ///               request.
    template <class M, class... Args>
    [[nodiscard("the answer is taken with co_await")]] auto ask(ask_deadline until,
                                                                Args&&... fields) const {
        detail::check_ask<P, M>();
        if constexpr (detail::lists<P, M> && has_reply<M>) {
            return ask_operation<M>{where_, until.value, std::forward<Args>(fields)...};
        }
    }

    /// An ask without a deadline: refused.
    template <class M, class... Args>
        requires(!detail::begins_with_deadline<Args...>)
    void ask(Args&&...) const {
        static_assert(!std::is_same_v<M, M>,
                      "an ask begins with its deadline: target.ask<get>(5s, ...), or the deadline "
                      "of the request that is being served");
    }

    /// Sends a message and waits until the mailbox has taken it.
    ///
    /// Errors: `terminated`.
    /// Cancellation: dropping the awaiter takes the message back, unless it has arrived already.
    template <class M, class... Args>
    [[nodiscard("it is waited for with co_await, and may fail; tell does not wait")]] auto send(
        Args&&... fields) const {
        detail::check_tell<P, M>();
        if constexpr (detail::lists<P, M>) {
            return send_operation<M>{where_, M{std::forward<Args>(fields)...}};
        }
    }
    template <class M>
    [[nodiscard("it is waited for with co_await, and may fail; tell does not wait")]] auto send(
        M&& content) const {
        return send<std::remove_cvref_t<M>, M>(std::forward<M>(content));
    }

    friend bool operator==(const ref&, const ref&) noexcept = default;

private:
    template <class M>
    class [[nodiscard]] ask_operation : public pending_ask<reply_value<M>> {
    public:
        template <class... Args>
        ask_operation(const actor_address& where, deadline until, Args&&... fields)
            : pending_ask<reply_value<M>>{until} {
            auto to = where.at;
            auto& here = this_core();
            here.counters().asks.add();
            auto header = request_header{this->reply_address(), until};
            if (until.at <= here.turn_time()) {
                this->fail_now(error{errc::timeout}.with(executed::no));
            } else if (COHORT_LIKELY(to.core() == here.id())) {
                auto* node = make_node<ask_node<M>>(ask_type<M>, std::forward<Args>(fields)...);
                node->header = header;
                here.deliver(to, node);
            } else if (!to) {
                this->fail_now(error{errc::terminated}.with(executed::no));
            } else if (where.remote()) {
                auto content = M{std::forward<Args>(fields)...};
                here.remote().ask(where, detail::wire_of<M>(), &content, this->record(), until);
            } else if (!here.post(to.core(), request{to, header, M{std::forward<Args>(fields)...}},
                                  true)) {
                here.counters().ring_refused.add();
                this->fail_now(errc::overloaded);
            }
        }

    private:
        struct request {
            handle to;
            request_header header;
            M payload;
            void operator()(core& home) {
                auto* node = make_node<ask_node<M>>(ask_type<M>, std::move(payload));
                node->header = header;
                home.deliver(to, node);
            }
        };
    };

    template <class M>
    class [[nodiscard]] send_operation : public pending_ask<void> {
    public:
        send_operation(const actor_address& where, M content)
            : pending_ask<void>{deadline{time_point::max(), 0}}, to_{where.at} {
            auto& here = this_core();
            auto to = where.at;
            auto reply = this->reply_address();
            if (!to) {
                this->fail_now(error{errc::terminated}.with(executed::no));
                return;
            }
            if (where.remote()) {
                here.remote().send(where, detail::wire_of<M>(), &content, this->record());
                return;
            }
            auto arrive = [to, reply, content = std::move(content)](core& home) mutable {
                auto* node = make_node<tell_node<M>>(tell_type<M>, std::move(content));
                home.keeper().admit(home, to, node, reply);
            };
            if (to.core() == here.id()) {
                arrive(here);
            } else {
                here.post(to.core(), std::move(arrive));
            }
        }
        ~send_operation() {
            if (!this->ended()) {
                withdraw();
            }
        }

    private:
        // The mailbox's line of waiting messages is as long as there are senders that wait.
        void withdraw() noexcept {
            auto& here = this_core();
            auto take_back = [to = to_, reply = this->reply_address()](core& home) {
                home.keeper().withdraw(home, to, reply);
            };
            if (to_.core() == here.id()) {
                take_back(here);
            } else if (to_.core() != core_elsewhere) {  // from another node nothing comes back
                here.post(to_.core(), take_back);
            }
        }

        handle to_;
    };

    template <class M>
    struct delivery {
        handle to;
        M payload;
        void operator()(core& home) {
            home.deliver(to, make_node<tell_node<M>>(tell_type<M>, std::move(payload)));
        }
    };

    template <class M, class Content>
    void tell_payload(Content&& content) const {
        auto& here = this_core();
        auto to = where_.at;
        if (COHORT_LIKELY(to.core() == here.id())) {
            here.deliver(to, make_node<tell_node<M>>(tell_type<M>, std::forward<Content>(content)));
        } else if (!to) {
            here.counters().dead_letters.add();
        } else if (where_.remote()) {
            const M& whole = content;
            here.remote().tell(where_, detail::wire_of<M>(), &whole);
        } else if (!here.post(to.core(), delivery<M>{to, M(std::forward<Content>(content))},
                              true)) {
            here.counters().ring_refused.add();
        }
    }

    actor_address where_;
};

}  // namespace cohort

template <class P>
struct std::hash<cohort::ref<P>> {
    std::size_t operator()(const cohort::ref<P>& target) const noexcept {
        const auto& where = target.where();
        return std::hash<cohort::handle>{}({where.at.value + where.peer});
    }
};
