#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::bench {

/// A request that waits for its answer.
struct pending {
    std::uint64_t intended_ns = 0;
    std::uint64_t key = 0;
};

/// One non-blocking connection with the requests in flight on it, in order.
///
/// Ownership:    owns its socket.
/// Errors:       functions that return bool return false when the connection is over.
class connection {
public:
    enum class phase { closed, connecting, open };

    /// At most `pipeline` requests are ever in flight.
    connection(const sockaddr_in& target, unsigned pipeline);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Starts to connect and registers with the poller; `tag` comes back in its events.
    bool connect(int poller, std::uint64_t tag);

    /// To be called when a connecting socket became writable.
    bool finish_connect();

    /// Queues one request; `flush` sends what is queued.
    void push(std::string_view request, const pending& what);
    bool flush(int poller, std::uint64_t tag);

    /// Reads what there is. False at the end of the stream or on an error.
    bool receive();

    /// The bytes received and not yet consumed.
    std::string_view input() const { return std::string_view(input_).substr(consumed_); }
    void consume(std::size_t bytes) { consumed_ += bytes; }

    /// The oldest request in flight; there must be one.
    pending pop();

    /// Closes the socket and returns how many requests were in flight.
    unsigned close();

    phase state() const { return state_; }
    unsigned in_flight() const { return count_; }
    bool has_room() const { return count_ < ring_.size(); }

    /// For the generator: whether the connection waits in one of its lists, and when to try again.
    bool listed = false;
    bool dirty = false;
    std::uint64_t retry_ns = 0;

private:
    void watch(int poller, std::uint64_t tag, int operation, bool writable);

    sockaddr_in target_;
    int socket_ = -1;
    phase state_ = phase::closed;
    bool watching_writable_ = false;
    std::string output_;
    std::size_t flushed_ = 0;
    std::string input_;
    std::size_t consumed_ = 0;
    std::vector<pending> ring_;
    unsigned first_ = 0;
    unsigned count_ = 0;
};

}  // namespace cohort::bench
