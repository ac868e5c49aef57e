#include <cohort/world/frame_pool.hpp>

#include <algorithm>
#include <mutex>
#include <new>

namespace cohort {
namespace {

// Pools of threads that ended wait here for the next thread; they are never destroyed, because
// their blocks may still be in use elsewhere.
constinit std::mutex idle_mutex;
constinit frame_pool* idle_pools = nullptr;

}  // namespace

struct frame_pool_lease {
    ~frame_pool_lease() {
        auto guard = std::lock_guard{idle_mutex};
        auto* pool = frame_pool::current_;
        frame_pool::current_ = nullptr;
        pool->next_idle_ = idle_pools;
        idle_pools = pool;
    }
};

frame_pool& frame_pool::adopt() noexcept {
    {
        auto guard = std::lock_guard{idle_mutex};
        if (idle_pools != nullptr) {
            current_ = idle_pools;
            idle_pools = idle_pools->next_idle_;
        }
    }
    if (current_ == nullptr) {
        current_ = new frame_pool;
    }
    static thread_local frame_pool_lease lease;
    static_cast<void>(lease);
    return *current_;
}

frame_pool::free_block* frame_pool::refill(std::size_t index) {
    auto size = (index + 1) * granule;
    if (chunk_left_ < size) {
        // What is left of the old chunk is less than one block of this class: a bounded loss.
        auto* memory = ::operator new(chunk_size_, std::align_val_t{4096});
        chunk_ = static_cast<std::byte*>(memory);
        chunk_left_ = chunk_size_;
        reserved_ += chunk_size_;
        chunk_size_ = std::min<std::size_t>(chunk_size_ * 2, 1024 * 1024);
    }
    // Carving up to a page at once keeps neighbours together and the refill rare.
    auto count = std::clamp<std::size_t>(4096 / size, 1, chunk_left_ / size);
    free_block* first = nullptr;
    for (std::size_t i = count; i-- > 0;) {
        auto* block = reinterpret_cast<free_block*>(chunk_ + i * size);
        block->next = first;
        first = block;
    }
    chunk_ += count * size;
    chunk_left_ -= count * size;
    return first;
}

void* frame_pool::allocate_large(std::size_t size) {
    auto* memory = ::operator new(size);
    in_use_ += static_cast<std::ptrdiff_t>(size);
    return memory;
}

void frame_pool::release_large(void* memory, std::size_t size) noexcept {
    in_use_ -= static_cast<std::ptrdiff_t>(size);
    ::operator delete(memory);
}

}  // namespace cohort
