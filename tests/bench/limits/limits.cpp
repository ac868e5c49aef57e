// What the machine itself can do, measured in the same rounds as the runtimes: a ratio to one of
// these survives a noisy or a slow machine, nanoseconds do not.

#include "../measure.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <sys/epoll.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace cohort::bench {

namespace {

/// Keeps the compiler from removing or hoisting what touches `value`.
template <class T>
void keep(T& value) {
    asm volatile("" : : "g"(&value) : "memory");
}

void cpu_pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void lock_xchg(std::uint64_t ops) {
    std::atomic<std::uint64_t> word{0};
    for (std::uint64_t i = 0; i < ops; ++i) {
        word.exchange(i, std::memory_order_seq_cst);
        keep(word);
    }
}

void malloc_free(std::uint64_t ops) {
    for (std::uint64_t i = 0; i < ops; ++i) {
        void* block = std::malloc(64);
        keep(block);
        std::free(block);
    }
}

void clock_read(std::uint64_t ops) {
    timespec now{};
    for (std::uint64_t i = 0; i < ops; ++i) {
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        keep(now);
    }
}

void empty_epoll_wait(std::uint64_t ops) {
    const int poller = ::epoll_create1(0);
    epoll_event event{};
    for (std::uint64_t i = 0; i < ops; ++i) {
        ::epoll_wait(poller, &event, 1, 0);
    }
    ::close(poller);
}

/// Two pinned threads take turns on one cache line; one op is there and back.
void cache_line(std::uint64_t ops) {
    alignas(128) std::atomic<std::uint64_t> turn{0};
    std::thread other([&] {
        pin_to_core(1);
        for (std::uint64_t i = 0; i < ops; ++i) {
            while (turn.load(std::memory_order_acquire) != 2 * i + 1) {
                cpu_pause();
            }
            turn.store(2 * i + 2, std::memory_order_release);
        }
    });
    for (std::uint64_t i = 0; i < ops; ++i) {
        turn.store(2 * i + 1, std::memory_order_release);
        while (turn.load(std::memory_order_acquire) != 2 * i + 2) {
            cpu_pause();
        }
    }
    other.join();
}

struct message {
    std::uint64_t words[4];
};

/// A bare ring of 2,048 messages of 32 bytes: two indices, each side caches the other's.
struct spsc_ring {
    static constexpr std::uint64_t slots = 2048;
    alignas(128) std::atomic<std::uint64_t> written{0};
    alignas(128) std::atomic<std::uint64_t> read{0};
    alignas(128) message messages[slots];
};

void produce(spsc_ring& ring, std::uint64_t ops, std::uint64_t batch) {
    std::uint64_t known_read = 0;
    for (std::uint64_t i = 0; i < ops; ++i) {
        if (i - known_read == spsc_ring::slots) {
            ring.written.store(i, std::memory_order_release);
            while (i - known_read == spsc_ring::slots) {
                known_read = ring.read.load(std::memory_order_acquire);
                cpu_pause();
            }
        }
        ring.messages[i % spsc_ring::slots] = {{i, i + 1, i + 2, i + 3}};
        if ((i + 1) % batch == 0) {
            ring.written.store(i + 1, std::memory_order_release);
        }
    }
    ring.written.store(ops, std::memory_order_release);
}

std::uint64_t consume(spsc_ring& ring, std::uint64_t ops, std::uint64_t batch) {
    std::uint64_t known_written = 0;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < ops; ++i) {
        if (i == known_written) {
            ring.read.store(i, std::memory_order_release);
            while (i == known_written) {
                known_written = ring.written.load(std::memory_order_acquire);
                cpu_pause();
            }
        }
        const message& next = ring.messages[i % spsc_ring::slots];
        sum += next.words[0] + next.words[3];
        if ((i + 1) % batch == 0) {
            ring.read.store(i + 1, std::memory_order_release);
        }
    }
    return sum;
}

void spsc(std::uint64_t ops, std::uint64_t batch) {
    auto ring = std::make_unique<spsc_ring>();
    std::thread consumer([&] {
        pin_to_core(1);
        std::uint64_t sum = consume(*ring, ops, batch);
        keep(sum);
    });
    produce(*ring, ops, batch);
    consumer.join();
}

int run(const arguments& asked) {
    const auto report = [&](unsigned cores, std::uint64_t first_ops, auto work) {
        if (cores > std::thread::hardware_concurrency()) {
            std::fprintf(stderr, "%.*s needs two cores, this machine has one\n",
                         static_cast<int>(asked.row.size()), asked.row.data());
            return 3;
        }
        pin_to_core(0);
        print("limit", asked.row, cores, measure(first_ops, work));
        return 0;
    };
    if (asked.row == "lock_xchg") {
        return report(1, 1'000'000, lock_xchg);
    }
    if (asked.row == "malloc_free") {
        return report(1, 1'000'000, malloc_free);
    }
    if (asked.row == "clock_read") {
        return report(1, 100'000, clock_read);
    }
    if (asked.row == "epoll_wait") {
        return report(1, 100'000, empty_epoll_wait);
    }
    if (asked.row == "cache_line") {
        return report(2, 100'000, cache_line);
    }
    if (asked.row == "spsc") {
        return report(2, 1'000'000, [](std::uint64_t ops) { spsc(ops, 1); });
    }
    if (asked.row == "spsc_32") {
        return report(2, 1'000'000, [](std::uint64_t ops) { spsc(ops, 32); });
    }
    std::fprintf(stderr, "no such row: %.*s\n", static_cast<int>(asked.row.size()),
                 asked.row.data());
    return 2;
}

}  // namespace

}  // namespace cohort::bench

int main(int argc, char** argv) {
    return cohort::bench::run(cohort::bench::parse_arguments(argc, argv));
}
