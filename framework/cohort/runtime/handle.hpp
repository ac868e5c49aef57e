#pragma once

#include <cstdint>
#include <functional>

namespace cohort {

/// The node-local address of an actor: core (8 bits), slot in the core's table (24 bits) and the
/// generation of that slot (32 bits). Generation 0 is never valid, so a zero handle is null. The
/// same layout addresses a pending ask.
struct handle {
    std::uint64_t value = 0;

    static constexpr handle of(std::uint32_t core_and_slot, std::uint32_t generation) noexcept {
        return {(static_cast<std::uint64_t>(core_and_slot) << 32) | generation};
    }
    [[nodiscard]] constexpr std::uint32_t core() const noexcept {
        return static_cast<std::uint32_t>(value >> 56);
    }
    [[nodiscard]] constexpr std::uint32_t slot() const noexcept {
        return static_cast<std::uint32_t>(value >> 32) & 0xff'ffffU;
    }
    [[nodiscard]] constexpr std::uint32_t generation() const noexcept {
        return static_cast<std::uint32_t>(value);
    }
    explicit constexpr operator bool() const noexcept { return value != 0; }
    friend constexpr bool operator==(handle, handle) noexcept = default;
};

inline constexpr std::uint32_t cores_max = 255;
inline constexpr std::uint32_t slots_max = 1U << 24;

}  // namespace cohort

template <>
struct std::hash<cohort::handle> {
    std::size_t operator()(cohort::handle address) const noexcept {
        return std::hash<std::uint64_t>{}(address.value * 0x9e37'79b9'7f4a'7c15ULL);
    }
};
