#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

class reactor;

/// A TCP address: a numeric IPv4 or IPv6 address, or a name where a resolver is asked.
struct endpoint {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;

    /// `host:port`, with brackets around an IPv6 address.
    [[nodiscard]] std::string text() const;
    /// Reads `host:port`. Errors: `invalid` with what is wrong.
    static result<endpoint> parse(std::string_view text);
    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// The outcome of one operation: a code and how many bytes moved. `end_of_stream` is an orderly
/// close.
struct io_outcome {
    errc code = errc::ok;
    std::size_t bytes = 0;
};

/// Where an operation reports to. It lies in the waiting coroutine's frame and is called exactly
/// once, from the reactor's `poll` or `wait`, never from inside the call that started the
/// operation.
struct io_completion {
    void (*complete)(io_completion&, io_outcome) noexcept = nullptr;
};

/// An ordered stream of bytes between two ends.
///
/// Ownership: the buffers and the completion stay with the caller and must live until completion.
/// Thread:    its reactor's thread only. At most one read and one write at a time.
/// Cancellation: `cancel` ends what is pending with `errc::cancelled`; the completion still comes.
class stream {
public:
    virtual ~stream() = default;

    /// Reads at least one byte. Returns the outcome when it is known at once, else nothing: then
    /// the completion follows.
    [[nodiscard]] virtual std::optional<io_outcome> read_some(std::span<std::byte> buffer,
                                                              io_completion& done) = 0;
    /// Writes at least one byte of the concatenated buffers (at most 8 of them).
    [[nodiscard]] virtual std::optional<io_outcome> write_some(
        std::span<const std::span<const std::byte>> buffers, io_completion& done) = 0;
    virtual void cancel() noexcept = 0;
    /// Says that nothing more will be written: the peer reads the end of the stream, and reading
    /// goes on here. Not while a write is pending. Idempotent.
    virtual void end_writing() noexcept = 0;
    /// Ends both directions at once; pending operations end with `errc::cancelled`. Idempotent.
    virtual void close() noexcept = 0;
    [[nodiscard]] virtual endpoint peer() const = 0;
};

/// An accepted connection that belongs to no reactor yet, so that it can be handed to another core.
class incoming_stream {
public:
    virtual ~incoming_stream() = default;
    /// Attaches the connection to the reactor of the calling thread. Dropping it instead closes it.
    [[nodiscard]] virtual result<std::unique_ptr<stream>> attach(reactor& here) = 0;
};

class listener {
public:
    virtual ~listener() = default;
    /// Waits for one connection, which is then in `accepted`. Errors: `network` when accepting
    /// failed for now (out of descriptors, for example), `cancelled` after `close`.
    virtual void accept(std::unique_ptr<incoming_stream>& accepted, io_completion& done) = 0;
    virtual void close() noexcept = 0;
    /// The bound address; the port is real also when 0 was asked for.
    [[nodiscard]] virtual endpoint local() const = 0;
};

/// What a core waits on: its sockets, its wake-ups and its deadline.
///
/// Thread: the core's own, except `wake`.
class reactor {
public:
    virtual ~reactor() = default;

    /// Runs completions that are ready; returns how many ran.
    virtual std::size_t poll() = 0;
    /// Sleeps until something is ready, `wake` was called or the deadline has passed; runs what is
    /// ready.
    virtual void wait(std::optional<time_point> deadline) = 0;
    /// Ends a `wait`, now or the next one. Any thread.
    virtual void wake() noexcept = 0;

    [[nodiscard]] virtual result<std::unique_ptr<listener>> listen(const endpoint& local) = 0;
    /// Connects to a numeric address; the stream is in `connected` on success.
    virtual void connect(const endpoint& remote, std::unique_ptr<stream>& connected,
                         io_completion& done) = 0;
    /// Ends a `connect` that is pending with `errc::cancelled`.
    virtual void cancel_connect(io_completion& done) noexcept = 0;

    /// The reactor's `asio::io_context`, or null in a simulated world.
    [[nodiscard]] virtual void* io_context() noexcept { return nullptr; }
};

}  // namespace cohort
