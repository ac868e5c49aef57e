#pragma once

#include <cstdint>
#include <string_view>

#include <cohort/world/compiler.hpp>

namespace cohort {

/// What a request asks for. `other` is every method that this server does not know; it is answered
/// 501.
enum class method : std::uint8_t {
    get,
    head,
    post,
    put,
    delete_,
    options,
    patch,
    trace,
    connect,
    other
};

inline constexpr auto GET = method::get;
inline constexpr auto HEAD = method::head;
inline constexpr auto POST = method::post;
inline constexpr auto PUT = method::put;
inline constexpr auto DELETE = method::delete_;
inline constexpr auto OPTIONS = method::options;
inline constexpr auto PATCH = method::patch;

inline constexpr std::size_t method_count = static_cast<std::size_t>(method::other);

/// As it stands in a request line; empty for `other`.
[[nodiscard]] std::string_view name(method value) noexcept;

/// Methods are case-sensitive: `get` is `other`.
[[nodiscard]] method method_of(std::string_view text) noexcept;

}  // namespace cohort
