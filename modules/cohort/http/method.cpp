#include <cohort/http/method.hpp>

#include <array>

namespace cohort {
namespace {

constexpr std::array<std::string_view, method_count> names{
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};

}  // namespace

std::string_view name(method value) noexcept {
    auto index = static_cast<std::size_t>(value);
    return index < names.size() ? names[index] : std::string_view{};
}

method method_of(std::string_view text) noexcept {
    for (std::size_t index = 0; index < names.size(); ++index) {
        if (names[index] == text) {
            return static_cast<method>(index);
        }
    }
    return method::other;
}

}  // namespace cohort
