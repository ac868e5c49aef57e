#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::testing {

/// Which way bytes travel: `up` from who connected to the target, `down` back.
enum class direction : std::uint8_t { up, down };

/// What happens to the bytes of one direction of every connection, from the next piece on.
struct shaping {
    std::chrono::milliseconds delay{0};   ///< before a piece is passed on
    std::chrono::milliseconds jitter{0};  ///< up to this much more; the order stays
    std::uint64_t bytes_per_second = 0;   ///< 0: as fast as it goes
    bool stopped = false;                 ///< nothing passes, and the connections stay open
    /// After this many more bytes of a connection, counted from now, it is reset.
    std::optional<std::uint64_t> reset_after;
};

/// What happens to new connections.
enum class admission : std::uint8_t {
    connect,    ///< they are connected to the target
    half_open,  ///< they are accepted and left alone: nothing answers, nothing closes
    refuse,     ///< they are reset
};

struct proxy_figures {
    std::uint64_t accepted = 0;
    std::uint64_t open = 0;
    std::uint64_t bytes_up = 0;
    std::uint64_t bytes_down = 0;
    std::uint64_t resets = 0;
};

/// Passes TCP connections from a port of loopback on to a target, on a thread of its own.
///
/// Thread: any.
class proxy {
public:
    /// `listen` 0 takes any free port. Throws `std::runtime_error` when it cannot listen.
    proxy(std::uint16_t listen, std::string target_host, std::uint16_t target_port);
    proxy(const proxy&) = delete;
    proxy& operator=(const proxy&) = delete;
    ~proxy();

    [[nodiscard]] std::uint16_t port() const;

    void shape(direction way, shaping how);
    void admit(admission how);
    /// Resets every open connection.
    void reset();
    /// As it was in the beginning, for new and for open connections.
    void heal();
    [[nodiscard]] proxy_figures figures() const;

    /// Does what a line says and answers with a line: `ok`, figures, or `error: ` and why.
    ///
    ///     delay up|down|both MS [JITTER_MS]      rate up|down|both BYTES_PER_S
    ///     stop up|down|both                      reset-after up|down|both BYTES
    ///     refuse    half-open    reset    heal    figures
    std::string command(std::string_view line);

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace cohort::testing
