// The first bytes of a connection, before anything is known of who sends them: whatever they are,
// the readers answer the same for any pieces, and what they accept can be written again.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <cohort/remoting/handshake.hpp>
#include <cohort/world/assert.hpp>

namespace {

using namespace cohort;
using state = handshake_reader::state;

template <class Message>
state read(std::string_view input, std::size_t piece, Message& out) {
    auto reader = handshake_reader{};
    auto found = reader.next(out);
    while (found == state::need_more && !input.empty()) {
        auto room = reader.prepare();
        auto size = std::min({piece, input.size(), room.size()});
        std::memcpy(room.data(), input.data(), size);
        reader.commit(size);
        input.remove_prefix(size);
        found = reader.next(out);
    }
    return found;
}

template <class Message>
void check(std::string_view input) {
    auto whole = Message{};
    auto pieces = Message{};
    auto found = read(input, input.size() + 1, whole);
    COHORT_ASSERT(read(input, 1, pieces) == found, "pieces change nothing");
    if (found != state::complete) {
        return;
    }
    auto written = byte_buffer{};
    write_handshake(whole, written);
    auto again = Message{};
    COHORT_ASSERT(read(written.view(), written.size(), again) == state::complete,
                  "what was read can be written");
    auto twice = byte_buffer{};
    write_handshake(again, twice);
    COHORT_ASSERT(written.view() == twice.view(), "writing what was read changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto input = std::string_view{reinterpret_cast<const char*>(data), size};
    check<hello>(input);
    check<welcome>(input);
    auto message = hello{};
    if (read(input, size + 1, message) == state::complete) {
        static_cast<void>(judge(message, {{1, 2}, "cohort"}));
    }
    return 0;
}
