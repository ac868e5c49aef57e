#pragma once

#include <vector>

#include <cohort/cluster/ownership.hpp>
#include <cohort/runtime/core.hpp>
#include <cohort/runtime/wheel.hpp>

namespace cohort::detail {

class desk;
struct sharding_state;

/// The gate before every slice of an entity on one core: closed while the node's lease is over. The
/// lease is read when the slice begins, which is after everything that the slice will take from the
/// mailbox, and whatever it awaited, has arrived (B9, I8). An entity that finds it closed is parked
/// as it stands, and goes on when the same node's lease holds again.
///
/// Thread: its core's.
class core_gate final : public slice_gate {
public:
    core_gate(sharding_state& whole, core& here);

    [[nodiscard]] bool open(core& here) noexcept override;
    void held_back(core& here, fiber& line) noexcept override;

    /// Whether the lease was over when it was last looked at: nothing is handed to entities then.
    [[nodiscard]] bool frozen() const noexcept { return frozen_; }
    /// Whether that has been so for long enough to say no to whoever waits.
    [[nodiscard]] bool impatient() const noexcept { return impatient_; }

    void freeze() noexcept;
    /// Looks at the lease again.
    void look() noexcept;
    /// The node's name in the views from now on; a lease of another name does not thaw what froze.
    void named(node_uid self) noexcept { self_ = self; }
    void fenced() noexcept { parked_.clear(); }
    void close() noexcept;
    /// Any thread.
    [[nodiscard]] std::uint64_t suspensions() const noexcept { return suspensions_.value(); }

private:
    void thaw() noexcept;

    sharding_state& whole_;
    core& here_;
    const lease& lease_;
    node_uid self_;
    std::vector<handle> parked_;
    time_point since_{};
    bool frozen_ = false;
    bool impatient_ = false;
    bool closed_ = false;
    core_counter suspensions_;
    timer_of<core_gate> timer_;
};

}  // namespace cohort::detail
