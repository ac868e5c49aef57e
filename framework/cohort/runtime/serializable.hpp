#pragma once

#include <cstdlib>
#include <span>
#include <string_view>

#include <cohort/runtime/detail/codec_containers.hpp>

namespace cohort {

namespace detail {

enum class refusal {
    none,
    base_class,
    c_array,
    bit_field,
    reference_or_const,
    no_default,
    pointer,
    view,
    union_type,
    loose_enum,
    long_double,
    not_an_aggregate,
    empty_element,
};

/// Why a type cannot be serialized, and which of its parts is the reason.
template <refusal Reason, class Offender>
struct verdict {
    static constexpr refusal reason = Reason;
    using offender = Offender;
};

/// Converts to whatever an aggregate's field wants. It never runs; it has bodies because clang
/// counts the conversion in an unevaluated aggregate as a use.
struct field_probe {
    template <class T>
    operator T&() const& noexcept {  // NOLINT
        std::abort();
    }
    template <class T>
    operator T&() const&& noexcept {  // NOLINT
        std::abort();
    }
};

/// Converts to the base classes of `Derived` only.
template <class Derived>
struct base_probe {
    template <class Base>
        requires(std::is_base_of_v<Base, Derived> && !std::is_same_v<Base, Derived>)
    operator Base() const noexcept {  // NOLINT
        std::abort();
    }
};

template <class T>
inline constexpr bool has_base = requires { T{base_probe<T>{}}; };

/// Whether `T` can be initialised with probes, of which the one at `I` is a braced pair and `Rest`
/// follow.
template <class T, std::size_t I, std::size_t Rest>
inline constexpr bool takes_pair_at =
    []<std::size_t... B, std::size_t... A>(std::index_sequence<B...>, std::index_sequence<A...>) {
        return requires {
            T{(B, field_probe{})..., {field_probe{}, field_probe{}}, (A, field_probe{})...};
        };
    }(std::make_index_sequence<I>{}, std::make_index_sequence<Rest>{});

/// A C array takes as many initialisers as it has elements when its braces are left out, and only
/// one when they are there: then those for the other elements are too many.
template <class T>
consteval bool has_c_array() {
    return []<std::size_t... I>(std::index_sequence<I...>) {
        constexpr auto count = sizeof...(I);
        return ((takes_pair_at<T, I, 0> && !takes_pair_at<T, I, count - 1 - I>) || ...);
    }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>{});
}

template <class T>
inline constexpr bool is_view = false;
template <class Char, class Traits>
inline constexpr bool is_view<std::basic_string_view<Char, Traits>> = true;
template <class T, std::size_t Extent>
inline constexpr bool is_view<std::span<T, Extent>> = true;

/// An enumeration with a fixed underlying type is made from a number in braces.
template <class T>
inline constexpr bool takes_a_number = false;
template <class T>
    requires std::is_enum_v<T>
inline constexpr bool takes_a_number<T> = requires { T{0}; } || requires { T{false}; };

template <class T>
consteval bool has_default() {
    return is_result<T> || requires { T{}; };
}

template <class T, class... Seen>
consteval auto inspect();

template <class... Seen>
consteval auto inspect_parts(type_list<>) {
    return verdict<refusal::none, void>{};
}
template <class... Seen, class First, class... Rest>
consteval auto inspect_parts(type_list<First, Rest...>) {
    using found = decltype(inspect<First, Seen...>());
    if constexpr (found::reason != refusal::none) {
        return found{};
    } else {
        return inspect_parts<Seen...>(type_list<Rest...>{});
    }
}

template <class T, class... Seen>
consteval auto inspect_fields() {
    if constexpr (std::is_empty_v<T>) {
        return verdict<refusal::none, void>{};
    } else {
        return []<std::size_t... I>(std::index_sequence<I...>) {
            return inspect_parts<T, Seen...>(type_list<boost::pfr::tuple_element_t<I, T>...>{});
        }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>{});
    }
}

/// The questions are asked in an order in which no question makes reflection itself fail to
/// compile.
template <class T, class... Seen>
consteval auto inspect_aggregate() {
    if constexpr (has_base<T>) {
        return verdict<refusal::base_class, T>{};
    } else if constexpr (!std::is_move_assignable_v<T>) {
        return verdict<refusal::reference_or_const, T>{};
    } else if constexpr (!has_default<T>()) {
        return verdict<refusal::no_default, T>{};
    } else if constexpr (std::is_empty_v<T>) {
        return verdict<refusal::none, void>{};
    } else if constexpr (has_c_array<T>()) {
        return verdict<refusal::c_array, T>{};
    } else if constexpr (boost::pfr::tuple_size_v<T> > sizeof(T)) {
        return verdict<refusal::bit_field, T>{};
    } else {
        return inspect_fields<T, Seen...>();
    }
}

