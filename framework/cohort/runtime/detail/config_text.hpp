#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/runtime/config.hpp>

namespace cohort::detail {

/// Longest value and longest name that are looked at.
inline constexpr std::size_t config_text_bytes_max = 64 * 1024;
inline constexpr std::size_t config_file_bytes_max = 1024 * 1024;
inline constexpr unsigned config_depth_max = 16;

/// Reads `text` as the option's kind and checks its range. The error's text says what is allowed.
[[nodiscard]] result<config_value> parse_config_value(const config_option& option,
                                                      std::string_view text);

/// The inverse of `parse_config_value`.
[[nodiscard]] std::string print_config_value(const config_option& option,
                                             const config_value& value);

/// Text for one line of a report: control bytes are replaced, and it is cut after `bytes_max`
/// bytes.
[[nodiscard]] std::string printable(std::string_view text, std::size_t bytes_max = 200);

/// The candidate that is most similar, or nothing when none is near.
[[nodiscard]] std::string_view nearest_name(std::string_view name,
                                            const std::vector<std::string>& candidates);

/// One key of the file: nested objects became a dotted name.
struct config_file_entry {
    std::string name;
    std::string where;  ///< line and column of its value
    bool is_list = false;
    std::string text;               ///< of a scalar
    std::vector<std::string> list;  ///< of an array
};

/// Takes a JSON document apart. Problems (bad syntax, null, arrays of arrays, a key twice, too
/// deep) are lines that start with line and column.
[[nodiscard]] std::vector<config_file_entry> parse_config_file(std::string_view content,
                                                               std::vector<std::string>& problems);

}  // namespace cohort::detail
