#pragma once

#include <cstddef>

#include <cohort/cluster/view.hpp>

namespace cohort {

/// How large a view may get.
struct view_limits {
    static constexpr std::size_t members = 1024;
    static constexpr std::size_t seats = 7;
    static constexpr std::size_t spaces = 64;
    static constexpr std::size_t shards = 16'384;  // of one space
    static constexpr std::size_t names = 64;       // roles and spaces of a member
    static constexpr std::size_t text = 255;       // bytes
    static constexpr std::size_t departed = 256;
};

/// Whether a majority of the seats of `seats` satisfies the predicate.
template <class Predicate>
[[nodiscard]] bool majority(const std::vector<voter>& seats, Predicate holds) {
    std::size_t count = 0;
    for (const auto& each : seats) {
        count += each.acceptor != node_uid{} && holds(each) ? 1U : 0U;
    }
    return 2 * count > seats.size();
}

/// What no member can say of itself (E6): null, or a sentence.
[[nodiscard]] const char* what_is_wrong(const member& what) noexcept;
/// What no view can be like (E6): null, or a sentence.
[[nodiscard]] const char* what_is_wrong(const view& what) noexcept;
/// Why `next` cannot come behind `base` (E6): null, or a sentence.
[[nodiscard]] const char* what_is_wrong(const view& base, const view& next) noexcept;
/// Why `later` cannot come after `base`, whatever came between them: null, or a sentence.
[[nodiscard]] const char* what_is_wrong_after(const view& base, const view& later) noexcept;

/// Whether a member that `next` leaves out had agreed to go: it was draining and owned nothing.
[[nodiscard]] bool left_by_itself(const view& base, const member& who) noexcept;
/// Whether `next` gives a shard its first owner.
[[nodiscard]] bool gives_first_owner(const view& base, const view& next) noexcept;
[[nodiscard]] bool owns_anything(const view& what, node_uid uid) noexcept;

}  // namespace cohort
