#include "measure.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace cohort::bench {

namespace {

constexpr double target_ns = 5e8;
constexpr double trusted_ns = 3e8;

}  // namespace

double wall_now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double cpu_now_ns() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto nanoseconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
    };
    return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
}

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t total_pages = 0;
    std::uint64_t resident_pages = 0;
    if (!(statm >> total_pages >> resident_pages)) {
        std::fprintf(stderr, "cannot read /proc/self/statm\n");
        std::exit(1);
    }
    return resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

sample time_once(std::uint64_t ops, const std::function<void(std::uint64_t)>& work) {
    const double cpu_before = cpu_now_ns();
    const double wall_before = wall_now_ns();
    work(ops);
    const double wall_after = wall_now_ns();
    return {wall_after - wall_before, cpu_now_ns() - cpu_before, ops};
}

sample measure(std::uint64_t first_ops, const std::function<void(std::uint64_t)>& work) {
    std::uint64_t ops = first_ops;
    while (true) {
        const sample taken = time_once(ops, work);
        if (taken.wall_ns >= trusted_ns) {
            return taken;
        }
        // At most tenfold at a time: a short first run says little about the speed of a long one.
        const double growth = std::clamp(target_ns / std::max(taken.wall_ns, 1.0), 1.5, 10.0);
        ops = static_cast<std::uint64_t>(static_cast<double>(ops) * growth) + 1;
    }
}

void print(const line& out) {
    std::printf(
        "{\"peer\":\"%.*s\",\"row\":\"%.*s\",\"cores\":%u,\"unit\":\"%.*s\","
        "\"value\":%.3f,\"cpu_ns\":%.3f,\"ops\":%llu}\n",
        static_cast<int>(out.peer.size()), out.peer.data(), static_cast<int>(out.row.size()),
        out.row.data(), out.cores, static_cast<int>(out.unit.size()), out.unit.data(), out.value,
        out.cpu_ns, static_cast<unsigned long long>(out.ops));
    std::fflush(stdout);
}

void print(std::string_view peer, std::string_view row, unsigned cores, const sample& taken) {
    const auto ops = static_cast<double>(taken.ops);
    print({.peer = peer,
           .row = row,
           .cores = cores,
           .value = taken.wall_ns / ops,
           .cpu_ns = taken.cpu_ns / ops,
           .ops = taken.ops});
}

arguments parse_arguments(int argc, char** argv) {
    arguments parsed;
    bool good = argc == 2 || (argc == 4 && std::strcmp(argv[2], "--cores") == 0);
    if (good) {
        parsed.row = argv[1];
    }
    if (good && argc == 4) {
        const long cores = std::strtol(argv[3], nullptr, 10);
        good = cores >= 1 && cores <= 256;
        parsed.cores = static_cast<unsigned>(cores);
    }
    if (!good) {
        std::fprintf(stderr, "usage: %s <row> [--cores N]\n", argv[0]);
        std::exit(2);
    }
    return parsed;
}

void pin_to_core(unsigned core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) {
        std::fprintf(stderr, "cannot pin a thread to core %u: %s\n", core, std::strerror(errno));
    }
}

}  // namespace cohort::bench
