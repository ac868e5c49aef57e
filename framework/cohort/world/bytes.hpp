#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <cohort/world/assert.hpp>

namespace cohort {

/// Immutable bytes, shared by all copies: a value travels from the origin through actors into a
/// socket without being copied.
///
/// Ownership: the memory lives as long as one copy or one slice of it.
/// Thread:    any; copies may be used and dropped on different threads.
class bytes {
public:
    bytes() noexcept = default;

    /// Copies `content`.
    explicit bytes(std::string_view content);

    /// Takes the memory of `content`; copies when it is short enough to be cheaper to copy.
    [[nodiscard]] static bytes adopt(std::string&& content);

    /// Makes `size` bytes and lets `fill(std::span<char>)` write all of them.
    template <class Fill>
    [[nodiscard]] static bytes make(std::size_t size, Fill&& fill) {
        auto out = bytes{};
        if (size > 0) {
            auto* memory = out.allocate(size);
            std::forward<Fill>(fill)(std::span<char>{memory, size});
        }
        return out;
    }

    bytes(const bytes& other) noexcept
        : owner_{other.owner_}, data_{other.data_}, size_{other.size_} {
        if (owner_ != nullptr) {
            owner_->uses.fetch_add(1, std::memory_order_relaxed);
        }
    }
    bytes(bytes&& other) noexcept
        : owner_{std::exchange(other.owner_, nullptr)}, data_{std::exchange(other.data_, "")},
          size_{std::exchange(other.size_, 0)} {}
    bytes& operator=(bytes other) noexcept {
        swap(*this, other);
        return *this;
    }
    ~bytes() {
        if (owner_ != nullptr) {
            release(owner_);
        }
    }

    friend void swap(bytes& left, bytes& right) noexcept {
        std::swap(left.owner_, right.owner_);
        std::swap(left.data_, right.data_);
        std::swap(left.size_, right.size_);
    }

    [[nodiscard]] const char* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

    /// A part that shares the memory.
    [[nodiscard]] bytes slice(std::size_t offset, std::size_t size) const {
        COHORT_ASSERT(offset <= size_ && size <= size_ - offset,
                      "a slice reaches behind its bytes");
        auto out = *this;
        out.data_ += offset;
        out.size_ = size;
        return out;
    }

    friend bool operator==(const bytes& left, const bytes& right) noexcept {
        return left.view() == right.view();
    }
    friend bool operator==(const bytes& left, std::string_view right) noexcept {
        return left.view() == right;
    }

private:
    struct block {
        std::atomic<std::size_t> uses{1};
        bool adopted = false;  // an `adopted_block`, whose memory is a string's
    };
    struct adopted_block;

    char* allocate(std::size_t size);
    static void release(block* owner) noexcept;

    block* owner_ = nullptr;
    const char* data_ = "";
    std::size_t size_ = 0;
};

}  // namespace cohort
