#include "histogram.hpp"

#include <algorithm>
#include <cmath>

namespace cohort::bench {

std::uint64_t histogram::highest_in(std::size_t bucket) {
    if (bucket < linear) {
        return bucket;
    }
    const std::uint64_t shift = bucket / linear - 1;
    return ((bucket % linear + linear + 1) << shift) - 1;
}

std::uint64_t histogram::quantile(double fraction) const {
    if (count_ == 0) {
        return 0;
    }
    const double wanted = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_));
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
        seen += buckets_[bucket];
        if (seen >= rank) {
            return std::min(highest_in(bucket), max_);
        }
    }
    return max_;
}

}  // namespace cohort::bench
