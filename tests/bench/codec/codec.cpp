#include <cohort/runtime/codec.hpp>

#include <benchmark/benchmark.h>

namespace {

struct cache_message {
    std::uint64_t id = 0;
    std::string key;
    cohort::bytes value;
    std::uint32_t ttl = 0;
    std::uint8_t op = 0;
};

cache_message sample(std::size_t size) {
    return {1, std::string(20, 'k'), cohort::bytes{std::string(size, 'v')}, 60, 2};
}

void codec_encode(benchmark::State& state) {
    auto message = sample(static_cast<std::size_t>(state.range(0)));
    auto buffer = cohort::byte_buffer{};
    for (auto _ : state) {
        buffer.clear();
        benchmark::DoNotOptimize(message);
        benchmark::DoNotOptimize(cohort::encode(message, buffer).has_value());
        benchmark::ClobberMemory();
    }
}

void codec_decode(benchmark::State& state) {
    auto buffer = cohort::byte_buffer{};
    cohort::encode(sample(static_cast<std::size_t>(state.range(0))), buffer).value();
    for (auto _ : state) {
        auto message = cohort::decode<cache_message>(buffer.view());
        benchmark::DoNotOptimize(message);
    }
}

void codec_decode_reused(benchmark::State& state) {
    auto buffer = cohort::byte_buffer{};
    cohort::encode(sample(static_cast<std::size_t>(state.range(0))), buffer).value();
    auto message = cache_message{};
    for (auto _ : state) {
        benchmark::DoNotOptimize(cohort::decode_into(message, buffer.view()).has_value());
        benchmark::DoNotOptimize(message);
    }
}

}  // namespace

BENCHMARK(codec_encode)->Arg(100)->Arg(1024)->Arg(65536);
BENCHMARK(codec_decode)->Arg(100)->Arg(1024)->Arg(65536);
BENCHMARK(codec_decode_reused)->Arg(100)->Arg(1024)->Arg(65536);
