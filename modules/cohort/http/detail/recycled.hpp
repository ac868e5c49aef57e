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

    // Nothing to construct and nothing to destroy, so that reaching it costs no check.
    struct shelf {
        std::array<T*, shelf_size> items{};
        std::size_t count = 0;
        std::size_t room = 0;  // 0 before the first handle of this thread went, and at its end
        bool gone = false;
    };
    static shelf& this_shelf() {
        static thread_local constinit shelf mine;
        return mine;
    }

    static T* take() {
        shelf& mine = this_shelf();
        return mine.count > 0 ? mine.items[--mine.count] : new T;
    }
    static void give_back(T* item) noexcept {
        shelf& mine = this_shelf();
        if (mine.count < mine.room || opens(mine)) {
            item->reset();
            mine.items[mine.count++] = item;
        } else {
            delete item;
        }
    }
    /// True when the shelf is opened by this call, which also sees to its end.
    static bool opens(shelf& mine) noexcept {
        if (mine.room > 0 || mine.gone) {
            return false;
        }
        struct closer {
            ~closer() {
                shelf& mine = this_shelf();
                mine.gone = true;
                mine.room = 0;
                while (mine.count > 0) {
                    delete mine.items[--mine.count];
                }
            }
        };
        static thread_local closer at_end_of_thread;
        mine.room = shelf_size;
        return true;
    }
#endif

    T* item_;
};

}  // namespace cohort::detail
