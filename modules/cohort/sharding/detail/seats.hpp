#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <boost/unordered/unordered_flat_set.hpp>
#include <cohort/runtime/cell.hpp>
#include <cohort/runtime/message.hpp>

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

/// An entity's place at its desk. It lives from the first message for a key until the entity has
/// ended and nothing waits for it.
struct seat {
    std::string key;
    desk* at = nullptr;
    handle entity;  // null while no coroutine of it exists
    seat* newer = nullptr;
    seat* older = nullptr;
    seat* next_of_shard = nullptr;
    seat* previous_of_shard = nullptr;
    mail waiting;  // what came while the entity was ending
    const void* published = nullptr;
    std::size_t content_bytes = 0;
    std::uint64_t own_epoch = 0;  // of the shard when the seat was made
    std::uint32_t shard = 0;
    std::uint32_t used_at = 0;  // by the desk's coarse clock
    std::uint32_t swept_at = 0;
    bool used = false;  // since it was made or passed over
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
    [[nodiscard]] seat* find(std::string_view key) noexcept {
        auto found = all_.find(key);
        return found == all_.end() ? nullptr : *found;
    }
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

    boost::unordered_flat_set<seat*, key_hash, key_equal> all_;
    seat* newest_ = nullptr;
    seat* oldest_ = nullptr;
};

}  // namespace cohort::detail
