#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include <cohort/remoting/frame.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort {

/// Memory that all connections of a node share. Any thread.
class byte_budget {
public:
    explicit byte_budget(std::size_t bytes) noexcept : left_{static_cast<std::int64_t>(bytes)} {}

    [[nodiscard]] bool take(std::size_t bytes) noexcept;
    void give(std::size_t bytes) noexcept {
        left_.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t left() const noexcept {
        return left_.load(std::memory_order_relaxed);
    }

private:
    std::atomic<std::int64_t> left_;
};

/// One connection's part of the budget, taken in large steps so that a message costs no atomic.
class budget_lease {
public:
    explicit budget_lease(byte_budget& from) noexcept : from_{&from} {}
    budget_lease(const budget_lease&) = delete;
    budget_lease& operator=(const budget_lease&) = delete;
    ~budget_lease() { from_->give(held_); }

    /// Takes from another budget from now on. While nothing is held.
    void take_from(byte_budget& from) noexcept {
        COHORT_ASSERT(held_ == 0, "a part of one budget is not given back to another");
        from_ = &from;
    }
    /// Whether `bytes` are covered, taking more where needed.
    [[nodiscard]] bool covers(std::size_t bytes) noexcept {
        return bytes <= held_ + free_bytes || grow(bytes);
    }
    /// Gives back what `bytes` do not need.
    void shrink(std::size_t bytes) noexcept;

private:
    static constexpr std::size_t free_bytes = 64 * 1024;  // not worth counting
    static constexpr std::size_t step = 256 * 1024;
    [[nodiscard]] bool grow(std::size_t bytes) noexcept;

    byte_budget* from_;
    std::size_t held_ = 0;
};

/// Of chunks that the receiver has not confirmed. Part of the protocol: both sides know it.
inline constexpr std::uint32_t credit_window = 256 * 1024;
inline constexpr std::uint32_t chunk_bytes_max = 32 * 1024;

struct outbox_limits {
    std::size_t queue_bytes_max = std::size_t{4} << 20;
    std::uint32_t message_bytes_max = 4U << 20;
};

/// What one connection has to send: frames are encoded straight into the buffer that fills while
/// the other one is being written. A message that is larger than a chunk waits aside and travels in
/// pieces, as far as the receiver's credit goes, so that it keeps nobody waiting but what follows
/// it to the same target. A plain state machine.
///
/// Thread: one.
class outbox {
public:
    outbox(outbox_limits limits, byte_budget& budget) noexcept
        : limits_{limits}, message_bytes_max_{limits.message_bytes_max}, lease_{budget} {}

    /// Other limits and another budget, while it is empty.
    void limit(outbox_limits limits, byte_budget& budget) noexcept {
        limits_ = limits;
        message_bytes_max_ = limits.message_bytes_max;
        lease_.take_from(budget);
    }
    /// Whether one more message is taken; memory in use is bounded by what is queued and one
    /// message.
    [[nodiscard]] bool has_room() noexcept {
        auto bytes = queued();
        return (bytes < limits_.queue_bytes_max || COHORT_MUTANT(queue_unbounded)) &&
               lease_.covers(bytes);
    }
    [[nodiscard]] std::size_t queued() const noexcept {
        return filling_.size() + (sending_.size() - sent_) + stream_bytes_;
    }
    /// What needs no credit to leave.
    [[nodiscard]] std::size_t queued_freely() const noexcept { return queued() - stream_bytes_; }
    /// Whether `next` has something to write, or would have it with more credit.
    [[nodiscard]] bool empty() const noexcept { return queued() == 0; }

    /// Where frames are appended.
    [[nodiscard]] byte_buffer& filling() noexcept { return filling_; }
    /// What the other side takes as one message; at most what this side does.
    void limit_messages(std::uint32_t bytes_max) noexcept {
        message_bytes_max_ = std::min(bytes_max, limits_.message_bytes_max);
    }
    /// Whether the frame that was begun at `mark` is one that the other side takes.
    [[nodiscard]] bool fits(std::size_t mark) const noexcept {
        return filling_.size() - mark <= message_bytes_max_;
    }
    /// Ends the frame that was begun at `mark`. Frames to the same target keep their order; a null
    /// target has none. Gives the place for `handed_over`.
    std::uint64_t finish(std::size_t mark, handle target);
    /// Whether a frame at this place may have left already. What travels in chunks says yes early.
    [[nodiscard]] bool handed_over(std::uint64_t place) const noexcept { return place < handed_; }

    /// The receiver took chunks. False when it confirms more than it was sent.
    [[nodiscard]] bool add_credit(std::uint32_t bytes) noexcept;

    /// The bytes to write next; nothing when there are none, or none without more credit. They stay
    /// where they are until they were `written`.
    [[nodiscard]] std::string_view next();
    void written(std::size_t bytes) noexcept;

    /// Forgets everything, for a new connection. Gives the number of messages without an asker that
    /// were lost.
    std::uint64_t reset() noexcept;

private:
    static constexpr std::size_t streams_max = 64;
    static constexpr std::size_t pump_bytes = 64 * 1024;
    static constexpr std::size_t keep_bytes = 256 * 1024;
    static constexpr std::size_t prefix = sizeof(std::uint32_t);

    /// What goes to one target, from a large message on.
    struct stream {
        stream() = default;
        stream(stream&&) noexcept = default;
        stream& operator=(stream&&) noexcept = default;

        handle target;
        std::deque<byte_buffer> waiting;  // whole frames
        std::size_t offset = 0;           // how much of the first one has gone
        std::uint32_t number = 0;
    };

    void move_aside(std::size_t mark, handle target, stream* behind);
    void pump();
    bool advance(stream& line);

    outbox_limits limits_;
    std::uint32_t message_bytes_max_;
    budget_lease lease_;
    byte_buffer filling_;
    byte_buffer sending_;
    std::size_t sent_ = 0;
    std::uint64_t handed_ = 0;
    std::vector<stream> streams_;
    std::size_t stream_bytes_ = 0;
    std::size_t turn_ = 0;
    std::uint32_t last_number_ = 0;
    std::uint32_t credit_ = credit_window;
    std::size_t promised_ = 0;  // the sum of the sizes of messages that were begun
    std::size_t begun_ = 0;
};

}  // namespace cohort
