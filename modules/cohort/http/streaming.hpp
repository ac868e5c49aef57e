#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <cohort/http/response.hpp>
#include <cohort/task/task.hpp>

namespace cohort {

namespace detail {
class connection;
}

/// Where a body goes that is made while it is sent.
///
/// Thread: its connection's core; it is used inside the function that it was given to only.
class body_sink {
public:
    explicit body_sink(detail::connection& to) noexcept : to_{&to} {}

    /// Sends a piece, and waits while the client does not take what was sent before. Returns false
    /// when nothing more will be taken.
    [[nodiscard]] task<bool> write(std::string_view piece);

private:
    detail::connection* to_;
};

namespace detail {

/// Makes a body while it is sent.
struct stream_body {
    std::function<task<void>(body_sink)> make;
};

}  // namespace detail

/// 200 with a body that `make(body_sink)` sends piece by piece, for as long as it takes:
/// server-sent events, for example. The connection ends with it. `make` is cancelled when the
/// client leaves, when the client takes nothing for too long, when nothing is sent for the server's
/// `idle_time`, and when the server stops. A server has a bounded number of them at a time; one
/// more is answered 503.
///
///     return streamed("text/event-stream", [](body_sink out) -> task<void> {
///         while (co_await out.write("data: now\n\n")) {
///             co_await sleep_for{1s};
///         }
///     });
[[nodiscard]] response streamed(std::string_view content_type,
                                std::function<task<void>(body_sink)> make);

}  // namespace cohort
