#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <cohort/world/compiler.hpp>

namespace cohort {

namespace detail {

template <class T>
consteval std::string_view spelled_type_name() {
    auto text = std::string_view{__PRETTY_FUNCTION__};
    auto start = text.find("T = ") + 4;
    auto end = text.find(';', start);  // GCC goes on with `; std::string_view = ...`
    return text.substr(start, (end == text.npos ? text.size() - 1 : end) - start);
}

consteval std::uint32_t fnv1a(std::string_view text) {
    auto hash = std::uint32_t{2166136261U};
    for (char letter : text) {
        hash = (hash ^ static_cast<std::uint8_t>(letter)) * 16777619U;
    }
    return hash;
}

}  // namespace detail

/// The name of a type as it is written, with its namespaces; a message may choose another one with
/// `static constexpr std::string_view wire_name = "cache.put";`, which then survives a rename and
/// is needed where compilers spell the type differently (templates, anonymous namespaces).
template <class T>
[[nodiscard]] consteval std::string_view wire_name() {
    if constexpr (requires { std::string_view{T::wire_name}; }) {
        return T::wire_name;
    } else {
        return detail::spelled_type_name<T>();
    }
}

/// The number that stands for a message type on the wire: a hash of its name, never 0.
template <class T>
[[nodiscard]] consteval std::uint32_t message_id() {
    constexpr auto hash = detail::fnv1a(wire_name<std::remove_cv_t<T>>());
    return hash == 0 ? 1 : hash;
}

/// The version of a message's fields, for those who want to know: `static constexpr std::uint16_t
/// wire_version = 2;`, otherwise 1. Appending fields needs no new version.
template <class T>
[[nodiscard]] consteval std::uint16_t message_version() {
    if constexpr (requires { std::uint16_t{T::wire_version}; }) {
        return T::wire_version;
    } else {
        return 1;
    }
}

}  // namespace cohort
