#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

enum class log_level : std::uint8_t { trace, debug, info, warning, error, off };
enum class log_format : std::uint8_t { logfmt, json };

[[nodiscard]] std::string_view name(log_level level) noexcept;

/// `key=value` beside a message. Text is borrowed for the call only; a duration is written in
/// seconds.
class log_field {
public:
    template <class T>
        requires std::integral<T> || std::floating_point<T>
    log_field(std::string_view key, T value) noexcept : key_{key} {
        if constexpr (std::same_as<T, bool>) {
            value_ = value;
        } else if constexpr (std::floating_point<T>) {
            value_ = static_cast<double>(value);
        } else if constexpr (std::signed_integral<T>) {
            value_ = static_cast<std::int64_t>(value);
        } else {
            value_ = static_cast<std::uint64_t>(value);
        }
    }
    log_field(std::string_view key, std::string_view value) noexcept : key_{key}, value_{value} {}
    log_field(std::string_view key, const char* value) noexcept
        : key_{key}, value_{std::string_view{value}} {}
    log_field(std::string_view key, const std::string& value) noexcept
        : key_{key}, value_{std::string_view{value}} {}
    log_field(std::string_view key, duration value) noexcept
        : key_{key}, value_{std::chrono::duration<double>(value).count()} {}

    using value_type = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;
    [[nodiscard]] std::string_view key() const noexcept { return key_; }
    [[nodiscard]] const value_type& value() const noexcept { return value_; }

private:
    std::string_view key_;
    value_type value_;
};

/// What one line may cost.
struct log_limits {
    std::size_t text_bytes_max = 2048;  ///< of the message and of one value
    std::size_t line_bytes_max = 8192;  ///< fields behind it are left out, and the line says so
};

struct log_options {
    log_level level = log_level::info;
    log_format format = log_format::logfmt;
    std::string file{};  ///< appended to; empty: standard error
    /// Lines that wait for a slow disk or reader; beyond them the oldest is lost. 0: who logs
    /// writes, and waits as long as that takes.
    std::size_t queued_lines_max = 4096;
    log_limits limits{};
};

/// One line, without its newline. Quotes, control bytes and bytes that are not UTF-8 are escaped,
/// so that nothing from outside can forge a line or a field.
[[nodiscard]] std::string format_log_line(log_format format, const log_limits& limits, wall_time at,
                                          log_level level, std::string_view message,
                                          std::initializer_list<log_field> fields);

/// The structured log: one event a line, in the order of logging. A thread of its own writes, so
/// that no core waits for a disk or for whoever reads standard error.
///
///     log.warning("peer is slow", {{"peer", address}, {"queued_bytes", queued}});
///
/// Thread: any; a line is never torn.
/// Lifetime: its end waits until what is queued is written.
/// Errors: a line that cannot be written is lost, and so are those of a queue that is full, which
/// `lost` counts; the program goes on.
class logger {
public:
    /// Reads the time of a line; the world's `wall_now`.
    using clock = std::function<wall_time()>;

    /// Starts the thread that writes, which inherits the caller's signal mask.
    ///
    /// Errors: `errc::storage` when the file cannot be opened.
    [[nodiscard]] static result<std::shared_ptr<logger>> open(const log_options& options,
                                                              clock now);

    /// Hands every line to `write`, for tests and for embedding; calls are not serialised.
    logger(const log_options& options, clock now, std::function<void(std::string_view)> write);
    ~logger();
    logger(const logger&) = delete;
    logger& operator=(const logger&) = delete;

    [[nodiscard]] bool enabled(log_level level) const noexcept {
        return level >= level_.load(std::memory_order_relaxed) && level != log_level::off;
    }
    void set_level(log_level level) noexcept { level_.store(level, std::memory_order_relaxed); }
    /// Lines that a full queue has cost.
    [[nodiscard]] std::uint64_t lost() const noexcept;

    using fields = std::initializer_list<log_field>;
    void trace(std::string_view message, fields list = {}) {
        write(log_level::trace, message, list);
    }
    void debug(std::string_view message, fields list = {}) {
        write(log_level::debug, message, list);
    }
    void info(std::string_view message, fields list = {}) { write(log_level::info, message, list); }
    void warning(std::string_view message, fields list = {}) {
        write(log_level::warning, message, list);
    }
    void error(std::string_view message, fields list = {}) {
        write(log_level::error, message, list);
    }

    void write(log_level level, std::string_view message, fields list = {}) {
        if (enabled(level)) {
            emit(now_(), level, message, list);
        }
    }
    /// With a time of one's own.
    void write(wall_time at, log_level level, std::string_view message, fields list = {}) {
        if (enabled(level)) {
            emit(at, level, message, list);
        }
    }

private:
    struct backend;
    logger(const log_options& options, clock now, std::unique_ptr<backend> backend);
    void emit(wall_time at, log_level level, std::string_view message, fields list);

    std::atomic<log_level> level_;
    log_format format_;
    log_limits limits_;
    clock now_;
    std::unique_ptr<backend> backend_;
};

/// Keeps an event that the outside can trigger at will from flooding the log: `burst` lines in
/// every `interval`.
///
///     if (auto suppressed = bad_bytes_.admit(now)) {
///         log.warning("bad bytes", {{"peer", peer}, {"suppressed", *suppressed}});
///     }
///
/// Thread: one; each core has its own.
class log_every {
public:
    explicit log_every(duration interval, std::uint32_t burst = 1) noexcept
        : interval_{interval}, burst_{burst} {}

    /// How many events were suppressed since the last admitted one, or nothing when this one is
    /// too.
    [[nodiscard]] std::optional<std::uint64_t> admit(time_point now) noexcept {
        if (!started_ || now - start_ >= interval_) {
            started_ = true;
            start_ = now;
            used_ = 0;
        }
        if (used_ == burst_) {
            ++suppressed_;
            return std::nullopt;
        }
        ++used_;
        return std::exchange(suppressed_, 0);
    }

private:
    duration interval_;
    std::uint32_t burst_;
    std::uint32_t used_ = 0;
    bool started_ = false;
    time_point start_{};
    std::uint64_t suppressed_ = 0;
};

}  // namespace cohort
