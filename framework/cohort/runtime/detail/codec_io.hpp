#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

#include <cohort/world/assert.hpp>
#include <cohort/world/result.hpp>

static_assert(
    std::endian::native == std::endian::little,
    "Cohort's wire format is little endian and is copied, not converted: port codec_io.hpp");

namespace cohort {

/// What a message may cost. Both sides check, so what was encoded can be decoded.
struct codec_limits {
    std::size_t message_bytes_max = std::size_t{64} << 20;  ///< at most 4 GiB - 1
    std::uint32_t elements_max = std::uint32_t{1} << 20;    ///< of one container
    std::uint32_t depth_max = 32;                           ///< of aggregates in aggregates
};

/// What a specialisation of `codec<T>` may need to know about its surroundings (a ref needs the
/// table of peers): derive from it, pass it in `codec_options`, and cast it back.
struct codec_context {};

struct codec_options {
    codec_limits limits{};
    codec_context* context = nullptr;
};

/// First pass of an encoding: adds up what the second pass will write. It has the same verbs as
/// `codec_writer`, so that one function template serves both passes and they cannot disagree.
class codec_sizer {
public:
    explicit codec_sizer(const codec_options& options) noexcept
        : options_{options}, depth_{options.limits.depth_max} {}

    template <class T>
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void put(T) noexcept {
        bytes_ += sizeof(T);
    }
    void raw(const void*, std::size_t size) noexcept { bytes_ += size; }
    void text(std::string_view content) noexcept {
        bytes_ += sizeof(std::uint32_t) + content.size();
    }
    void count(std::size_t elements) noexcept {
        bytes_ += sizeof(std::uint32_t);
        if (elements > options_.limits.elements_max) {
            fail("a container holds more elements than elements_max");
        }
    }

    /// A length-prefixed region; false when the nesting is too deep, and then nothing may follow.
    [[nodiscard]] bool open(std::size_t&) noexcept {
        if (depth_ == 0) {
            fail("the nesting is deeper than depth_max");
            return false;
        }
        --depth_;
        bytes_ += sizeof(std::uint32_t);
        return true;
    }
    void close(std::size_t) noexcept { ++depth_; }

    [[nodiscard]] codec_context* context() const noexcept { return options_.context; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    /// Null, or the limit that the message breaks.
    [[nodiscard]] const char* failure() const noexcept {
        if (failure_ == nullptr && (bytes_ > options_.limits.message_bytes_max ||
                                    bytes_ > std::numeric_limits<std::uint32_t>::max())) {
            return "the message is longer than message_bytes_max";
        }
        return failure_;
    }

private:
    void fail(const char* what) noexcept { failure_ = what; }

    const codec_options& options_;
    std::size_t bytes_ = 0;
    std::uint32_t depth_;
    const char* failure_ = nullptr;
};

/// Second pass of an encoding: writes without checks into memory of the size that the first pass
/// found.
class codec_writer {
public:
    codec_writer(char* out, codec_context* context) noexcept : at_{out}, context_{context} {}

    template <class T>
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void put(T value) noexcept {
        std::memcpy(at_, &value, sizeof value);
        at_ += sizeof value;
    }
    void raw(const void* content, std::size_t size) noexcept {
        if (size > 0) {
            std::memcpy(at_, content, size);
            at_ += size;
        }
    }
    void text(std::string_view content) noexcept {
        put(static_cast<std::uint32_t>(content.size()));
        raw(content.data(), content.size());
    }
    void count(std::size_t elements) noexcept { put(static_cast<std::uint32_t>(elements)); }

    [[nodiscard]] bool open(std::size_t& mark) noexcept {
        mark = reinterpret_cast<std::size_t>(at_);
        at_ += sizeof(std::uint32_t);
        return true;
    }
    void close(std::size_t mark) noexcept {
        auto* prefix = reinterpret_cast<char*>(mark);  // NOLINT: made by open
        auto size = static_cast<std::uint32_t>(at_ - prefix - sizeof(std::uint32_t));
        std::memcpy(prefix, &size, sizeof size);
    }

