#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <cohort/world/time.hpp>

namespace cohort {

/// Folds two words into one, well mixed. Source: wyhash, Wang Yi, 2019 (public domain).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t left, std::uint64_t right) noexcept {
    __extension__ using wide = unsigned __int128;
    auto product = static_cast<wide>(left ^ 0xa076'1d64'78bd'642fULL) *
                   static_cast<wide>(right ^ 0xe703'7ed1'a0b4'28dbULL);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Mixes bytes into a hash: for traces, not against an adversary.
[[nodiscard]] inline std::uint64_t mix(std::uint64_t hash,
                                       std::span<const std::byte> bytes) noexcept {
    hash = mix(hash, bytes.size());
    while (bytes.size() >= 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes.data(), 8);
        hash = mix(hash, word);
        bytes = bytes.subspan(8);
    }
    std::uint64_t rest = 0;
    if (!bytes.empty()) {
        std::memcpy(&rest, bytes.data(), bytes.size());
    }
    return mix(hash, rest);
}

/// Randomness without a state: a draw depends on the seed and on what it is for, not on the draws
/// before it. So a simulation that is run again without one of its faults draws everything else as
/// it did before.
class keyed_random {
public:
    constexpr explicit keyed_random(std::uint64_t seed) noexcept
        : key_{mix(seed, 0x8ebc'6af0'9c88'c6e3ULL)} {}

    /// The `n`th draw of the stream that is named by a purpose and by whom it concerns.
    [[nodiscard]] constexpr std::uint64_t draw(std::uint64_t purpose, std::uint64_t whom,
                                               std::uint64_t n) const noexcept {
        return mix(mix(mix(key_, purpose), whom), n);
    }
    [[nodiscard]] constexpr keyed_random stream(std::uint64_t purpose) const noexcept {
        return keyed_random{mix(key_, purpose)};
    }

private:
    std::uint64_t key_;
};

/// A draw as a number below `bound`; 0 when the bound is 0.
[[nodiscard]] constexpr std::uint64_t below(std::uint64_t draw, std::uint64_t bound) noexcept {
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<wide>(draw) * bound) >> 64);
}
/// A draw as a length between the two.
[[nodiscard]] constexpr duration between(std::uint64_t draw, duration least,
                                         duration most) noexcept {
    auto span = most > least ? static_cast<std::uint64_t>((most - least).count()) + 1 : 1;
    return least + duration{static_cast<duration::rep>(below(draw, span))};
}

}  // namespace cohort
