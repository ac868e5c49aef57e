#pragma once

#include <cstdint>
#include <vector>

#include <cohort/runtime/handle.hpp>
#include <cohort/runtime/wheel.hpp>
#include <cohort/world/mutant.hpp>
#include <cohort/world/result.hpp>

namespace cohort {

struct fiber;

/// An ask that waits for its answer. It lies in the asker's frame; the answer finds it through the
/// table by slot and generation, so an answer that comes too late never reaches a dead frame.
struct pending_answer {
    wheel_timer timer;
    fiber* waiter = nullptr;  // set while the asker is suspended here
    void (*fail)(pending_answer&, error) noexcept = nullptr;
    /// Called, where no fiber waits, when the answer has come; may destroy the ask.
    void (*arrived)(pending_answer&) noexcept = nullptr;
    handle address;
    bool done = false;
};

/// The pending asks of one core.
class pending_table {
public:
    explicit pending_table(std::uint32_t core_id) noexcept : core_bits_{core_id << 24} {}

    [[nodiscard]] handle add(pending_answer& answer) {
        std::uint32_t slot;
        if (free_ != none) {
            slot = free_;
            free_ = entries_[slot].next_free;
        } else {
            COHORT_ASSERT(entries_.size() < slots_max,
                          "fewer than 16 M asks are pending on a core");
            slot = static_cast<std::uint32_t>(entries_.size());
            entries_.push_back({});
        }
        entries_[slot].answer = &answer;
        ++size_;
        return handle::of(core_bits_ | slot, entries_[slot].generation);
    }

    /// The pending ask, or null when it ended already.
    [[nodiscard]] pending_answer* find(handle address) noexcept {
        auto slot = address.slot();
        if (slot >= entries_.size() || entries_[slot].generation != address.generation()) {
            return nullptr;
        }
        return entries_[slot].answer;
    }

    void remove(handle address) noexcept {
        auto& entry = entries_[address.slot()];
        COHORT_ASSERT(entry.generation == address.generation(),
                      "R-8: a pending ask is removed once");
        entry.answer = nullptr;
        // A wrapped generation would match very old answers; skip zero, which is never valid.
        if (!COHORT_MUTANT(reply_token_reused) && ++entry.generation == 0) {
            entry.generation = 1;
        }
        entry.next_free = free_;
        free_ = address.slot();
        --size_;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    static constexpr std::uint32_t none = ~0U;
    struct entry {
        pending_answer* answer = nullptr;
        std::uint32_t generation = 1;
        std::uint32_t next_free = none;
    };

    std::uint32_t core_bits_;
    std::uint32_t free_ = none;
    std::size_t size_ = 0;
    std::vector<entry> entries_;
};

}  // namespace cohort
