// Whatever the decoder accepts is encoded, decoded and encoded again, and both encodings are equal;
// tighter limits accept no more.

#include <cohort/actor/ref_codec.hpp>
#include <cohort/runtime/codec.hpp>
#include <cohort/world/time.hpp>

#include <cstdint>

namespace {

enum class color : std::uint8_t { red, green };
enum class side : bool { left, right };

struct cache_message {
    std::uint64_t id = 0;
    std::string key;
    cohort::bytes value;
    std::uint32_t ttl = 0;
    color op = color::red;
};

struct tree {
    std::string label;
    std::vector<tree> children;
    std::map<std::string, tree> named;
};

struct wide {
    std::optional<cache_message> maybe;
    std::variant<std::monostate, cache_message, std::vector<std::uint16_t>> one_of;
    std::set<std::uint32_t> keys;
    std::map<std::string, std::pair<bool, std::int64_t>> sorted;
    std::vector<bool> flags;
    std::array<std::string, 2> two;
    cohort::duration pause{};
};

struct hashed {
    std::unordered_map<std::uint32_t, std::string> numbers;
    std::unordered_set<std::string> names;
};

struct hello {
    std::int32_t value = 0;
};
using greeter = cohort::protocol<hello>;

struct empty {};

struct odd {
    side where = side::left;
    std::chrono::system_clock::time_point when;
    cohort::result<void> done = cohort::errc::not_found;
    std::array<std::uint16_t, 3> three{};
    empty nothing;
    cohort::ref<greeter> whom;
    std::vector<cohort::ref<greeter>> others;
};

constexpr auto loose = cohort::codec_limits{.elements_max = 1U << 16, .depth_max = 16};
constexpr auto tight =
    cohort::codec_limits{.message_bytes_max = 64, .elements_max = 4, .depth_max = 2};

template <class T>
void accept(std::string_view input, bool ordered = true) {
    auto known = cohort::ref_context{cohort::node_uid{1, 2}};
    known.cores = 4;
    const auto options = cohort::codec_options{.limits = loose, .context = &known};
    const auto strict = cohort::codec_options{.limits = tight, .context = &known};
    auto value = cohort::decode<T>(input, options);
    auto little = cohort::decode<T>(input, strict);
    COHORT_ASSERT(value || !little, "tighter limits accept no more");
    if (!value) {
        static_cast<void>(value.error().message());
        return;
    }
    auto first = cohort::byte_buffer{};
    cohort::encode(*value, first, options).value();
    // Under tighter limits it is encoded as a whole or not at all.
    auto part = cohort::byte_buffer{};
    auto done = cohort::encode(*value, part, strict);
    COHORT_ASSERT(done ? part.size() == first.size() : part.empty(), "limits change nothing else");
    auto again = cohort::decode<T>(first.view(), options);
    auto second = cohort::byte_buffer{};
    cohort::encode(again.value(), second, options).value();
    COHORT_ASSERT(first.size() == second.size(), "an accepted message keeps its size");
    COHORT_ASSERT(!ordered || first.view() == second.view(), "an accepted message keeps its bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto input = std::string_view{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 7) {
        case 0:
            accept<cache_message>(input);
            break;
        case 1:
            accept<tree>(input);
            break;
        case 2:
            accept<wide>(input);
            break;
        case 3:
            accept<cohort::result<tree>>(input);
            break;
        case 4:
            accept<hashed>(input, false);
            break;
        case 5:
            accept<odd>(input);
            break;
        default:
            accept<cohort::result<void>>(input);
            break;
    }
    return 0;
}
