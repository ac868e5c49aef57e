#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace cohort::bench {

/// Wall and CPU time spent on `ops` operations.
struct sample {
    double wall_ns = 0;
    double cpu_ns = 0;
    std::uint64_t ops = 0;
};

/// What stands in the JSON line of one row.
struct line {
    std::string_view peer;
    std::string_view row;
    unsigned cores = 1;
    std::string_view unit = "ns";
    double value = 0;
    double cpu_ns = 0;
    std::uint64_t ops = 0;
};

/// Lets the compiler assume neither what lies behind `object` nor that nobody looks at it.
inline void keep(const void* object) { asm volatile("" : : "r"(object) : "memory"); }

/// Nanoseconds of the monotonic clock.
double wall_now_ns();

/// CPU nanoseconds of the whole process, all its threads, user and kernel.
double cpu_now_ns();

/// Resident bytes of the process. Ends the process when /proc cannot be read.
std::uint64_t resident_bytes();

/// Runs `work(ops)` once and says what it took.
sample time_once(std::uint64_t ops, const std::function<void(std::uint64_t)>& work);

/// Grows `ops` until one run takes long enough to be trusted (about half a second), and returns
/// that run. The shorter runs before it are the warm-up.
sample measure(std::uint64_t first_ops, const std::function<void(std::uint64_t)>& work);

/// Prints one row as one JSON line.
void print(const line& out);

/// Prints a sample as nanoseconds per operation.
void print(std::string_view peer, std::string_view row, unsigned cores, const sample& taken);

/// `<program> <row> [--cores N]`, as every benchmark program takes them.
struct arguments {
    std::string_view row;
    unsigned cores = 1;
};

/// Reads the command line. Ends the process with a usage line when it is wrong.
arguments parse_arguments(int argc, char** argv);

/// Pins the calling thread to one core. A refusal is printed and otherwise ignored, because a
/// container may forbid it.
void pin_to_core(unsigned core);

}  // namespace cohort::bench
