#pragma once

#include <cstddef>
#include <string_view>

namespace cohort::bench {

/// One answer at the beginning of what a server has sent. `body` points into the input.
struct response {
    int status = 0;
    std::string_view body;
    std::size_t bytes = 0;
    bool close = false;
};

enum class parse_state { complete, incomplete, broken };

/// Answers over these sizes count as broken, so that a mad server cannot eat the client's memory.
inline constexpr std::size_t head_bytes_max = 64 * 1024;
inline constexpr std::size_t body_bytes_max = 64 * 1024 * 1024;

/// Reads one HTTP/1.1 response to a GET. Bodies need a Content-Length (or a status that has none).
parse_state parse_http(std::string_view input, response& out);

/// Reads one RESP2 answer to a redis GET. A value counts as status 200, nil as 404, an error as
/// 500.
parse_state parse_resp(std::string_view input, response& out);

}  // namespace cohort::bench
