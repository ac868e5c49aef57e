#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <cohort/testkit/campaign.hpp>

namespace cohort::sim {

/// What a campaign has done so far, over any number of starts of the program: kept in a file, so
/// that a long range of seeds can be run in pieces and their sums stand with their commit.
struct sums {
    std::string workload;
    std::string commit;
    /// Seeds that are done: first and behind the last, in order, not touching each other.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges = {};
    std::uint64_t seeds = 0;
    std::uint64_t reruns = 0;
    std::uint64_t failures = 0;
    std::uint64_t events = 0;
    double simulated_seconds = 0;
    double node_seconds = 0;
    double cpu_seconds = 0;
    std::map<std::string, std::uint64_t> faults = {};
    std::map<std::string, std::uint64_t> sometimes = {};

    [[nodiscard]] bool has(std::uint64_t seed) const noexcept;
    void add(std::uint64_t seed, const run_report& report);
    [[nodiscard]] std::string json() const;
    /// Errors: `invalid` with what is wrong with the text.
    [[nodiscard]] static result<sums> parse(const std::string& text);
};

}  // namespace cohort::sim