template <class T, class... Seen>
consteval auto inspect() {
    if constexpr ((std::is_same_v<T, Seen> || ...)) {
        return verdict<refusal::none, void>{};  // a tree: judged where it was seen first
    } else if constexpr (std::is_reference_v<T> || std::is_const_v<T>) {
        return verdict<refusal::reference_or_const, T>{};
    } else if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T> ||
                         std::is_member_pointer_v<T>) {
        return verdict<refusal::pointer, T>{};
    } else if constexpr (std::is_array_v<T>) {
        return verdict<refusal::c_array, T>{};
    } else if constexpr (std::is_union_v<T>) {
        return verdict<refusal::union_type, T>{};
    } else if constexpr (std::is_same_v<T, long double>) {
        return verdict<refusal::long_double, T>{};
    } else if constexpr (is_view<T>) {
        return verdict<refusal::view, T>{};
    } else if constexpr (std::is_enum_v<T> && !takes_a_number<T>) {
        return verdict<refusal::loose_enum, T>{};
    } else if constexpr (requires { typename codec<T>::parts; }) {
        using found = decltype(inspect_parts<Seen...>(typename codec<T>::parts{}));
        if constexpr (found::reason != refusal::none) {
            return found{};
        } else if constexpr (requires {
                                 requires codec<typename codec<T>::element>::bytes_min == 0;
                             }) {
            return verdict<refusal::empty_element, T>{};
        } else {
            return verdict<refusal::none, void>{};
        }
    } else if constexpr (!requires { typename codec<T>::reflected; }) {
        return verdict<refusal::none, void>{};  // somebody specialised codec<T>
    } else if constexpr (!std::is_aggregate_v<T>) {
        return verdict<refusal::not_an_aggregate, T>{};
    } else {
        return inspect_aggregate<T, Seen...>();
    }
}

/// One sentence for each refusal; the compiler's note behind it names the offending type.
template <refusal Reason, class Offender>
consteval void refuse() {
    static_assert(
        Reason != refusal::base_class,
        "Cohort cannot serialize a type with a base class, because reflection does not see the "
        "base's fields: make the base a member");
    static_assert(Reason != refusal::c_array,
                  "Cohort cannot serialize a C array: write std::array<T, N> instead");
    static_assert(
        Reason != refusal::bit_field,
        "Cohort cannot serialize bit-fields: use whole integers, or one integer of flags");
    static_assert(
        Reason != refusal::reference_or_const,
        "Cohort cannot serialize a type with a reference or const member, because a decoder has "
        "to assign to it: hold a plain value");
    static_assert(
        Reason != refusal::no_default,
        "Cohort cannot serialize a type that cannot be made from {}, because a decoder starts "
        "with the defaults: give every member a default value");
    static_assert(
        Reason != refusal::pointer,
        "Cohort cannot serialize a pointer, which means nothing in another process: hold the "
        "value itself, a std::optional, or cohort::bytes");
    static_assert(
        Reason != refusal::view,
        "Cohort cannot serialize a view, because a decoded message must own what it holds: use "
        "std::string, std::vector or cohort::bytes");
    static_assert(Reason != refusal::union_type,
                  "Cohort cannot serialize a union: use std::variant");
    static_assert(
        Reason != refusal::loose_enum,
        "Cohort cannot serialize an enumeration without a fixed underlying type: write enum "
        "class, or give it a type");
    static_assert(
        Reason != refusal::long_double,
        "Cohort cannot serialize long double, whose size differs between machines: use double");
    static_assert(Reason != refusal::not_an_aggregate,
                  "Cohort cannot serialize a class with constructors, private members or virtual "
                  "functions: make it a plain aggregate, or specialise cohort::codec for it");
    static_assert(
        Reason != refusal::empty_element,
        "Cohort cannot serialize a container whose elements take no bytes, because its length "
        "could not be checked against the input");
}

}  // namespace detail

/// A type that can leave the node: numbers, strings, standard containers, `bytes`, and aggregates
/// of these.
template <class T>
concept serializable = decltype(detail::inspect<T>())::reason == detail::refusal::none;

/// Refuses a type that is not serializable with a sentence that says why and what to write instead.
template <class T>
consteval bool check_serializable() {
    using found = decltype(detail::inspect<T>());
    detail::refuse<found::reason, typename found::offender>();
    return true;
}

}  // namespace cohort
