#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include <cohort/world/assert.hpp>

namespace cohort::detail {

/// A move-only handle of one pointer to a `T` whose memory is used again: when a handle goes, its
/// `T` is emptied by `reset()` and kept on a short shelf of this thread, with the capacity of its
/// strings. So a connection in steady state allocates nothing for a request or a response, and
/// moving one through coroutines moves 8 bytes.
///
/// Thread: a handle may be destroyed on another thread than the one that made it.
template <class T>
class recycled {
public:
    recycled() : item_{take()} {}
    recycled(recycled&& other) noexcept : item_{std::exchange(other.item_, nullptr)} {}
    recycled& operator=(recycled&& other) noexcept {
        std::swap(item_, other.item_);
        return *this;
    }
    ~recycled() {
        if (item_ != nullptr) {
            give_back(item_);
        }
    }

    [[nodiscard]] T* operator->() const {
        COHORT_ASSERT(item_ != nullptr, "a moved-from request or response was used");
        return item_;
    }
    [[nodiscard]] T& operator*() const { return *operator->(); }

private:
#ifdef COHORT_POOL_MALLOC
    // Reused memory hides use after free from the sanitizers.
    static T* take() { return new T; }
    static void give_back(T* item) noexcept { delete item; }
#else
    // A core with many pipelining connections has this many requests under way.
    static constexpr std::size_t shelf_size = 1024;

    struct shelf {
        std::array<T*, shelf_size> items{};
        std::size_t count = 0;
        ~shelf() {
            gone = true;
            while (count > 0) {
                delete items[--count];
            }
        }
    };
    static inline thread_local constinit bool gone = false;
    static inline thread_local shelf shelf_;

    static T* take() {
        if (!gone && shelf_.count > 0) {
            return shelf_.items[--shelf_.count];
        }
        return new T;
    }
    static void give_back(T* item) noexcept {
        if (!gone && shelf_.count < shelf_size) {
            item->reset();
            shelf_.items[shelf_.count++] = item;
        } else {
            delete item;
        }
    }
#endif

    T* item_;
};

}  // namespace cohort::detail
