#include <cohort/runtime/detail/config_text.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace cohort::detail {
namespace {

struct unit {
    std::string_view name;
    std::int64_t factor;
};

// Ordered from large to small: the first one that divides a value prints it.
constexpr std::array<unit, 7> duration_units{{{"d", 86'400'000'000'000},
                                              {"h", 3'600'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"s", 1'000'000'000},
                                              {"ms", 1'000'000},
                                              {"us", 1'000},
                                              {"ns", 1}}};
constexpr std::array<unit, 9> size_units{{{"TiB", std::int64_t{1} << 40},
                                          {"GiB", std::int64_t{1} << 30},
                                          {"MiB", std::int64_t{1} << 20},
                                          {"KiB", std::int64_t{1} << 10},
                                          {"TB", 1'000'000'000'000},
                                          {"GB", 1'000'000'000},
                                          {"MB", 1'000'000},
                                          {"kB", 1'000},
                                          {"B", 1}}};

error wrong(std::string_view text, const std::string& why) {
    return {errc::invalid, "'" + printable(text) + "' " + why};
}

template <std::size_t Size>
std::string print_with_unit(std::int64_t value, const std::array<unit, Size>& units) {
    for (const auto& each : units) {
        if (value != 0 && value % each.factor == 0) {
            return std::to_string(value / each.factor) + std::string{each.name};
        }
    }
    return "0";
}

std::string print_number(const config_option& option, std::int64_t value) {
    switch (option.kind) {
        case config_kind::duration:
            return print_with_unit(value, duration_units);
        case config_kind::size:
            return print_with_unit(value, size_units);
        default:
            return std::to_string(value);
    }
}

result<config_value> in_range(const config_option& option, std::string_view text,
                              std::int64_t value) {
    if (value >= option.min && value <= option.max) {
        return config_value{value};
    }
    if (option.max == std::numeric_limits<std::int64_t>::max()) {
        return wrong(text, "is less than " + print_number(option, option.min));
    }
    return wrong(text, "is not between " + print_number(option, option.min) + " and " +
                           print_number(option, option.max));
}

result<config_value> parse_flag(std::string_view text) {
    for (auto yes : {"true", "yes", "on", "1"}) {
        if (text == yes) {
            return config_value{true};
        }
    }
    for (auto no : {"false", "no", "off", "0"}) {
        if (text == no) {
            return config_value{false};
        }
    }
    return wrong(text, "is not true or false");
}

result<config_value> parse_integer(const config_option& option, std::string_view text) {
    auto value = std::int64_t{};
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure == std::errc::result_out_of_range) {
        return wrong(text, "is too large a number");
    }
    if (failure != std::errc{} || end != text.data() + text.size()) {
        return wrong(text, "is not a whole number");
    }
    return in_range(option, text, value);
}

template <std::size_t Size>
result<config_value> parse_with_unit(const config_option& option, std::string_view text,
                                     const std::array<unit, Size>& units, const std::string& what) {
    auto value = std::int64_t{};
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{}) {
        return wrong(text, what);
    }
    auto name = text.substr(static_cast<std::size_t>(end - text.data()));
    if (name.empty() && (value == 0 || option.kind == config_kind::size)) {
        return in_range(option, text, value);
    }
    for (const auto& each : units) {
        if (each.name != name) {
            continue;
        }
        if (__builtin_mul_overflow(value, each.factor, &value)) {
            return wrong(text, "is too large");
        }
        return in_range(option, text, value);
    }
    return wrong(text, what);
}

result<config_value> parse_choice(const config_option& option, std::string_view text) {
    auto names = std::string{};
    for (const auto& [name, value] : option.choices) {
        if (name == text) {
            return config_value{value};
        }
        names += names.empty() ? name : ", " + name;
    }
    return wrong(text, "is none of " + names);
}

result<config_value> parse_list(std::string_view whole) {
    auto list = std::vector<std::string>{};
    auto text = whole;
    while (!text.empty()) {
        auto comma = std::min(text.find(','), text.size());
        auto element = text.substr(0, comma);
        while (element.starts_with(' ')) {
            element.remove_prefix(1);
        }
        while (element.ends_with(' ')) {
            element.remove_suffix(1);
        }
        if (element.empty() || comma + 1 == text.size()) {
            return wrong(whole, "holds an empty element");
        }
        list.emplace_back(element);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return config_value{std::move(list)};
}

}  // namespace

result<config_value> parse_config_value(const config_option& option, std::string_view text) {
    if (text.size() > config_text_bytes_max) {
        return error{errc::too_large, "the value is longer than 64 KiB"};
    }
    switch (option.kind) {
        case config_kind::flag:
            return parse_flag(text);
        case config_kind::integer:
            return parse_integer(option, text);
        case config_kind::choice:
            return parse_choice(option, text);
        case config_kind::duration:
            return parse_with_unit(
                option, text, duration_units,
                "is not a duration: write a whole number and ns, us, ms, s, m, h or d");
        case config_kind::size:
            return parse_with_unit(
                option, text, size_units,
                "is not a size: write a whole number and B, KiB, MiB, GiB or TiB");
        case config_kind::text:
            return config_value{std::string{text}};
        case config_kind::list:
            return parse_list(text);
    }
    COHORT_ASSERT(false, "an option has one of the known kinds");
}

std::string print_config_value(const config_option& option, const config_value& value) {
    if (const auto* flag = std::get_if<bool>(&value)) {
        return *flag ? "true" : "false";
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
        return *text;
    }
    if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
        auto joined = std::string{};
        for (const auto& each : *list) {
            joined += joined.empty() ? each : "," + each;
        }
        return joined;
    }
    auto number = std::get<std::int64_t>(value);
    if (option.kind == config_kind::choice) {
        for (const auto& [name, choice] : option.choices) {
            if (choice == number) {
                return name;
            }
        }
    }
    return print_number(option, number);
}

std::string printable(std::string_view text, std::size_t bytes_max) {
    auto line = std::string{};
    for (char letter : text.substr(0, bytes_max)) {
        auto byte = static_cast<unsigned char>(letter);
        line += byte < 0x20 || byte >= 0x7f ? '?' : letter;
    }
    return text.size() > bytes_max ? line + "..." : line;
}

std::string_view nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
    constexpr std::size_t name_bytes_max = 100;
    if (name.size() > name_bytes_max) {
        return {};
    }
    auto best = std::string_view{};
    auto best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        // Levenshtein's distance, one row at a time.
        auto row = std::vector<std::size_t>(candidate.size() + 1);
        for (auto column = std::size_t{0}; column < row.size(); ++column) {
            row[column] = column;
        }
        for (auto line = std::size_t{0}; line < name.size(); ++line) {
            auto diagonal = row[0];
            row[0] = line + 1;
            for (auto column = std::size_t{0}; column < candidate.size(); ++column) {
                auto replaced = diagonal + (name[line] == candidate[column] ? 0 : 1);
                diagonal = row[column + 1];
                row[column + 1] = std::min({replaced, row[column] + 1, diagonal + 1});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

}  // namespace cohort::detail
