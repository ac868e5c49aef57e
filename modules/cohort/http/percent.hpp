#pragma once

#include <string>
#include <string_view>

#include <cohort/world/compiler.hpp>

namespace cohort {

/// Appends `text` to `out` with every `%XX` replaced by its byte, once: `%2541` becomes `%41`. Any
/// byte may come out; a plus is a plus. False when an escape is broken, and `out` is then
/// unspecified.
[[nodiscard]] bool percent_decode(std::string_view text, std::string& out);

/// One path segment from any bytes: everything that is not unreserved (RFC 3986) is escaped, so
/// that decoding gives the same bytes back.
[[nodiscard]] std::string percent_encode(std::string_view bytes);

}  // namespace cohort
