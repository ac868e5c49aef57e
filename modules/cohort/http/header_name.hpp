#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
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

constexpr bool is_control(char character) noexcept {
    auto byte = static_cast<unsigned char>(character);
    return byte < 0x20 || byte == 0x7f;
}
/// A tab is fine inside of a header's value.
constexpr bool breaks_a_value(char character) noexcept {
    return is_control(character) && character != '\t';
}

// Not constexpr on purpose: a compiler that has to call one of them while it checks a literal
// prints its name.
void the_name_of_a_response_header_is_no_token();
void the_server_itself_writes_this_header();
void the_value_of_a_response_header_holds_a_control_character();

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

/// A number as the value of a header: digits, which need no check, and no memory of its own.
class number_value {
public:
    [[nodiscard]] static number_value decimal(std::uint64_t number) noexcept;
    /// In hexadecimal digits between quotes, as entity tags are written.
    [[nodiscard]] static number_value quoted(std::uint64_t number) noexcept;

    [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), size_}; }
    operator std::string_view() const noexcept { return text(); }  // NOLINT
    friend bool operator==(const number_value& left, std::string_view right) noexcept {
        return left.text() == right;
    }

private:
    number_value() = default;
    std::array<char, 23> text_;
    std::uint8_t size_ = 0;
};

/// The value of a response header. A literal is checked when it is compiled, other text when the
/// header is added.
///
/// Ownership: refers to the text it was made from.
class header_value {
public:
    template <std::size_t Size>
    consteval header_value(const char (&literal)[Size])  // NOLINT: as for names
        : text_{literal, Size - 1}, checked_{true} {
        for (char character : text_) {
            if (detail::breaks_a_value(character)) {
                detail::the_value_of_a_response_header_holds_a_control_character();
            }
        }
    }
    template <class Text>
        requires std::convertible_to<const Text&, std::string_view>
    header_value(const Text& text)  // NOLINT: as for names
        : text_{text} {}
    header_value(const number_value& number)  // NOLINT: as for names
        : text_{number.text()}, checked_{true} {}

    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] bool checked() const noexcept { return checked_; }

private:
    std::string_view text_;
    bool checked_ = false;
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
