#pragma once

#include <memory>
#include <utility>

#include <cohort/actor/ask.hpp>
#include <cohort/actor/protocol.hpp>
#include <cohort/actor/ref.hpp>
#include <cohort/actor/supervision.hpp>

namespace cohort {

/// What a watcher receives when an actor has ended: exactly once, behind everything the actor sent
/// it.
struct terminated {
    actor_address who;
    exit_reason reason = exit_reason::normal;
    std::shared_ptr<const failure> why;  // set when it failed

    template <class P>
    [[nodiscard]] bool is(const ref<P>& target) const noexcept {
        return who == target.where();
    }
};

/// A message of type `M` inside a `received`: a pointer that may be null, and the way to answer.
template <class M>
class request_view {
public:
    request_view() = default;
    request_view(M* payload, request_header* header) noexcept
        : payload_{payload}, header_{header} {}

    explicit operator bool() const noexcept { return payload_ != nullptr; }
    [[nodiscard]] M* operator->() const noexcept { return payload_; }
    [[nodiscard]] M& operator*() const noexcept { return *payload_; }

    /// Answers; does nothing after a `tell` or a second time.
    template <class Value>
    void reply(Value&& value) {
        static_assert(has_reply<M>,
                      "this message has no reply: write `using reply = ...;` in it to answer it");
        if constexpr (has_reply<M>) {
            later()(std::forward<Value>(value));
        }
    }
    void reply()
        requires(has_reply<M>)
    {
        later()();
    }
    /// Takes the right to answer out, to answer later or from a child task.
    [[nodiscard]] auto later() noexcept {
        static_assert(has_reply<M>,
                      "this message has no reply: write `using reply = ...;` in it to answer it");
        if constexpr (has_reply<M>) {
            return reply_to<typename M::reply>{
                header_ == nullptr ? handle{} : std::exchange(header_->reply, {})};
        }
    }
    /// Until when the asker waits, and its trace; give it to asks made on the asker's behalf.
    [[nodiscard]] cohort::deadline deadline() const noexcept {
        return header_ == nullptr ? cohort::deadline{time_point::max(), 0} : header_->deadline;
    }

private:
    M* payload_ = nullptr;
    request_header* header_ = nullptr;
};

/// One message as an actor took it from its mailbox. A request that is dropped without an answer is
/// answered `errc::no_reply`, or `errc::terminated` when its actor fails or is stopped (or while an
/// exception passes).
template <class P>
class received {
public:
    explicit received(message* node) noexcept : node_{node} {}
    received(received&& other) noexcept : node_{std::exchange(other.node_, nullptr)} {}
    received& operator=(received&& other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~received() {
        if (node_ != nullptr) {
            discard();
        }
    }

    /// The message as an `M`, or a null view when it is another.
    template <class M>
    [[nodiscard]] request_view<M> get_if() noexcept {
        static_assert(
            detail::lists<P, M> || std::is_same_v<M, terminated>,
            "this actor never receives that message: list it in the actor's protocol<...>");
        if constexpr (std::is_same_v<M, terminated>) {
            if (node_->type == &system_type<terminated>) {
                return {&static_cast<tell_node<M>*>(node_)->payload, nullptr};
            }
        } else {
            if constexpr (has_reply<M>) {
                if (node_->type == &ask_type<M>) {
                    auto* whole = static_cast<ask_node<M>*>(node_);
                    return {&whole->payload, &whole->header};
                }
            }
            if (node_->type == &tell_type<M>) {
                return {&static_cast<tell_node<M>*>(node_)->payload, nullptr};
            }
        }
        return {};
    }
    /// The message's type, for logs.
    [[nodiscard]] std::string_view type() const noexcept { return node_->type->name; }
    /// The deadline of a request, whatever its type; `time_point::max()` for other messages.
    [[nodiscard]] cohort::deadline deadline() const noexcept {
        return node_->type->request ? static_cast<request_message*>(node_)->header.deadline
                                    : cohort::deadline{time_point::max(), 0};
    }

private:
    void discard() noexcept {
        if (node_->type->request) {
            auto& reply = static_cast<request_message*>(node_)->header.reply;
            if (reply) {
                this_core().fail_reply(reply, this_core().unanswered());
            }
        }
        destroy_message(*node_);
    }

    message* node_;
};

}  // namespace cohort
