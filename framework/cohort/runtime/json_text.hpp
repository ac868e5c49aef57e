#pragma once

#include <string>
#include <string_view>

namespace cohort {

/// Appends `text` to `line` as JSON writes it between quotation marks. What is not UTF-8 becomes
/// the replacement character; all controls are escaped, C1 too, because terminals obey them. Behind
/// `bytes_max` bytes of `text`, counted in whole characters, stands "..." instead.
void append_json_escaped(std::string& line, std::string_view text,
                         std::size_t bytes_max = std::string_view::npos);

/// The same with quotation marks around it.
void append_json_text(std::string& line, std::string_view text,
                      std::size_t bytes_max = std::string_view::npos);

/// `text` as a JSON string, with its quotation marks.
[[nodiscard]] std::string json_text(std::string_view text);

}  // namespace cohort
