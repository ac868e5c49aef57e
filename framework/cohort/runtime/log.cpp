#include <cohort/runtime/log.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cohort/runtime/json_text.hpp>

namespace cohort {
namespace {

constexpr std::array<std::string_view, 6> level_names{"trace",   "debug", "info",
                                                      "warning", "error", "off"};

template <class Number>
void append_number(std::string& line, Number value) {
    char digits[32];
    auto [end, failure] = std::to_chars(digits, digits + sizeof digits, value);
    line.append(digits, end);
}

void append_time(std::string& line, wall_time at) {
    auto day = std::chrono::floor<std::chrono::days>(at);
    auto date = std::chrono::year_month_day{day};
    auto us = std::chrono::duration_cast<std::chrono::microseconds>(at - day).count();
    char text[48];
    auto size = std::snprintf(
        text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(us / 3'600'000'000), static_cast<int>(us / 60'000'000 % 60),
        static_cast<int>(us / 1'000'000 % 60), static_cast<int>(us % 1'000'000));
    line.append(text, static_cast<std::size_t>(size));
}

bool is_plain(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char letter) {
        return letter > ' ' && letter < 0x7f && letter != '=' && letter != '"' && letter != '\\';
    });
}

void append_key(std::string& line, std::string_view key) {
    constexpr std::size_t bytes_max = 64;
    if (key.empty() || key == "ts" || key == "level" || key == "msg") {
        line += '_';  // never shadows what every line has
    }
    for (char letter : key.substr(0, bytes_max)) {
        auto good = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                    (letter >= '0' && letter <= '9') || letter == '_' || letter == '.' ||
                    letter == '-';
        line += good ? letter : '_';
    }
}

void append_value(std::string& line, log_format format, const log_field::value_type& value,
                  std::size_t bytes_max) {
    std::visit(
        [&]<class T>(const T& held) {
            if constexpr (std::same_as<T, bool>) {
                line += held ? "true" : "false";
            } else if constexpr (std::same_as<T, std::string_view>) {
                if (format == log_format::logfmt && held.size() <= bytes_max && is_plain(held)) {
                    line += held;
                } else {
                    append_json_text(line, held, bytes_max);
                }
            } else if constexpr (std::same_as<T, double>) {
                if (std::isfinite(held)) {
                    append_number(line, held);
                } else {  // JSON has no such numbers
                    append_json_text(line,
                                     std::isnan(held) ? "nan"
                                     : held > 0       ? "inf"
                                                      : "-inf",
                                     bytes_max);
                }
            } else {
                append_number(line, held);
            }
        },
        value);
}

/// One `key=value` or `"key":value`, with what separates it from the one before.
void append_field(std::string& line, log_format format, const log_field& field,
                  std::size_t bytes_max) {
    auto json = format == log_format::json;
    line += json ? ",\"" : " ";
    append_key(line, field.key());
    line += json ? "\":" : "=";
    append_value(line, format, field.value(), bytes_max);
}

}  // namespace

std::string_view name(log_level level) noexcept {
    auto index = static_cast<std::size_t>(level);
    return index < level_names.size() ? level_names[index] : "unknown";
}

std::string format_log_line(log_format format, const log_limits& limits, wall_time at,
                            log_level level, std::string_view message,
                            std::initializer_list<log_field> fields) {
    auto json = format == log_format::json;
    auto line = std::string{};
    line.reserve(256);
    line += json ? "{\"ts\":\"" : "ts=";
    append_time(line, at);
    line += json ? "\",\"level\":\"" : " level=";
    line += name(level);
    line += json ? "\",\"msg\":" : " msg=";
    append_value(line, format, message, limits.text_bytes_max);
    auto left_out = std::size_t{0};
    for (const auto& field : fields) {
        auto before = line.size();
        append_field(line, format, field, limits.text_bytes_max);
        if (line.size() > limits.line_bytes_max) {
            line.resize(before);
            ++left_out;
        }
    }
    if (left_out > 0) {
        append_field(line, format, log_field{"fields_left_out", left_out}, limits.text_bytes_max);
    }
    if (json) {
        line += '}';
    }
    return line;
}

struct logger::backend {
    std::function<void(std::string_view)> write{};
    std::shared_ptr<spdlog::logger> lines{};
    std::shared_ptr<spdlog::details::thread_pool> queue{};  // ends first, and its thread with it
    std::atomic<std::uint64_t> lost_told{0};

    void put(wall_time at, std::string_view line) {
        // The time is explicit, so that spdlog does not read a clock of its own.
        auto when = std::chrono::time_point_cast<spdlog::log_clock::duration>(at);
        lines->log(when, spdlog::source_loc{}, spdlog::level::info,
                   spdlog::string_view_t{line.data(), line.size()});
    }
};

logger::logger(const log_options& options, clock now, std::unique_ptr<backend> backend)
    : level_{options.level}, format_{options.format}, limits_{options.limits}, now_{std::move(now)},
      backend_{std::move(backend)} {
    COHORT_ASSERT(now_ != nullptr, "a logger is given a clock");
}

logger::logger(const log_options& options, clock now, std::function<void(std::string_view)> write)
    : logger{options, std::move(now), std::make_unique<backend>()} {
    backend_->write = std::move(write);
}

logger::~logger() = default;

result<std::shared_ptr<logger>> logger::open(const log_options& options, clock now) {
    auto sink = spdlog::sink_ptr{};
    if (options.file.empty()) {
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
        try {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
        } catch (const spdlog::spdlog_ex& failure) {
            return cohort::error{errc::storage, failure.what(), options.file};
        }
    }
    // The line is complete when it gets here: spdlog writes it as it is.
    sink->set_pattern("%v");
    auto made = std::make_unique<backend>();
    if (options.queued_lines_max == 0) {
        made->lines = std::make_shared<spdlog::logger>("cohort", std::move(sink));
    } else {
        made->queue = std::make_shared<spdlog::details::thread_pool>(options.queued_lines_max, 1);
        made->lines = std::make_shared<spdlog::async_logger>(
            "cohort", std::move(sink), made->queue, spdlog::async_overflow_policy::overrun_oldest);
    }
    made->lines->set_level(spdlog::level::trace);
    made->lines->flush_on(spdlog::level::trace);
    return std::shared_ptr<logger>{new logger{options, std::move(now), std::move(made)}};
}

std::uint64_t logger::lost() const noexcept {
    return backend_->queue != nullptr ? backend_->queue->overrun_counter() : 0;
}

void logger::emit(wall_time at, log_level level, std::string_view message, fields list) {
    auto line = format_log_line(format_, limits_, at, level, message, list);
    if (backend_->write) {
        backend_->write(line);
        return;
    }
    auto gone = lost();
    auto told = backend_->lost_told.exchange(gone, std::memory_order_relaxed);
    if (gone > told) {
        backend_->put(at, format_log_line(format_, limits_, at, log_level::warning,
                                          "lines of the log were lost", {{"count", gone - told}}));
    }
    backend_->put(at, line);
}

}  // namespace cohort
