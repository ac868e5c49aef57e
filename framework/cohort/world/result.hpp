#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <cohort/world/assert.hpp>

namespace cohort {

/// What went wrong, as a small closed set; the text of an `error` says the rest.
enum class errc : std::uint16_t {
    ok = 0,
    timeout,        ///< the deadline passed; whether the request ran is unknown
    overloaded,     ///< a bounded queue was full
    terminated,     ///< the target stopped, failed or never existed
    no_reply,       ///< the target dropped the request without answering
    cancelled,      ///< the waiting side gave up
    not_loaded,     ///< nothing has been loaded yet
    not_found,      ///< no such key, route or file
    invalid,        ///< the input breaks a rule; the text names it
    too_large,      ///< the input breaks a limit; the text names it
    truncated,      ///< the input ended early
    unavailable,    ///< the service cannot do it now
    storage,        ///< the store failed
    network,        ///< the connection failed
    end_of_stream,  ///< the other side closed
    stale_epoch,    ///< a newer owner exists
    unsupported,    ///< not possible in this world or build
    moving,         ///< the owner of the key is changing
    suspended,      ///< the node cannot show that it owns the key: no majority answers it
};

/// The code with the highest number.
inline constexpr auto errc_last = errc::suspended;

/// The stable name of a code, as it appears in logs and answers.
[[nodiscard]] std::string_view name(errc code) noexcept;

/// Whether a failed request ran: `no` may be sent again, `maybe` is unknown.
enum class executed : std::uint8_t { no, maybe, yes };

/// An expected failure: a code, whether the request ran, and, when there is more to say, where it
/// happened, what happened, and what caused it. 16 bytes; without a text it allocates nothing.
class error {
public:
    error(errc code) noexcept : code_{code}, executed_{default_executed(code)} {}
    error(errc code, std::string text, std::string where = {});
    error(errc code, std::string text, std::string where, error cause);

    [[nodiscard]] errc code() const noexcept { return code_; }
    [[nodiscard]] cohort::executed executed() const noexcept { return executed_; }
    [[nodiscard]] std::string_view text() const noexcept;
    [[nodiscard]] std::string_view where() const noexcept;
    [[nodiscard]] const error* cause() const noexcept;

    /// One line: `code: text (where), because code: text ...`.
    [[nodiscard]] std::string message() const;

    [[nodiscard]] error with(cohort::executed value) && noexcept {
        executed_ = value;
        return std::move(*this);
    }

    friend bool operator==(const error& left, errc right) noexcept { return left.code_ == right; }

private:
    struct detail;

    static cohort::executed default_executed(errc code) noexcept {
        return code == errc::overloaded || code == errc::not_loaded || code == errc::moving ||
                       code == errc::suspended
                   ? cohort::executed::no
                   : cohort::executed::maybe;
    }

    errc code_;
    cohort::executed executed_;
    std::shared_ptr<const detail> detail_;
};

/// A value or an `error`. Conversion to `bool` is explicit; reading the wrong side is an assertion.
template <class T>
class [[nodiscard]] result {
public:
    using value_type = T;

    result(T value) noexcept(std::is_nothrow_move_constructible_v<T>)
        : value_{std::move(value)}, has_value_{true} {}
    template <class U>
        requires(std::is_constructible_v<T, U &&> && std::is_convertible_v<U &&, T> &&
                 !std::is_same_v<std::remove_cvref_t<U>, result> &&
                 !std::is_same_v<std::remove_cvref_t<U>, error> &&
                 !std::is_same_v<std::remove_cvref_t<U>, errc> &&
                 !std::is_same_v<std::remove_cvref_t<U>, T>)
    result(U&& value) : value_(std::forward<U>(value)), has_value_{true} {}
    result(cohort::error failure) noexcept : error_{std::move(failure)}, has_value_{false} {}
    result(errc code) noexcept : error_{code}, has_value_{false} {}

    result(const result& other) : has_value_{other.has_value_} { construct(other); }
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        : has_value_{other.has_value_} {
        construct(std::move(other));
    }
    result& operator=(result other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        destroy();
        has_value_ = other.has_value_;
        construct(std::move(other));
        return *this;
    }
    ~result() { destroy(); }

    explicit operator bool() const noexcept { return has_value_; }
    [[nodiscard]] bool has_value() const noexcept { return has_value_; }

    [[nodiscard]] T& value() & {
        check_value();
        return value_;
    }
    [[nodiscard]] const T& value() const& {
        check_value();
        return value_;
    }
    [[nodiscard]] T&& value() && {
        check_value();
        return std::move(value_);
    }
    [[nodiscard]] T& operator*() & { return value(); }
    [[nodiscard]] const T& operator*() const& { return value(); }
    [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
    [[nodiscard]] T* operator->() { return &value(); }
    [[nodiscard]] const T* operator->() const { return &value(); }
    template <class U>
    [[nodiscard]] T value_or(U&& other) const& {
        return has_value_ ? value_ : static_cast<T>(std::forward<U>(other));
    }

    [[nodiscard]] const cohort::error& error() const& {
        COHORT_ASSERT(!has_value_, "the error of a result that holds a value was read");
        return error_;
    }
    [[nodiscard]] cohort::error error() && {
        COHORT_ASSERT(!has_value_, "the error of a result that holds a value was read");
        return std::move(error_);
    }

private:
    void check_value() const {
        COHORT_ASSERT(has_value_, "the value of a result that holds an error was read");
    }
    template <class Other>
    void construct(Other&& other) {
        if (has_value_) {
            std::construct_at(&value_, std::forward<Other>(other).value_);
        } else {
            std::construct_at(&error_, std::forward<Other>(other).error_);
        }
    }
    void destroy() noexcept {
        if (has_value_) {
            std::destroy_at(&value_);
        } else {
            std::destroy_at(&error_);
        }
    }

    union {
        T value_;
        cohort::error error_;
    };
    bool has_value_;
};

/// Success without a value, or an `error`.
template <>
class [[nodiscard]] result<void> {
public:
    using value_type = void;

    result() noexcept = default;
    result(cohort::error failure) noexcept : error_{std::move(failure)} {}
    result(errc code) noexcept : error_{code} {}

    explicit operator bool() const noexcept { return error_ == errc::ok; }
    [[nodiscard]] bool has_value() const noexcept { return error_ == errc::ok; }
    void value() const {
        COHORT_ASSERT(has_value(), "the value of a result that holds an error was read");
    }
    [[nodiscard]] const cohort::error& error() const& {
        COHORT_ASSERT(!has_value(), "the error of a result that holds a value was read");
        return error_;
    }

private:
    cohort::error error_{errc::ok};
};

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

}  // namespace cohort
