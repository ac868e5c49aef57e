// The codec rows with Protocol Buffers: encoding fills a message that is used again and writes it
// to a string that is used again; decoding makes a new message each time.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "../../measure.hpp"
#include "cache_message.pb.h"

namespace cohort::bench {
namespace {

void fill(::bench::CacheMessage& message, const std::string& key, const std::string& value) {
    message.set_id(1);
    message.set_key(key);
    message.set_value(value);
    message.set_ttl(60);
    message.set_op(2);
}

void encode(std::uint64_t ops) {
    const auto key = std::string(20, 'k');
    const auto value = std::string(100, 'v');
    auto message = ::bench::CacheMessage{};
    auto buffer = std::string{};
    for (std::uint64_t i = 0; i < ops; ++i) {
        keep(&key);
        fill(message, key, value);
        if (!message.SerializeToString(&buffer)) {
            std::abort();
        }
        keep(buffer.data());
    }
}

void decode(std::uint64_t ops) {
    auto first = ::bench::CacheMessage{};
    fill(first, std::string(20, 'k'), std::string(100, 'v'));
    const auto wire = first.SerializeAsString();
    for (std::uint64_t i = 0; i < ops; ++i) {
        auto message = ::bench::CacheMessage{};
        keep(wire.data());
        if (!message.ParseFromString(wire)) {
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
    print("protobuf", asked.row, 1, measure(1'000'000, asked.row == "encode" ? encode : decode));
    return 0;
}
