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
/// Stands in the place of the core in what does not belong to this node: no core has this number,
/// so that whoever looks for his own core's actors first needs no second question.
inline constexpr std::uint32_t core_elsewhere = cores_max;

/// The address of an actor on any node.
struct actor_address {
    handle at;                     // with `core_elsewhere` as its core when it is another node's
    std::uint32_t peer = 0;        // its core there << 24 | place in the table of peers; 0 is here
    std::uint32_t generation = 0;  // of that place

    static constexpr actor_address remote(handle there, std::uint32_t place,
                                          std::uint32_t generation) noexcept {
        return {
            {(there.value & ~(std::uint64_t{0xff} << 56)) | (std::uint64_t{core_elsewhere} << 56)},
            (there.core() << 24) | place,
            generation};
    }
    [[nodiscard]] constexpr bool remote() const noexcept { return at.core() == core_elsewhere; }
    /// The handle that the actor has on its own node.
    [[nodiscard]] constexpr handle there() const noexcept {
        return {(at.value & ~(std::uint64_t{0xff} << 56)) | (std::uint64_t{peer >> 24} << 56)};
    }
    [[nodiscard]] constexpr std::uint32_t place() const noexcept { return peer & 0xff'ffffU; }
    friend constexpr bool operator==(const actor_address&, const actor_address&) noexcept = default;
};

}  // namespace cohort

template <>
struct std::hash<cohort::handle> {
    std::size_t operator()(cohort::handle address) const noexcept {
        return std::hash<std::uint64_t>{}(address.value * 0x9e37'79b9'7f4a'7c15ULL);
    }
};
