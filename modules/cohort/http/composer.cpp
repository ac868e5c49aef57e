#include <cohort/http/composer.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>

namespace cohort {
namespace {

// What a connection keeps of its output string between two batches.
constexpr std::size_t kept_text_bytes = 16 * 1024;

using detail::put;

char* put(char* to, std::uint64_t number) noexcept {
    return std::to_chars(to, to + 20, number).ptr;
}

/// The answers of a busy server are whole literals, whose length the compiler knows.
char* put_status(char* to, int status) noexcept {
    switch (status) {
        case 200:
            return put(to, "HTTP/1.1 200 OK\r\n");
        case 204:
            return put(to, "HTTP/1.1 204 No Content\r\n");
        case 304:
            return put(to, "HTTP/1.1 304 Not Modified\r\n");
        case 404:
            return put(to, "HTTP/1.1 404 Not Found\r\n");
        default:
            to = put(put(to, "HTTP/1.1 "), static_cast<std::uint64_t>(status));
            return put(put(put(to, " "), reason_phrase(status)), "\r\n");
    }
}

char* put_connection(char* to, connection_after after) noexcept {
    switch (after) {
        case connection_after::stays:
            return to;
        case connection_after::stays_explicitly:
            return put(to, "Connection: keep-alive\r\n");
        case connection_after::closes:
            return put(to, "Connection: close\r\n");
    }
    return to;
}

// More than a status line with the longest phrase, a length line and a connection line.
constexpr std::size_t fixed_bytes_max = 160;

}  // namespace

std::string_view date_line::at(wall_time now) {
    auto second = std::chrono::floor<std::chrono::seconds>(now);
    if (size_ != 0 && second.time_since_epoch().count() == second_) {
        return {text_.data(), size_};
    }
    static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    auto midnight = std::chrono::floor<std::chrono::days>(second);
    auto date = std::chrono::year_month_day{midnight};
    auto time = std::chrono::hh_mm_ss{second - midnight};
    auto written = std::snprintf(
        text_.data(), text_.size(), "Date: %s, %02u %s %04d %02d:%02d:%02d GMT\r\n",
        days[std::chrono::weekday{midnight}.c_encoding()], static_cast<unsigned>(date.day()),
        months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
        static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
        static_cast<int>(time.seconds().count()));
    COHORT_ASSERT(written > 0 && static_cast<std::size_t>(written) < text_.size(),
                  "a date of this millennium fits its line");
    size_ = static_cast<std::size_t>(written);
    second_ = second.time_since_epoch().count();
    return {text_.data(), size_};
}

void composer::append(const response& answer, bool with_body, connection_after after,
                      std::string_view date) {
    const auto& data = answer.data();
    auto body = data.body();
    // These two have no body by definition, and a length would only confuse (RFC 9110, 8.6).
    auto bodiless = data.status == 204 || data.status == 304;
    auto sends_body = with_body && !bodiless;
    auto shares_body = sends_body && data.shared.size() >= shared_bytes_min;
    auto lines = data.lines.view();
    auto copied = sends_body && !shares_body ? body : std::string_view{};

    // Room for the most that this can be, written once, and what is left over given back.
    auto before = text_.size();
    auto* to = text_.extend(fixed_bytes_max + date.size() + lines.size() + copied.size());
    const auto* start = to;
    to = put_status(to, data.status);
    to = put(put(to, date), lines);
    if (!bodiless) {
        to = put(to, "Content-Length: ");
        to = put(to, static_cast<std::uint64_t>(body.size()));
        to = put(to, "\r\n");
    }
    to = put(put(put_connection(to, after), "\r\n"), copied);
    text_.truncate(before + static_cast<std::size_t>(to - start));
    if (shares_body) {
        shared_.push_back({text_.size(), data.shared});
        shared_size_ += data.shared.size();
    }
}

std::size_t composer::pieces(std::span<std::string_view> out) const {
    auto count = std::size_t{0};
    auto from = sent_;
    auto put = [&](std::string_view piece) {
        if (!piece.empty() && count < out.size()) {
            out[count++] = piece;
        }
    };
    for (const auto& body : std::span{shared_}.subspan(first_shared_)) {
        put(text_.view().substr(from, body.offset - from));
        put(body.content.view());
        from = body.offset;
        if (count == out.size()) {
            return count;
        }
    }
    put(text_.view().substr(from));
    return count;
}

void composer::consume(std::size_t size) {
    COHORT_ASSERT(size <= this->size(), "more bytes were sent than there were");
    while (size > 0) {
        auto text_end = shared().empty() ? text_.size() : shared().front().offset;
        auto part = std::min(size, text_end - sent_);
        sent_ += part;
        size -= part;
        if (size == 0) {
            break;
        }
        auto& body = shared().front();
        part = std::min(size, body.content.size());
        body.content = body.content.slice(part, body.content.size() - part);
        shared_size_ -= part;
        size -= part;
        if (body.content.empty()) {
            if (++first_shared_ * 2 > shared_.size()) {
                shared_.erase(shared_.begin(), shared_.begin() + std::ptrdiff_t(first_shared_));
                first_shared_ = 0;
            }
        }
    }
    if (empty()) {
        sent_ = 0;
        text_.clear(kept_text_bytes);
    } else if (sent_ > kept_text_bytes && sent_ * 2 > text_.size()) {
        // A connection that is never quite idle must not keep all that it ever sent.
        std::memmove(text_.data(), text_.data() + sent_, text_.size() - sent_);
        text_.truncate(text_.size() - sent_);
        for (auto& body : shared()) {
            body.offset -= sent_;
        }
        sent_ = 0;
    }
}

}  // namespace cohort
