#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <cohort/actor/system.hpp>
#include <cohort/http/detail/route.hpp>
#include <cohort/http/method.hpp>
#include <cohort/http/request_reader.hpp>

namespace cohort {

struct http_options {
    /// For the log, and to tell several servers of one node apart.
    std::string name = "http";
    endpoint listen = {"127.0.0.1", 0};
    request_limits limits = {};
    /// Connections at a time; one more is answered 503 and closed.
    std::uint32_t connections_max = 10'000;
    /// Bytes of answers that a client has not read before no more of its requests are looked at.
    std::size_t output_bytes_max = 1024 * 1024;
    /// From the first byte of a request to the end of its head; also how long a body may stand
    /// still.
    duration header_time = std::chrono::seconds{10};
    /// How long a connection may be silent between requests.
    duration idle_time = std::chrono::seconds{60};
    /// How long a client may take no bytes of an answer.
    duration write_stall_time = std::chrono::seconds{30};
    /// How long a handler may take; then it is cancelled and the answer is 504. It is the deadline
    /// of the request that the handler gets.
    duration request_time = std::chrono::seconds{30};
    /// A client that ended its stream may still read: its running handlers get this long.
    duration half_closed_time = std::chrono::seconds{1};
    /// Answers of each core that are streams; one more is answered 503.
    std::uint32_t streams_max = 100;
    /// How long a closing connection reads on, so that the last answer is not lost to a reset.
    duration linger_time = std::chrono::seconds{1};
};

/// What a server has done so far, over all cores.
struct http_numbers {
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_refused = 0;  // over the limit
    std::uint64_t connections_open = 0;
    std::uint64_t requests = 0;
    std::uint64_t broken_requests = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t handler_failures = 0;
    std::uint64_t answers[5] = {};  // 1xx to 5xx
};

/// An HTTP/1.1 server. One listener deals its connections to the cores in turn; a connection and
/// its handlers stay on their core.
///
///     task<response> get_item(request incoming, ref<cache> items) {
///         auto found = co_await items.ask<get>(incoming.deadline(),
///         std::string{incoming.path("key")}); co_return found ? ok(std::move(*found)) :
///         problem(found.error());
///     }
///
///     auto& http = system.use(http_server{{.listen = {"0.0.0.0", 9000}}});
///     http.route(GET, "/items/{key}", get_item, items);
///
/// Pipelined GET and HEAD run side by side, every other method alone; answers go out in the order
/// of the requests. A handler that throws is answered 500 and the connection goes on. A handler is
/// cancelled when its client goes away, when its time is over, and when the server stops without
/// grace.
class http_server final : public extension {
public:
    explicit http_server(http_options options = {});
    http_server(http_server&&) noexcept;
    http_server& operator=(http_server&&) noexcept;
    ~http_server() override;

    /// Adds a route, before the system starts. `handler(request, args...)` gives a
    /// `task<response>`, a `response` when it never waits, or an `eventual_response` when it
    /// sometimes need not wait. A `get` route answers HEAD too.
    ///
    /// Ownership: handler and arguments are copied once for each core, and the arguments for each
    /// call. Thread:    the handler runs on the connection's core, as part of the connection's
    /// actor. Errors:    a pattern that is malformed or conflicts with another ends `start` with a
    /// sentence.
    template <class Handler, class... Args>
    void route(method verb, std::string_view pattern, Handler handler, Args... args) {
        static_assert(detail::check_route<Handler, Args...>());
        static_assert(
            detail::takes_values<Handler>(),
            "a route's handler takes its parameters by value: a reference dangles after the "
            "first co_await");
        add_route(verb, pattern,
                  std::make_unique<detail::kept_route<Handler, Args...>>(
                      std::move(handler), std::tuple<Args...>{std::move(args)...}));
    }

    [[nodiscard]] std::string_view name() const noexcept override;
    [[nodiscard]] result<void> start(system& owner) override;
    /// Stops accepting, lets what runs finish and closes idle connections.
    [[nodiscard]] task<void> stop() override;

    /// Where it listens; the port is real also when 0 was asked for. After `start`.
    [[nodiscard]] endpoint local() const;
    /// Any thread.
    [[nodiscard]] http_numbers numbers() const;

private:
    void add_route(method verb, std::string_view pattern, std::unique_ptr<detail::route_call> call);

    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace cohort
