#include <cohort/world/network.hpp>

#include <charconv>

namespace cohort {

std::string endpoint::text() const {
    auto number = std::to_string(port);
    return host.find(':') == std::string::npos ? host + ":" + number : "[" + host + "]:" + number;
}

result<endpoint> endpoint::parse(std::string_view text) {
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return error{errc::invalid, "'" + std::string{text} + "' is not host:port"};
    }
    auto host = text.substr(0, colon);
    auto digits = text.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return error{errc::invalid,
                     "'" + std::string{text} + "': an IPv6 address goes into brackets"};
    }
    auto port = std::uint16_t{0};
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (host.empty() || code != std::errc{} || end != digits.data() + digits.size()) {
        return error{errc::invalid,
                     "'" + std::string{text} + "' is not host:port with a port of 0 to 65535"};
    }
    return endpoint{std::string{host}, port};
}

}  // namespace cohort
