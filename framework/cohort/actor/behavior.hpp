#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

#include <cohort/actor/context.hpp>
#include <cohort/task/promise.hpp>

namespace cohort {

/// The promise of an actor's own coroutine. It also holds the actor's place in the tree, as slots.
struct root_promise : promise_base, awaits<root_promise> {
    static constexpr std::uint32_t none = ~0U;

    template <class... Args>
    explicit root_promise(context_base& self, Args&...) noexcept : owner{self.cell_} {}

    struct final_awaiter {
        bool await_ready() noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) noexcept {
            this_core().current()->state = run_state::finished;
        }
        void await_resume() noexcept {}
    };
    final_awaiter final_suspend() noexcept { return {}; }
    void unhandled_exception();
    void return_void() noexcept {}

    cell* owner;
    std::uint32_t parent = none;
    std::uint32_t previous = none;
    std::uint32_t next = none;
    std::uint32_t protocol = 0;  // see `understands`
};

/// What an actor's coroutine returns. `P` is the protocol that it understands.
///
/// An actor is a free function whose first parameter is its context and whose parameters are
/// values:
///
///     behavior<counter> count(context<counter> self, int start) { ... }
template <class P>
class behavior {
public:
    using protocol_type = P;
    explicit behavior(root_promise& promise) noexcept : promise_{&promise} {}
    [[nodiscard]] root_promise& promise() const noexcept { return *promise_; }

private:
    root_promise* promise_;
};

namespace detail {

/// Numbers the protocols of the program's actors, so that an actor can be asked by a number of four
/// bytes what it understands. Before `main` only.
std::uint32_t number_protocol(std::vector<const message_type*> types);

template <class P>
inline constinit std::uint32_t protocol_number = 0;
template <class... Messages>
inline const std::uint32_t protocol_number<protocol<Messages...>> = [] {
    auto types = std::vector<const message_type*>{};
    auto add = [&]<class M>(std::type_identity<M>) {
        types.push_back(&tell_type<M>);
        if constexpr (has_reply<M>) {
            types.push_back(&ask_type<M>);
        }
    };
    (add(std::type_identity<Messages>{}), ...);
    return number_protocol(std::move(types));
}();

template <class P>
struct behavior_promise : root_promise {
    template <class... Args>
    explicit behavior_promise(context_base& self, Args&... args) noexcept
        : root_promise{self, args...} {
        protocol = protocol_number<P>;
    }
    behavior<P> get_return_object() noexcept { return behavior<P>{*this}; }
};

template <class P, class... Args>
consteval bool check_actor_parameters() {
    if constexpr (sizeof...(Args) == 0) {
        static_assert(sizeof...(Args) != 0, "an actor's first parameter is its context");
    } else {
        using first = std::tuple_element_t<0, std::tuple<Args...>>;
        // A lambda or member function has its object as a hidden reference in front. A closure's
        // type is still incomplete here, which a pointer may be and is_base_of refuses.
        static_assert(
            std::is_convertible_v<std::remove_cvref_t<first>*, context_base*>,
            "an actor is a free function whose first parameter is its context: a lambda's or "
            "an object's state does not live in the coroutine's frame");
        if constexpr (std::is_convertible_v<std::remove_cvref_t<first>*, context_base*>) {
            static_assert(std::is_convertible_v<std::remove_cvref_t<first>*, context<P>*>,
                          "an actor that returns behavior<P> takes a context<P> of the same "
                          "protocol: what it receives is what its ref lets others send");
        }
        static_assert((!std::is_reference_v<Args> && ...),
                      "an actor takes its parameters by value: a reference dangles after the first "
                      "co_await");
    }
    return true;
}

}  // namespace detail
}  // namespace cohort

template <class P, class... Args>
struct std::coroutine_traits<cohort::behavior<P>, Args...> {
    static_assert(cohort::detail::check_actor_parameters<P, Args...>());
    using promise_type = cohort::detail::behavior_promise<P>;
};
