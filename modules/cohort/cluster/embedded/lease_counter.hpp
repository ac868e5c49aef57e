#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include <cohort/cluster/view.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort {

/// What a promise of `ttl` is worth by clocks whose rates are off by at most rho.
struct lease_lengths {
    explicit lease_lengths(const cluster_times& times) noexcept
        : counted{times.ttl - margin(times)}, owed{times.ttl + margin(times)} {}

    duration counted;  // by who asked for it, from when it asked (R4)
    duration owed;     // by who granted it, from when it did (R5)

private:
    static duration margin(const cluster_times& times) noexcept {
        return COHORT_MUTANT(rho_ignored) ? duration::zero() : times.ttl / 1'000'000 * times.rho;
    }
};

/// R4: a node's lease ends when the majority-th latest of its grants does, counted from when it
/// asked, on its own clock. Grants of another electorate do not count.
class lease_counter {
public:
    struct grant {
        std::uint32_t config = 0;
        time_point asked{};
    };

    void granted(node_uid acceptor, std::uint32_t config, time_point asked) {
        auto& last = grants_[acceptor];
        if (config > last.config || (config == last.config && asked > last.asked)) {
            last = {config, asked};
        }
    }
    void clear() noexcept { grants_.clear(); }

    /// When the acceptor's last grant was asked for.
    [[nodiscard]] std::optional<time_point> asked(node_uid acceptor) const noexcept {
        auto found = grants_.find(acceptor);
        return found == grants_.end() ? std::nullopt : std::optional{found->second.asked};
    }

    /// The end of the lease under the electorate of this view; nothing without a majority.
    [[nodiscard]] std::optional<time_point> end(const view& under) const {
        auto asked = std::vector<time_point>{};
        for (const auto& [acceptor, last] : grants_) {
            auto counts = last.config == under.config && under.seat_of(acceptor) != nullptr;
            if (counts || COHORT_MUTANT(configs_mixed)) {
                asked.push_back(last.asked);
            }
        }
        auto needed = under.voters.size() / 2 + 1;
        if (asked.size() < needed) {
            return std::nullopt;
        }
        auto counts = asked.begin() + static_cast<std::ptrdiff_t>(needed - 1);
        std::nth_element(asked.begin(), counts, asked.end(), std::greater<>{});
        return *counts + lease_lengths{under.times}.counted;
    }

private:
    std::map<node_uid, grant> grants_;
};

}  // namespace cohort
