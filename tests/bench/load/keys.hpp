#pragma once

#include <cstdint>
#include <string>

namespace cohort::bench {

/// A small seeded generator (SplitMix64): the same seed asks for the same keys at the same times.
class random_source {
public:
    explicit random_source(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next();

    /// Uniform in [0, 1).
    double unit();

    /// Seconds until the next arrival of a Poisson stream of `rate` a second.
    double exponential(double rate);

private:
    std::uint64_t state_;
};

/// `turn` asks for every key once before it asks for one again.
enum class key_pattern { fixed, uniform, zipf, turn };

/// Chooses which of `keys` keys to ask for; key number n is called `k<n>`.
class key_source {
public:
    /// `exponent` (between 0 and 1, exclusive) is how skewed zipf is; 0.99 is YCSB's.
    key_source(key_pattern pattern, std::uint64_t keys, double exponent);

    std::uint64_t next(random_source& random);

private:
    std::uint64_t next_zipf(random_source& random) const;

    key_pattern pattern_;
    std::uint64_t keys_;
    double exponent_;
    double zeta_ = 0;
    double eta_ = 0;
    std::uint64_t turn_ = 0;
};

std::string key_name(std::uint64_t number);

}  // namespace cohort::bench
