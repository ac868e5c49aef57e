#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/unordered/unordered_flat_set.hpp>
#include <cohort/runtime/cell.hpp>
#include <cohort/runtime/message.hpp>
#include <cohort/world/assert.hpp>

namespace cohort::detail {

class desk;

/// Messages in a row, as a mailbox holds them.
struct mail {
    message* head = nullptr;
    message* tail = nullptr;
    std::uint32_t count = 0;

    [[nodiscard]] bool empty() const noexcept { return head == nullptr; }
    void append(message* node) noexcept {
        node->next = nullptr;
        (tail != nullptr ? tail->next : head) = node;
        tail = node;
        ++count;
    }
    [[nodiscard]] message* take() noexcept {
        auto* node = head;
        head = node->next;
        tail = head == nullptr ? nullptr : tail;
        --count;
        return node;
    }
};

/// A value that an entity shows, of any type that fits.
class shown_value {
public:
    static constexpr std::size_t bytes_max = 64;

    shown_value() = default;
    shown_value(const shown_value&) = delete;
    shown_value& operator=(const shown_value&) = delete;
    ~shown_value() { reset(); }

    template <class T>
    void emplace(T value) noexcept {
        static_assert(sizeof(T) <= bytes_max && alignof(T) <= alignof(void*),
                      "what an entity publishes has at most 64 bytes: publish a pointer to it");
        static_assert(std::is_nothrow_move_constructible_v<T>);
        reset();
        new (place_) T{std::move(value)};
        destroy_ = &destroy<T>;
    }
    void reset() noexcept {
        if (auto* end = std::exchange(destroy_, nullptr)) {
            end(place_);
        }
    }
    /// Null when there is none.
    template <class T>
    [[nodiscard]] const T* get() const noexcept {
        COHORT_ASSERT(destroy_ == nullptr || destroy_ == &destroy<T>,
                      "S-4: a value is read as what was published");
        return get_if<T>();
    }
    /// Null also when there is one of another type.
    template <class T>
    [[nodiscard]] const T* get_if() const noexcept {
        return destroy_ == &destroy<T> ? std::launder(reinterpret_cast<const T*>(place_)) : nullptr;
    }

private:
    template <class T>
    static void destroy(void* it) noexcept {
        static_cast<T*>(it)->~T();
    }

    void (*destroy_)(void*) noexcept = nullptr;
    alignas(void*) std::byte place_[bytes_max];
};

/// An entity's place at its desk. It lives from the first message for a key until the entity has
/// ended and nothing waits for it.
struct alignas(64) seat {
    // What a read looks at stands together, in two lines of memory.
    std::string key;
    bool at_rest = false;  // the entity does nothing before the next message, and none has come
    bool used = false;     // since it was made or passed over
    std::uint32_t used_at = 0;  // by the desk's coarse clock
    std::uint32_t swept_at = 0;
    std::uint32_t shard = 0;
    handle entity;  // null while no coroutine of it exists
    shown_value published;

    desk* at = nullptr;
    seat* newer = nullptr;
    seat* older = nullptr;
    seat* next_of_shard = nullptr;
    seat* previous_of_shard = nullptr;
    mail waiting;  // what came while the entity was ending
    std::size_t content_bytes = 0;
    std::uint64_t own_epoch = 0;  // of the shard when the seat was made
};

/// The seats of one core: found by key, and in a row in which they were made or passed over.
///
/// Which key was used least lately is known roughly: a use only leaves a mark, so that a request
/// touches no other key's memory, and a marked key is passed over once.
class seat_table {
public:
    explicit seat_table(std::uint64_t seed) : all_{0, key_hash{seed}, key_equal{}} {}
    ~seat_table();

    void reserve(std::size_t seats) { all_.reserve(seats); }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
    [[nodiscard]] seat* find(std::string_view key) noexcept;
    [[nodiscard]] seat& add(std::string_view key);
    void remove(seat& gone) noexcept;

    [[nodiscard]] seat* oldest() const noexcept { return oldest_; }
    /// Puts a seat behind all others.
    void pass_over(seat& it) noexcept;

private:
    struct key_hash {
        using is_transparent = void;
        std::uint64_t seed;
        std::size_t operator()(std::string_view key) const noexcept;
        std::size_t operator()(const seat* held) const noexcept { return (*this)(held->key); }
    };
    struct key_equal {
        using is_transparent = void;
        static std::string_view key(std::string_view given) noexcept { return given; }
        static std::string_view key(const seat* held) noexcept { return held->key; }
        template <class Left, class Right>
        bool operator()(const Left& left, const Right& right) const noexcept {
            return key(left) == key(right);
        }
    };

    void link(seat& it) noexcept;
    void unlink(seat& it) noexcept;
    [[nodiscard]] seat*& recent_of(std::string_view key) noexcept {
        return recent_[all_.hash_function()(key) % recent_max];
    }

    static constexpr std::size_t recent_max = 4096;

    boost::unordered_flat_set<seat*, key_hash, key_equal> all_;
    std::array<seat*, recent_max> recent_{};  // by hash
    seat* newest_ = nullptr;
    seat* oldest_ = nullptr;
};

}  // namespace cohort::detail
