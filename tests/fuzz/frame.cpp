// A peer's bytes behind the handshake: whatever they are, the reader gives the same frames for any
// pieces, what it accepts is written again to the same bytes, and chunks never hold more memory
// than was sent.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <cohort/remoting/frame_reader.hpp>
#include <cohort/world/assert.hpp>

namespace {

using namespace cohort;

constexpr std::uint32_t frame_max = 4096;
constexpr std::uint32_t message_max = 16'384;

struct outcome {
    std::string frames;  // written again
    bool broken = false;
};

outcome run(std::string_view input, std::size_t piece) {
    auto out = outcome{};
    auto reader = frame_reader{frame_max};
    auto whole = reassembly{message_max};
    std::size_t fed = 0;
    while (!input.empty() && !out.broken) {
        auto room = reader.prepare();
        auto size = std::min({piece, input.size(), room.size()});
        std::memcpy(room.data(), input.data(), size);
        reader.commit(size);
        input.remove_prefix(size);
        fed += size;
        auto read = frame{};
        auto state = reader.next(read);
        for (; state == frame_reader::state::ready; state = reader.next(read)) {
            auto again = byte_buffer{};
            write_frame(read, again);
            out.frames.append(again.view());
            if (read.kind != frame_kind::chunk) {
                continue;
            }
            if (whole.add(read) != nullptr) {
                out.broken = true;
                break;
            }
            COHORT_ASSERT(whole.bytes_held() <= fed, "chunks hold what was sent");
            auto body = whole.take_complete();
            auto inner = frame{};
            if (!body.empty() && parse_frame(body.view(), inner) != nullptr) {
                out.broken = true;
                break;
            }
        }
        out.broken = out.broken || state == frame_reader::state::broken;
    }
    return out;
}

/// A frame that is far longer than any input, with the input behind it: memory grows for it, and is
/// given back.
void run_large(std::string_view input, std::size_t size) {
    auto bytes = byte_buffer{};
    write_frame({.kind = frame_kind::tell, .payload = std::string(size, 'x')}, bytes);
    bytes.append(input);
    auto reader = frame_reader{1U << 20};
    auto read = frame{};
    auto state = frame_reader::state::need_more;
    std::size_t frames = 0;
    for (auto rest = bytes.view(); !rest.empty() && state != frame_reader::state::broken;) {
        auto room = reader.prepare();
        auto fits = std::min(room.size(), rest.size());
        std::memcpy(room.data(), rest.data(), fits);
        reader.commit(fits);
        rest.remove_prefix(fits);
        while ((state = reader.next(read)) == frame_reader::state::ready) {
            COHORT_ASSERT(frames++ > 0 || read.payload.size() == size, "long frames come whole");
        }
    }
    COHORT_ASSERT(frames > 0, "a long frame is one like others");
    static_cast<void>(reader.failure());
    if (state == frame_reader::state::need_more) {
        static_cast<void>(reader.prepare());
        COHORT_ASSERT(reader.memory() <= (1U << 20) + sizeof(std::uint32_t), "memory is bounded");
    }
}

/// What came behind the handshake.
void run_seeded(std::string_view input) {
    auto reader = frame_reader{frame_max};
    reader.seed(input.substr(0, 4096));
    auto read = frame{};
    while (reader.next(read) == frame_reader::state::ready) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto input = std::string_view{reinterpret_cast<const char*>(data), size};
    auto whole = run(input, size + 1);
    auto pieces = run(input, 1);
    COHORT_ASSERT(whole.frames == pieces.frames && whole.broken == pieces.broken,
                  "pieces change nothing");
    COHORT_ASSERT(input.substr(0, whole.frames.size()) == whole.frames || whole.broken,
                  "what is written again is what was read");
    run_seeded(input);
    // Seldom, because it takes long.
    if (size % 997 == 7) {
        run_large(input, std::min<std::size_t>(size * 4096, 400'000));
    }
    return 0;
}
