#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <cohort/world/compiler.hpp>

namespace cohort {

/// Memory of coroutine frames, messages and other small objects: free lists in 16-byte classes up
/// to 1 KiB, filled from chunks that stay with the process; larger blocks come from malloc. One
/// pool a thread, so nothing is locked. Freeing on another thread than the one that allocated is
/// allowed: the block then belongs to that thread's pool.
///
/// With COHORT_POOL_MALLOC (sanitized builds) every block comes from malloc.
class frame_pool {
public:
    static constexpr std::size_t block_max = 4096;

    /// The pool of the calling thread. A pool outlives its thread and is handed to the next one.
    static frame_pool& local() noexcept {
        auto* pool = current_;
        return COHORT_LIKELY(pool != nullptr) ? *pool : adopt();
    }

    [[nodiscard]] void* allocate(std::size_t size) {
#ifdef COHORT_POOL_MALLOC
        return allocate_large(size);
#else
        if (!COHORT_LIKELY(size <= block_max)) {
            return allocate_large(size);
        }
        auto index = class_of(size);
        auto* block = free_[index];
        if (!COHORT_LIKELY(block != nullptr)) {
            block = refill(index);
        }
        free_[index] = block->next;
        in_use_ += static_cast<std::ptrdiff_t>((index + 1) * granule);
        return block;
#endif
    }

    void release(void* memory, std::size_t size) noexcept {
#ifdef COHORT_POOL_MALLOC
        release_large(memory, size);
#else
        if (!COHORT_LIKELY(size <= block_max)) {
            release_large(memory, size);
            return;
        }
        auto index = class_of(size);
        auto* block = static_cast<free_block*>(memory);
        block->next = free_[index];
        free_[index] = block;
        in_use_ -= static_cast<std::ptrdiff_t>((index + 1) * granule);
#endif
    }

    /// Bytes handed out and not returned, in the classes' sizes; negative on a thread that frees
    /// what others allocated.
    [[nodiscard]] std::ptrdiff_t bytes_in_use() const noexcept { return in_use_; }
    /// Bytes of chunks taken from the system.
    [[nodiscard]] std::size_t bytes_reserved() const noexcept { return reserved_; }

private:
    static constexpr std::size_t granule = 16;
    struct free_block {
        free_block* next;
    };

    static std::size_t class_of(std::size_t size) noexcept {
        return size == 0 ? 0 : (size - 1) / granule;
    }
    COHORT_NOINLINE static frame_pool& adopt() noexcept;
    COHORT_NOINLINE free_block* refill(std::size_t index);
    COHORT_NOINLINE void* allocate_large(std::size_t size);
    COHORT_NOINLINE void release_large(void* memory, std::size_t size) noexcept;

    friend struct frame_pool_lease;
    static constinit thread_local frame_pool* current_;

    std::array<free_block*, block_max / granule> free_{};
    std::byte* chunk_ = nullptr;
    std::size_t chunk_left_ = 0;
    std::ptrdiff_t in_use_ = 0;
    std::size_t reserved_ = 0;
    std::size_t chunk_size_ = 64 * 1024;
    frame_pool* next_idle_ = nullptr;
};

inline constinit thread_local frame_pool* frame_pool::current_ = nullptr;

/// An allocator over the pool of the calling thread, for Asio's operations and small containers.
template <class T>
struct pool_allocator {
    using value_type = T;

    pool_allocator() = default;
    template <class U>
    pool_allocator(const pool_allocator<U>&) noexcept {}  // NOLINT: rebinding

    [[nodiscard]] T* allocate(std::size_t count) {
        return static_cast<T*>(frame_pool::local().allocate(count * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        frame_pool::local().release(memory, count * sizeof(T));
    }
    template <class U>
    friend bool operator==(const pool_allocator&, const pool_allocator<U>&) noexcept {
        return true;
    }
};

}  // namespace cohort
