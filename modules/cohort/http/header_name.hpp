#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace cohort {

/// Whether two header names are the same; ASCII letters are compared without case.
[[nodiscard]] constexpr bool same_header(std::string_view left, std::string_view right) noexcept {
    auto lower = [](char character) {
        return character >= 'A' && character <= 'Z' ? static_cast<char>(character | 0x20)
                                                    : character;
    };
    for (std::size_t index = 0; left.size() == right.size() && index < left.size(); ++index) {
        if (lower(left[index]) != lower(right[index])) {
            return false;
        }
    }
    return left.size() == right.size();
}

namespace detail {

inline constexpr auto token_characters = [] {
    auto table = std::array<bool, 256>{};
    for (char character : std::string_view{"!#$%&'*+-.^_`|~0123456789"
                                           "abcdefghijklmnopqrstuvwxyz"
                                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}) {
        table[static_cast<unsigned char>(character)] = true;
    }
    return table;
}();

constexpr bool is_token(std::string_view text) noexcept {
    for (char character : text) {
        if (!token_characters[static_cast<unsigned char>(character)]) {
            return false;
        }
    }
    return !text.empty();
}

/// Headers that the server itself writes.
constexpr bool written_by_the_server(std::string_view name) noexcept {
    for (auto ours : {"Date", "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding"}) {
        if (same_header(name, ours)) {
            return true;
        }
    }
    return false;
}

// Not constexpr on purpose: a compiler that has to call one of them while it checks a literal
// prints its name.
void the_name_of_a_response_header_is_no_token();
void the_server_itself_writes_this_header();

}  // namespace detail

/// The name of a response header. A literal is checked when it is compiled; `checked` takes any
/// text.
///
/// Ownership: refers to the text it was made from.
class header_name {
public:
    template <std::size_t Size>
    consteval header_name(const char (&literal)[Size])  // NOLINT: `header("ETag", tag)` reads well
        : text_{literal, Size - 1} {
        if (!detail::is_token(text_)) {
            detail::the_name_of_a_response_header_is_no_token();
        }
        if (detail::written_by_the_server(text_)) {
            detail::the_server_itself_writes_this_header();
        }
    }

    /// A name that is known at run time only.
    ///
    /// Errors: throws `std::invalid_argument` when it is no token or a header that the server
    ///         writes.
    [[nodiscard]] static header_name checked(std::string_view text);

    [[nodiscard]] std::string_view text() const noexcept { return text_; }

private:
    header_name() = default;
    std::string_view text_;
};

/// A whole header, checked once, for answers that repeat it.
class header_line {
public:
    /// Errors: throws `std::invalid_argument` when the value holds a control character.
    header_line(header_name name, std::string_view value);

    [[nodiscard]] std::string_view text() const noexcept { return text_; }

private:
    std::string text_;
};

}  // namespace cohort
