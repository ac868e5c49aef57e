#pragma once

#include <type_traits>

#include <cohort/runtime/message.hpp>
#include <cohort/world/result.hpp>

namespace cohort {

namespace detail {
template <class M>
struct listed {};
}  // namespace detail

/// The messages that an actor understands. A message is a plain aggregate; one that is asked names
/// the type of its answer as `reply`:
///
///     struct get { using reply = cohort::result<std::string>; std::string key; };
///     struct drop {};
///     using cache_protocol = cohort::protocol<get, drop>;
template <class... Messages>
struct protocol : detail::listed<Messages>... {
    static_assert(
        (std::is_aggregate_v<Messages> && ...),
        "every message of a protocol is a plain aggregate: a struct without constructors, "
        "private members or virtual functions");
};

namespace detail {

// Derived-to-base is one question to the compiler, however long the protocol is.
template <class P, class M>
inline constexpr bool lists = std::is_base_of_v<listed<M>, P>;

template <class Wide, class Narrow>
inline constexpr bool covers = false;
template <class Wide, class... Messages>
inline constexpr bool covers<Wide, protocol<Messages...>> = (lists<Wide, Messages> && ...);

template <class R>
struct flattened {
    using type = R;
};
template <class T>
struct flattened<result<T>> {
    using type = T;
};

}  // namespace detail

/// `M` is one of the messages of protocol `P`.
template <class M, class P>
concept message_of = detail::lists<P, M>;

/// `M` names the type of its answer.
template <class M>
concept has_reply = requires { typename M::reply; };

/// What an ask of `M` gives inside its `result`: `T` where the reply is `T` or `result<T>`.
template <has_reply M>
using reply_value = typename detail::flattened<typename M::reply>::type;

namespace detail {

template <class P, class M>
consteval void check_tell() {
    static_assert(
        lists<P, M>,
        "this actor does not understand that message: list it in the actor's protocol<...>");
}

template <class P, class M>
consteval void check_ask() {
    check_tell<P, M>();
    static_assert(
        has_reply<M>,
        "this message has no reply: write `using reply = ...;` in it, or tell it instead");
}

}  // namespace detail

}  // namespace cohort
