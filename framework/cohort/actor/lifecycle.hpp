#pragma once

#include <cohort/actor/cold.hpp>
#include <cohort/runtime/runtime.hpp>

namespace cohort {

/// The life of actors: mailbox policies, stop, failure, restart, death watch. One object serves any
/// number of nodes; it keeps no state of its own.
class lifecycle final : public cell_keeper {
public:
    void settle(core& here, fiber& line) noexcept override;
    void deliver_slowly(core& here, cell& target, message* node) noexcept override;
    void stop(core& here, handle target) noexcept override;
    void admit(core& here, handle target, message* node, handle reply) noexcept override;
    void withdraw(core& here, handle target, handle reply) noexcept override;
    void taken(core& here, cell& target) noexcept override;
    void adopt(task_fiber& line) override;
    void disown(task_fiber& line) noexcept override;
    void begin_receive(cell& actor, task_fiber& line) override;
    void end_receive(cell& actor, task_fiber& line) noexcept override;
    void stop_all(core& here) noexcept override;
    void abandon_all(core& here) noexcept override;
    std::string describe(core& here, fiber& line) override;

    /// The actor's cold block, made when it has none.
    static cold_block& cold_of(cell& actor);
};

/// Freezes an actor: nothing of it runs until `unpark`, also when what it awaits arrives meanwhile.
/// Null and stale handles are ignored.
void park(core& here, handle target) noexcept;
void unpark(core& here, handle target) noexcept;

}  // namespace cohort
