#include "keys.hpp"

#include <algorithm>
#include <cmath>

namespace cohort::bench {

std::uint64_t random_source::next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

double random_source::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

double random_source::exponential(double rate) { return -std::log1p(-unit()) / rate; }

// Zipf as in Gray et al., "Quickly generating billion-record synthetic databases" (SIGMOD 1994).
key_source::key_source(key_pattern pattern, std::uint64_t keys, double exponent)
    : pattern_(pattern), keys_(keys), exponent_(exponent) {
    if (pattern != key_pattern::zipf) {
        return;
    }
    for (std::uint64_t rank = 1; rank <= keys; ++rank) {
        zeta_ += 1.0 / std::pow(static_cast<double>(rank), exponent);
    }
    const double zeta_of_two = 1.0 + std::pow(0.5, exponent);
    eta_ = (1.0 - std::pow(2.0 / static_cast<double>(keys), 1.0 - exponent)) /
           (1.0 - zeta_of_two / zeta_);
}

std::uint64_t key_source::next(random_source& random) {
    switch (pattern_) {
        case key_pattern::fixed:
            return 0;
        case key_pattern::uniform:
            return random.next() % keys_;
        case key_pattern::zipf:
            return next_zipf(random);
        case key_pattern::turn:
            return turn_++ % keys_;
    }
    return 0;
}

std::uint64_t key_source::next_zipf(random_source& random) const {
    const double unit = random.unit();
    const double scaled = unit * zeta_;
    if (scaled < 1.0) {
        return 0;
    }
    if (scaled < 1.0 + std::pow(0.5, exponent_)) {
        return std::min<std::uint64_t>(1, keys_ - 1);
    }
    const double rank =
        static_cast<double>(keys_) * std::pow(eta_ * unit - eta_ + 1.0, 1.0 / (1.0 - exponent_));
    return std::min(static_cast<std::uint64_t>(rank), keys_ - 1);
}

std::string key_name(std::uint64_t number) { return "k" + std::to_string(number); }

}  // namespace cohort::bench
