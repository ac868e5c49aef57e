#include <distributed-cache/origin.hpp>

#include <fmt/format.h>

namespace cohort {

result<void> check_key(std::string_view key) {
    if (key.empty()) {
        return error{errc::invalid, "the key is empty"};
    }
    if (key.size() > key_bytes_max) {
        return error{errc::invalid, fmt::format("the key has {} bytes, {} are allowed", key.size(),
                                                key_bytes_max)};
    }
    return {};
}

}  // namespace cohort
