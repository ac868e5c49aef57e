#include <cohort/http/detail/connection.hpp>
#include <cohort/http/streaming.hpp>

#include <array>
#include <charconv>
#include <exception>

#include <cohort/task/combinators.hpp>

namespace cohort {

task<bool> body_sink::write(std::string_view piece) { return to_->send(piece); }

response streamed(std::string_view content_type, std::function<task<void>(body_sink)> make) {
    auto out =
        response{200}.header("Content-Type", content_type).header("Cache-Control", "no-store");
    out.data().stream = std::make_shared<detail::stream_body>(detail::stream_body{std::move(make)});
    return out;
}

namespace detail {
namespace {

// What a client has not taken yet before whoever makes the body waits.
constexpr std::size_t waiting_bytes_max = 64 * 1024;

}  // namespace

// The head; the reader's coroutine sends the body and ends the connection behind it.
bool connection::begin_stream(answer_form form, const response& answer) {
    if (server_.streams >= server_.options->streams_max) {
        return false;
    }
    const auto& data = answer.data();
    filling_.append("HTTP/1.1 200 OK\r\n");
    filling_.append(server_.date_at(home_));
    filling_.append(data.lines.view());
    filling_.append(form.chunked ? "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                                 : "Connection: close\r\n\r\n");
    if (form.with_body) {
        streaming_ = data.stream;
        chunked_ = form.chunked;
    }
    server_.answers[1].add();
    closing_ = true;
    return true;
}

task<bool> connection::send(std::string_view piece) {
    if (!piece.empty()) {
        if (chunked_) {
            auto size = std::array<char, 20>{};
            auto end = std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16).ptr;
            filling_.append({size.data(), static_cast<std::size_t>(end - size.data())});
            filling_.append("\r\n");
        }
        filling_.append(piece);
        filling_.append(chunked_ ? "\r\n" : "");
        writer_wakes_.notify();
    }
    while (output_size() > waiting_bytes_max && !failed_ && !expired_) {
        co_await reader_wakes_;
    }
    co_return !failed_ && !expired_;
}

/// Reads what nobody looks at until the client is gone, or something else ends the stream.
task<void> connection::until_client_is_gone() {
    struct at_end {
        connection& whole;
        ~at_end() { whole.reading_ = false; }
    } ends{*this};
    for (;;) {
        reading_ = true;
        rearm();
        auto outcome = co_await read_some(*socket_, server_.waste);
        if (outcome.code != errc::ok) {
            co_return;
        }
    }
}

/// False when the body was not made to its end.
task<bool> connection::stream_body_out() {
    struct at_end {
        connection& whole;
        explicit at_end(connection& it) : whole{it} {
            ++whole.server_.streams;
            whole.streams_ = true;
        }
        ~at_end() {
            --whole.server_.streams;
            whole.streams_ = false;
        }
    } counted{*this};
    auto body = std::move(streaming_);
    bool complete = false;
    try {
        if (!server_.draining) {
            auto first = co_await when_any(body->make(body_sink{*this}), until_client_is_gone());
            complete = first.index() == 0 || server_.draining;
        }
    } catch (const std::exception& failure) {
        server_.handler_failures.add();
        home_.owner().report({"streamed body failed", {}, failure.what(), event_kind::failure});
    }
    if (complete && chunked_) {
        filling_.append("0\r\n\r\n");
        writer_wakes_.notify();
    }
    co_return complete;
}

}  // namespace detail
}  // namespace cohort
