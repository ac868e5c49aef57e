#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <cohort/world/assert.hpp>

namespace cohort {

class core;

/// Something to do on another core: constructed where it is sent (straight into a ring when it
/// fits), applied once on the receiving core. `apply` runs and destroys the payload; with a null
/// core it only destroys it.
struct alignas(16) ring_record {
    std::uint32_t size = 0;
    bool boxed = false;
    void (*apply)(core*, ring_record*) noexcept = nullptr;
    ring_record* next = nullptr;  // in an overflow list or an inbox
};

template <class Action>
struct ring_action : ring_record {
    explicit ring_action(Action&& value) : action{std::move(value)} {}

    static void run(core* here, ring_record* record) noexcept {
        auto* self = static_cast<ring_action*>(record);
        if (here != nullptr) {
            self->action(*here);
        }
        std::destroy_at(self);
    }
    Action action;
};

/// Bounded queue of records between exactly one producer and one consumer. What the producer writes
/// becomes visible in batches, at `publish`.
///
/// Ownership: records are constructed in place and destroyed by their own `apply`.
/// Thread:    `reserve`, `commit` and `publish` on the producer; `front`, `pop`, `release` on the
///            consumer.
class byte_ring {
public:
    /// Some thousands of small records: four mailboxes of the default limit fit without overflow.
    static constexpr std::uint32_t capacity_max = 256 * 1024;
    static constexpr std::uint32_t capacity_min = 32 * 1024;
    static constexpr std::uint32_t record_max = 8 * 1024;

    /// How large the rings of a node with so many cores are, one for each ordered pair: 256 KiB up
    /// to 16 cores, then halved as long as all of them are over 64 MiB, down to 32 KiB from 33
    /// cores on. (64 cores: 126 MiB, if every core sends a lot to every other; pages that were
    /// never written to cost nothing.) What does not fit waits in the sender's overflow, in order.
    [[nodiscard]] static constexpr std::uint32_t capacity_for(std::uint32_t cores) noexcept {
        auto pairs = std::uint64_t{cores} * (cores - 1);
        auto capacity = capacity_max;
        while (capacity > capacity_min && pairs * capacity > (64U << 20)) {
            capacity /= 2;
        }
        return capacity;
    }

    /// The capacity is a power of two, `capacity_min` at least.
    explicit byte_ring(std::uint32_t capacity = capacity_max)
        : memory_{static_cast<std::byte*>(::operator new(capacity, std::align_val_t{64}))},
          capacity_{capacity} {
        COHORT_ASSERT(std::has_single_bit(capacity) && capacity >= capacity_min,
                      "R-9: a ring's capacity is a power of two that takes every record");
    }
    byte_ring(const byte_ring&) = delete;
    byte_ring& operator=(const byte_ring&) = delete;
    ~byte_ring() { ::operator delete(memory_, std::align_val_t{64}); }

    /// Room for a record of `size` bytes (a multiple of 16), or null when the ring is full.
    [[nodiscard]] void* reserve(std::uint32_t size) noexcept {
        auto offset = static_cast<std::uint32_t>(written_ & (capacity_ - 1));
        auto to_end = capacity_ - offset;
        auto needed = size <= to_end ? size : to_end + size;
        if (written_ + needed - read_cache_ > capacity_) {
            read_cache_ = read_.load(std::memory_order_acquire);
            if (written_ + needed - read_cache_ > capacity_) {
                return nullptr;
            }
        }
        if (size > to_end) {
            // A size of zero tells the consumer to go on at the beginning.
            new (memory_ + offset) std::uint32_t{0};
            written_ += to_end;
            offset = 0;
        }
        return memory_ + offset;
    }
    void commit(std::uint32_t size) noexcept { written_ += size; }

    [[nodiscard]] bool dirty() const noexcept {
        return written_ != published_.load(std::memory_order_relaxed);
    }
    /// Makes the batch visible. The store is sequentially consistent: together with the consumer's
    /// store of its `sleeping` flag it makes sure that at least one side sees the other's write.
    void publish() noexcept { published_.store(written_, std::memory_order_seq_cst); }

    /// Whether anything is visible that was not taken; the consumer's check before it sleeps.
    [[nodiscard]] bool empty() const noexcept {
        return published_.load(std::memory_order_seq_cst) == taken_;
    }
    [[nodiscard]] ring_record* front() noexcept {
        if (taken_ == published_cache_) {
            published_cache_ = published_.load(std::memory_order_acquire);
            if (taken_ == published_cache_) {
                return nullptr;
            }
        }
        auto offset = static_cast<std::uint32_t>(taken_ & (capacity_ - 1));
        auto* record = reinterpret_cast<ring_record*>(memory_ + offset);
        if (*reinterpret_cast<const std::uint32_t*>(memory_ + offset) == 0) {
            taken_ += capacity_ - offset;
            return front();
        }
        return record;
    }
    void pop(std::uint32_t size) noexcept { taken_ += size; }
    /// Gives the room of everything popped back to the producer.
    void release() noexcept { read_.store(taken_, std::memory_order_release); }

private:
    std::byte* memory_;
    std::uint32_t capacity_;
    // Each side's indexes have a cache line of their own.
    alignas(64) std::uint64_t written_ = 0;
    std::uint64_t read_cache_ = 0;
    alignas(64) std::atomic<std::uint64_t> published_{0};
    alignas(64) std::uint64_t taken_ = 0;
    std::uint64_t published_cache_ = 0;
    alignas(64) std::atomic<std::uint64_t> read_{0};
};

}  // namespace cohort
