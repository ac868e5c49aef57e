#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include <cohort/world/assert.hpp>

namespace cohort {

/// A byte string that grows without zeroing what is about to be overwritten; kept and reused by
/// whoever writes many messages.
///
/// Ownership: owns its memory; pointers into it are valid until the next `extend`.
/// Thread:    one at a time.
class byte_buffer {
public:
    byte_buffer() noexcept = default;
    byte_buffer(byte_buffer&& other) noexcept
        : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)},
          capacity_{std::exchange(other.capacity_, 0)} {}
    byte_buffer& operator=(byte_buffer&& other) noexcept {
        swap(*this, other);
        return *this;
    }
    ~byte_buffer() { std::free(data_); }

    friend void swap(byte_buffer& left, byte_buffer& right) noexcept {
        std::swap(left.data_, right.data_);
        std::swap(left.size_, right.size_);
        std::swap(left.capacity_, right.capacity_);
    }

    [[nodiscard]] char* data() noexcept { return data_; }
    [[nodiscard]] const char* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

    /// Appends `size` bytes of unspecified content and returns where they start. Amortised
    /// constant.
    [[nodiscard]] char* extend(std::size_t size) {
        if (size > capacity_ - size_) {
            grow(size);
        }
        auto* start = data_ + size_;
        size_ += size;
        return start;
    }

    void append(std::string_view content) {
        if (!content.empty()) {
            std::memcpy(extend(content.size()), content.data(), content.size());
        }
    }

    /// Keeps the first `size` bytes.
    void truncate(std::size_t size) noexcept {
        COHORT_ASSERT(size <= size_, "a buffer is truncated to more than it holds");
        size_ = size;
    }

    /// Forgets the content and keeps the memory.
    void clear() noexcept { size_ = 0; }

    /// Forgets the content, and the memory too if it is more than `keep_bytes_max`: one huge
    /// message must not pin its memory for good.
    void clear(std::size_t keep_bytes_max) noexcept {
        size_ = 0;
        if (capacity_ > keep_bytes_max) {
            std::free(std::exchange(data_, nullptr));
            capacity_ = 0;
        }
    }

private:
    COHORT_NOINLINE void grow(std::size_t size) {
        constexpr std::size_t bytes_min = 256;
        if (size > static_cast<std::size_t>(-1) / 4 - size_) {
            throw std::bad_alloc{};
        }
        auto wanted = size_ + size;
        auto larger = capacity_ + capacity_ / 2;
        auto capacity = wanted > larger ? wanted : larger;
        capacity = capacity < bytes_min ? bytes_min : capacity;
        auto* memory = static_cast<char*>(std::realloc(data_, capacity));
        if (memory == nullptr) {
            throw std::bad_alloc{};
        }
        data_ = memory;
        capacity_ = capacity;
    }

    char* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace cohort
