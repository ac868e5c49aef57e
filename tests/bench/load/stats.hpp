#pragma once

#include "histogram.hpp"

#include <array>
#include <cstdint>
#include <unordered_set>
#include <vector>

namespace cohort::bench {

/// What was answered in one second of the measurement.
struct second_of_load {
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    histogram latency;
};

/// Everything a run counts. Latencies are of the requests whose intended time lies in the measured
/// window; rates are of the answers that arrived in it.
struct stats {
    histogram latency_ok;
    histogram latency_other;
    std::array<std::uint64_t, 600> statuses{};
    std::vector<second_of_load> series;
    std::unordered_set<std::size_t> bodies;

    std::uint64_t sent = 0;
    std::uint64_t answered = 0;
    std::uint64_t answered_in_window = 0;
    std::uint64_t ok_in_window = 0;

    /// Well-formed 200s with a body that belongs to another request.
    std::uint64_t mismatched = 0;
    /// Bytes that are no answer, or an answer nobody asked for.
    std::uint64_t broken = 0;
    /// Requests whose connection ended before their answer.
    std::uint64_t lost = 0;
    /// Requests without an answer when the run ended.
    std::uint64_t unfinished = 0;
    std::uint64_t connect_errors = 0;
    std::uint64_t reconnects = 0;

    double cpu_seconds = 0;
    double wall_seconds = 0;
};

}  // namespace cohort::bench
