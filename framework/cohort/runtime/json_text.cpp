#include <cohort/runtime/json_text.hpp>

#include <algorithm>
#include <cstdio>

#include <cohort/runtime/detail/utf8.hpp>

namespace cohort {

void append_json_escaped(std::string& line, std::string_view text, std::size_t bytes_max) {
    auto escape = [&](unsigned code) {
        char digits[8];
        line.append(digits, static_cast<std::size_t>(
                                std::snprintf(digits, sizeof digits, "\\u%04x", code)));
    };
    auto used = std::size_t{0};
    while (used < text.size()) {
        auto length = detail::utf8_length(text.substr(used));
        auto character = text.substr(used, std::max<std::size_t>(length, 1));
        if (used + character.size() > bytes_max) {
            line += "...";
            return;
        }
        used += character.size();
        auto first = static_cast<unsigned char>(character.front());
        if (length == 0) {
            line += detail::utf8_replacement;
        } else if (first == '"' || first == '\\') {
            line += '\\';
            line += static_cast<char>(first);
        } else if (first == '\n') {
            line += "\\n";
        } else if (first == '\r') {
            line += "\\r";
        } else if (first == '\t') {
            line += "\\t";
        } else if (first < 0x20 || first == 0x7f) {
            escape(first);
        } else if (first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0) {
            escape(static_cast<unsigned char>(character[1]));
        } else {
            line += character;
        }
    }
}

void append_json_text(std::string& line, std::string_view text, std::size_t bytes_max) {
    line += '"';
    append_json_escaped(line, text, bytes_max);
    line += '"';
}

std::string json_text(std::string_view text) {
    auto line = std::string{};
    append_json_text(line, text);
    return line;
}

}  // namespace cohort
