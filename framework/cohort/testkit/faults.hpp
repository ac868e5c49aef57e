#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <cohort/testkit/schedule.hpp>
#include <cohort/testkit/simulation.hpp>

namespace cohort {

/// Does to a simulation what a schedule says, and undoes it. Faults that overlap are undone when
/// the last of them is over.
class fault_driver {
public:
    using counts = std::array<std::uint64_t, fault_kinds>;

    /// Schedules the faults, from now on. It must outlive the simulation's events, and the
    /// simulation it.
    fault_driver(simulation& whole, const std::vector<scheduled_fault>& faults);
    fault_driver(const fault_driver&) = delete;
    fault_driver& operator=(const fault_driver&) = delete;

    /// Ends every fault of these nodes and between them, starts those of them that are down, and
    /// begins no new fault anywhere. What is wrong with the others, or with the links to them,
    /// stays wrong.
    void heal(const std::vector<std::uint32_t>& core);
    /// How many faults of each kind began.
    [[nodiscard]] const counts& begun() const noexcept { return begun_; }

private:
    struct link_faults {
        std::uint32_t cuts = 0;
        std::uint32_t shapes = 0;
    };
    struct node_faults {
        std::uint32_t clock = 0;
        std::uint32_t cpu = 0;
        std::uint32_t work = 0;
        std::uint32_t disk = 0;
    };

    void begin(const scheduled_fault& fault);
    void end(const scheduled_fault& fault);
    void crash(std::uint32_t node, simulated_world::death how);
    void cut(std::uint32_t from, std::uint32_t to, bool begins);
    void cut_around(const scheduled_fault& fault, bool begins);
    void shape(const scheduled_fault& fault, bool begins);
    void reshape(std::uint32_t from, std::uint32_t to);
    [[nodiscard]] link_faults& of(std::uint32_t from, std::uint32_t to) noexcept {
        return links_[from * size_ + to];
    }

    simulation& whole_;
    std::uint32_t size_;
    std::vector<link_faults> links_;
    std::vector<node_faults> nodes_;
    std::vector<bool> healed_;
    bool healing_ = false;
    std::uint64_t total_ = 0;
    counts begun_{};
};

}  // namespace cohort
