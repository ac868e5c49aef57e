#pragma once

#include <cohort/actor/cold.hpp>
#include <cohort/actor/received.hpp>
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

/// Whether an actor lists the message in its protocol. What comes from another node is asked this.
[[nodiscard]] bool understands(const cell& actor, const message_type& type) noexcept;

/// Death watch between nodes: enters a watcher of another node, once however often it asks; tells
/// it at once when `target` has ended.
void add_watcher(core& here, handle target, const actor_address& watcher) noexcept;
void remove_watcher(core& here, handle target, const actor_address& watcher) noexcept;
/// Takes out the watchers of a node that is gone, by its place in the table of peers and
/// that place's generation.
void remove_watchers_of(core& here, handle target, std::uint32_t place,
                        std::uint32_t generation) noexcept;
/// Gives a watcher of this core its news; does nothing when it does not watch any more.
void deliver_terminated(core& here, handle watcher, terminated news) noexcept;

/// Freezes an actor: nothing of it runs until `unpark`, also when what it awaits arrives meanwhile.
/// Null and stale handles are ignored.
void park(core& here, handle target) noexcept;
void unpark(core& here, handle target) noexcept;

}  // namespace cohort
