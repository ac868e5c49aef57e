#pragma once

#include <string>
#include <vector>

#include <cohort/actor/system.hpp>

namespace cohort::detail {

/// Asks for the addresses of a host, in the order in which they are to be tried.
struct look_up {
    using reply = result<std::vector<std::string>>;
    std::string host;
};
using resolver_protocol = protocol<look_up>;

/// Asks the world's resolver, which blocks, one question after the other. Nothing is kept: an
/// address that was right a moment ago may be another node's by now.
behavior<resolver_protocol> resolve_names(context<resolver_protocol> self);

/// Whether a host is an address, so that nobody has to be asked.
[[nodiscard]] bool is_address(const std::string& host) noexcept;

}  // namespace cohort::detail
