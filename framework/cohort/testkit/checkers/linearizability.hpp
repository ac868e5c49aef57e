#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <cohort/testkit/checkers/history.hpp>

namespace cohort {

/// `undecided` when the search was given up: count it as a failure.
enum class verdict : std::uint8_t { linearizable, violated, undecided };

struct linearizability_result {
    verdict outcome = verdict::linearizable;
    std::string why = {};  // for people, with the key
    [[nodiscard]] explicit operator bool() const noexcept {
        return outcome == verdict::linearizable;
    }
};

struct linearizability_limits {
    std::size_t operations_max = 2'000;  // of one key, where a search is needed
    std::size_t states_max = 2'000'000;  // looked at by the search
};

/// Whether there is one order of the operations in which every answer is right and which keeps the
/// order of those that did not overlap, for each key. An operation of unknown outcome may have
/// taken effect at any time since it began, or never.
///
/// Keys with reads and writes of unique values only are decided in O(n log n); the others by
/// search.
[[nodiscard]] linearizability_result check_linearizable(const history& seen,
                                                        linearizability_limits limits = {});

/// One key's reads and writes; every value is written at most once. Source: Gibbons and Korach,
/// Testing Shared Memories, 1997 (zones).
[[nodiscard]] linearizability_result check_register(std::span<const history_operation> operations);

/// One key's operations of any kind, by depth-first search over what may come next, with a memory
/// of states that led nowhere. Source: Wing and Gong, 1993; Lowe, 2017.
[[nodiscard]] linearizability_result check_by_search(std::span<const history_operation> operations,
                                                     linearizability_limits limits = {});

}  // namespace cohort
