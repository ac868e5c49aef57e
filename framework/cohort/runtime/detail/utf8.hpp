#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cohort::detail {

/// The replacement character, which stands for bytes that are not UTF-8.
inline constexpr std::string_view utf8_replacement = "\xef\xbf\xbd";

/// How many bytes the character at the start of `text` takes; 0 when it is not valid UTF-8 (also
/// overlong forms, surrogates, and what is behind U+10FFFF).
[[nodiscard]] inline std::size_t utf8_length(std::string_view text) noexcept {
    auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    auto follows = [&](std::size_t at) { return (byte(at) & 0xc0U) == 0x80U; };
    auto first = byte(0);
    if (text.empty()) {
        return 0;
    }
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return follows(1) ? 2 : 0;
    }
    if (first >= 0xe0 && first <= 0xef) {
        auto overlong = first == 0xe0 && byte(1) < 0xa0;
        auto surrogate = first == 0xed && byte(1) > 0x9f;
        return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        auto overlong = first == 0xf0 && byte(1) < 0x90;
        auto too_large = first == 0xf4 && byte(1) > 0x8f;
        return follows(1) && follows(2) && follows(3) && !overlong && !too_large ? 4 : 0;
    }
    return 0;
}

}  // namespace cohort::detail