    [[nodiscard]] codec_context* context() const noexcept { return context_; }
    [[nodiscard]] char* at() const noexcept { return at_; }

private:
    char* at_;
    codec_context* context_;
};

/// Reads untrusted bytes. Every verb returns false, once and for all, when the input is bad; the
/// reason is kept. Nothing is reserved before the bytes that justify it are known to be there.
class codec_reader {
public:
    codec_reader(std::string_view input, const codec_options& options) noexcept
        : options_{options}, begin_{input.data()}, at_{input.data()},
          end_{input.data() + input.size()}, depth_{options.limits.depth_max} {}

    template <class T>
        requires((std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || std::is_enum_v<T>)
    [[nodiscard]] bool get(T& value) noexcept {
        if (remaining() < sizeof value) {
            return truncated();
        }
        std::memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        return true;
    }

    /// A flag: 0 or 1, anything else is refused.
    [[nodiscard]] bool get(bool& value) noexcept {
        auto flag = std::uint8_t{};
        if (!get(flag)) {
            return false;
        }
        if (flag > 1) {
            return fail(errc::invalid, "a flag is neither 0 nor 1");
        }
        value = flag == 1;
        return true;
    }

    /// A view of the next `size` bytes of the input.
    [[nodiscard]] bool raw(std::string_view& content, std::size_t size) noexcept {
        if (remaining() < size) {
            return truncated();
        }
        content = {at_, size};
        at_ += size;
        return true;
    }

    /// A length and as many bytes, as a view of the input.
    [[nodiscard]] bool text(std::string_view& content) noexcept {
        auto size = std::uint32_t{};
        return get(size) && raw(content, size);
    }

    /// A number of elements, each of which takes at least `element_bytes_min` bytes.
    [[nodiscard]] bool count(std::size_t& elements, std::size_t element_bytes_min) noexcept {
        auto number = std::uint32_t{};
        if (!get(number)) {
            return false;
        }
        if (number > options_.limits.elements_max) {
            return fail(errc::too_large, "a container holds more elements than elements_max");
        }
        if (number > remaining() / element_bytes_min) {
            return fail(errc::truncated, "a container holds more elements than bytes follow");
        }
        elements = number;
        return true;
    }

    /// Enters a length-prefixed region; `close` leaves it, skipping what a newer sender appended.
    [[nodiscard]] bool open(const char*& outer_end) noexcept {
        auto size = std::uint32_t{};
        if (!get(size)) {
            return false;
        }
        if (size > remaining()) {
            return truncated();
        }
        if (depth_ == 0) {
            return fail(errc::too_large, "the nesting is deeper than depth_max");
        }
        --depth_;
        outer_end = end_;
        end_ = at_ + size;
        return true;
    }
    void close(const char* outer_end) noexcept {
        COHORT_ASSERT(at_ <= end_ && end_ <= outer_end,
                      "a region of a message ends inside its parent");
        ++depth_;
        at_ = end_;
        end_ = outer_end;
    }

    [[nodiscard]] std::size_t remaining() const noexcept {
        return static_cast<std::size_t>(end_ - at_);
    }
    [[nodiscard]] codec_context* context() const noexcept { return options_.context; }

    /// Refuses the input; the sentence must outlive the reader. Returns false, to be returned.
    COHORT_NOINLINE bool fail(errc code, const char* what) noexcept {
        if (what_ == nullptr) {
            code_ = code;
            what_ = what;
            failed_at_ = static_cast<std::size_t>(at_ - begin_);
        }
        return false;
    }

    /// The reason why a verb returned false.
    [[nodiscard]] cohort::error failure(std::string_view type) const {
        COHORT_ASSERT(what_ != nullptr, "the reader was asked why it failed, but it did not");
        return {code_, what_, std::string{type} + ", byte " + std::to_string(failed_at_)};
    }

private:
    bool truncated() noexcept { return fail(errc::truncated, "the message ends early"); }

    const codec_options& options_;
    const char* begin_;
    const char* at_;
    const char* end_;
    std::uint32_t depth_;
    errc code_ = errc::ok;
    const char* what_ = nullptr;
    std::size_t failed_at_ = 0;
};

}  // namespace cohort
