#include <cohort/http/percent.hpp>

namespace cohort {
namespace {

int hex_digit(char character) noexcept {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    auto lower = character | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool unreserved(char character) noexcept {
    auto lower = character | 0x20;
    return (lower >= 'a' && lower <= 'z') || (character >= '0' && character <= '9') ||
           character == '-' || character == '.' || character == '_' || character == '~';
}

}  // namespace

bool percent_decode(std::string_view text, std::string& out) {
    auto escape = text.find('%');
    while (escape != std::string_view::npos) {
        out.append(text.substr(0, escape));
        if (text.size() - escape < 3) {
            return false;
        }
        auto high = hex_digit(text[escape + 1]);
        auto low = hex_digit(text[escape + 2]);
        if (high < 0 || low < 0) {
            return false;
        }
        out.push_back(static_cast<char>(high * 16 + low));
        text.remove_prefix(escape + 3);
        escape = text.find('%');
    }
    out.append(text);
    return true;
}

std::string percent_encode(std::string_view bytes) {
    static constexpr auto digits = std::string_view{"0123456789ABCDEF"};
    auto out = std::string{};
    out.reserve(bytes.size());
    for (auto character : bytes) {
        if (unreserved(character)) {
            out.push_back(character);
        } else {
            auto byte = static_cast<unsigned char>(character);
            out.push_back('%');
            out.push_back(digits[byte >> 4]);
            out.push_back(digits[byte & 15]);
        }
    }
    return out;
}

}  // namespace cohort
