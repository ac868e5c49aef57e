// The codec rows: a message with a value of 100 bytes, encoded into a buffer that is used again,
// and decoded into a new object each time.

#include <cohort/runtime/codec.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "../measure.hpp"

namespace cohort::bench {
namespace {

struct cache_message {
    std::uint64_t id = 0;
    std::string key;
    bytes value;
    std::uint32_t ttl = 0;
    std::uint8_t op = 0;
};

cache_message sample_message() {
    return {1, std::string(20, 'k'), bytes{std::string(100, 'v')}, 60, 2};
}

void encode_all(std::uint64_t ops) {
    const auto message = sample_message();
    auto buffer = byte_buffer{};
    for (std::uint64_t i = 0; i < ops; ++i) {
        keep(&message);
        buffer.clear();
        encode(message, buffer).value();
        keep(buffer.data());
    }
}

void decode_all(std::uint64_t ops) {
    auto wire = byte_buffer{};
    encode(sample_message(), wire).value();
    for (std::uint64_t i = 0; i < ops; ++i) {
        keep(wire.data());
        const auto message = decode<cache_message>(wire.view());
        if (!message) {
            std::abort();
        }
        keep(&message);
    }
}

}  // namespace
}  // namespace cohort::bench

int main(int argc, char** argv) {
    using namespace cohort::bench;
    const arguments asked = parse_arguments(argc, argv);
    if (asked.row != "encode" && asked.row != "decode") {
        std::fprintf(stderr, "there are the rows encode and decode\n");
        return 2;
    }
    print("cohort", asked.row, 1,
          measure(1'000'000, asked.row == "encode" ? encode_all : decode_all));
    return 0;
}
