// A peer that is let in and then says anything: whatever it is, the node goes on serving, holds no
// more memory than its limits allow, gives the peer up when it is gone, and ends with nothing left.
//
// The first byte says on which connection the peer talks; then come frames, each behind its length
// in two bytes, so that every input is made of whole frames. `fuzz_frame` breaks the frames
// themselves.

#include <cstdint>
#include <string_view>

#include "attacker.hpp"

namespace {

using namespace cohort;
using namespace cohort::conversation;

constexpr std::size_t frames_max = 96;

script read_script(std::string_view input) {
    auto out = script{.calls = (input[0] & 1) == 0,
                      .on = (input[0] & 2) == 0 ? lane::data : lane::control};
    input.remove_prefix(1);
    while (input.size() >= 2 && out.frames.size() < frames_max) {
        auto size = static_cast<std::size_t>(static_cast<std::uint8_t>(input[0])) |
                    static_cast<std::size_t>(static_cast<std::uint8_t>(input[1])) << 8U;
        auto body = input.substr(2, size);
        input.remove_prefix(2 + body.size());
        auto length = static_cast<std::uint32_t>(body.size());
        auto whole = std::string(sizeof length, '\0');
        std::memcpy(whole.data(), &length, sizeof length);
        out.frames.push_back(whole.append(body));
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto memory = leak_checker{};
    static_cast<void>(play(read_script({reinterpret_cast<const char*>(data), size})));
    COHORT_ASSERT(!memory.left_in_memory(), "no frame and no message is left");
    return 0;
}
