#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <cohort/testkit/simulation.hpp>
#include <cohort/world/frame_pool.hpp>

namespace cohort {

/// What a simulation leaves behind. Make one before the simulation, in the same thread, and ask it
/// when the nodes are down, and again when the simulation is gone.
class leak_checker {
public:
    leak_checker() : bytes_{frame_pool::local().bytes_in_use()} {}

    /// Actors, timers and asks of nodes that went down; connections that are open although no node
    /// is up.
    [[nodiscard]] static std::optional<std::string> left_by(simulation& whole) {
        if (!whole.leaks().empty()) {
            return whole.leaks().front();
        }
        bool any_up = false;
        for (std::size_t i = 0; i < whole.size(); ++i) {
            any_up |= whole.node(i).up();
        }
        auto open = whole.network().open_connections();
        if (!any_up && open != 0) {
            return std::to_string(open) + " connections are open, and no node is up";
        }
        return std::nullopt;
    }
    /// Frames, messages and other small objects that were made since and not destroyed.
    [[nodiscard]] std::optional<std::string> left_in_memory() const {
        auto more = frame_pool::local().bytes_in_use() - bytes_;
        if (more == 0) {
            return std::nullopt;
        }
        return std::to_string(more) + " bytes of frames and messages are left";
    }

private:
    std::ptrdiff_t bytes_;
};

}  // namespace cohort
