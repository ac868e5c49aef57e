#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <cohort/world/network.hpp>

namespace cohort {

class asio_stream;

/// The open streams of one reactor, on an edge-triggered epoll set of their own.
///
/// Asio tries every read before it waits, and behind an answer that has just been sent there is
/// nothing to read yet: one call in two finds nothing. Here a short read is taken for what it is,
/// the end of what has arrived (epoll(7)), and the next one waits for an event. Asio waits on the
/// set itself, connects, accepts, and runs everything else.
///
/// Thread: its reactor's.
class asio_streams {
public:
    asio_streams();
    asio_streams(const asio_streams&) = delete;
    asio_streams& operator=(const asio_streams&) = delete;
    ~asio_streams();

    /// Readable when `poll` has something to do.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

    /// Takes a connected socket, which is closed on failure too.
    [[nodiscard]] result<std::unique_ptr<stream>> open(int socket);

    /// Moves bytes where that is possible and runs the completions; returns how many.
    std::size_t poll();
    /// Whether `poll` would do something without an event.
    [[nodiscard]] bool ready() const noexcept { return !ready_.empty() || !finished_.empty(); }

private:
    friend class asio_stream;

    int descriptor_;
    std::vector<asio_stream*> ready_;  // known to be readable, with a read that was started since
    std::vector<std::pair<io_completion*, io_outcome>> finished_;
    std::vector<std::pair<io_completion*, io_outcome>> running_;
};

}  // namespace cohort
