// What nodes send to each other's entities: whatever the bytes are, what the decoder of a wrapped
// message accepts is encoded to the same bytes, and so are the answers.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <cohort/sharding/detail/lobby.hpp>

#include "service.hpp"

namespace {

using namespace cohort;
using namespace cohort::conversation;

template <class T>
void accept(std::string_view input) {
    auto options = codec_options{.limits = {.message_bytes_max = 128 * 1024}};
    auto found = decode<T>(input, options);
    if (!found) {
        static_cast<void>(found.error().message());
        return;
    }
    auto first = byte_buffer{};
    encode(*found, first, options).value();
    auto again = decode<T>(first.view(), options).value();
    auto second = byte_buffer{};
    encode(again, second, options).value();
    COHORT_ASSERT(first.view() == second.view(), "an accepted message keeps its bytes");
}

/// As it comes by the wire: into a message, or an answer.
template <class M>
void arrive(std::string_view input) {
    const auto& format = detail::wire_format_of<M>;
    for (auto request : {false, true}) {
        auto made = format.decode(input, request, {});
        if (made) {
            destroy_message(**made);
        }
    }
    accept<M>(input);
    accept<result<reply_value<M>>>(input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto input = std::string_view{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 6) {
        case 0:
            arrive<detail::entity_request<write_line>>(input);
            break;
        case 1:
            arrive<detail::entity_note<write_line>>(input);
            break;
        case 2:
            arrive<detail::entity_note<remark>>(input);
            break;
        case 3:
            arrive<detail::entity_request<read_lines>>(input);
            break;
        case 4:
            arrive<detail::entity_note<read_lines>>(input);
            break;
        default:
            arrive<detail::hosts_of>(input);
            break;
    }
    return 0;
}
