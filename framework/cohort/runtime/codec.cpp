#include <cohort/runtime/codec.hpp>

namespace cohort::detail {

error encode_refused(const char* what, std::string_view type) {
    return {errc::too_large, what, std::string{type}};
}

error input_too_long(std::size_t size, std::string_view type) {
    return {errc::too_large,
            "the message is longer than message_bytes_max: " + std::to_string(size) + " bytes",
            std::string{type}};
}

}  // namespace cohort::detail
