#include <cohort/world/asio_streams.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>

namespace cohort {
namespace {

constexpr std::size_t buffers_max = 8;
constexpr int events_max = 128;
constexpr std::uint32_t ending = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

bool would_block(int failure) noexcept { return failure == EAGAIN || failure == EWOULDBLOCK; }

errc code_of(int failure) noexcept {
    return failure == ECONNRESET || failure == EPIPE ? errc::end_of_stream : errc::network;
}

}  // namespace

class asio_stream final : public stream {
public:
    asio_stream(asio_streams& set, int socket) noexcept : set_{set}, socket_{socket} {}
    asio_stream(const asio_stream&) = delete;
    asio_stream& operator=(const asio_stream&) = delete;
    ~asio_stream() override { close(); }

    std::optional<io_outcome> read_some(std::span<std::byte> buffer, io_completion& done) override {
        COHORT_ASSERT(reader_ == nullptr, "a stream has at most one read at a time");
        if (socket_ < 0) {
            return io_outcome{errc::cancelled, 0};
        }
        reader_ = &done;
        room_ = buffer;
        if (readable_) {
            // Not at once: the other streams of the core come between two reads of this one.
            set_.ready_.push_back(this);
        }
        return std::nullopt;
    }

    std::optional<io_outcome> write_some(std::span<const std::span<const std::byte>> buffers,
                                         io_completion& done) override {
        COHORT_ASSERT(writer_ == nullptr, "a stream has at most one write at a time");
        COHORT_ASSERT(buffers.size() <= buffers_max, "one write gathers at most 8 buffers");
        if (socket_ < 0) {
            return io_outcome{errc::cancelled, 0};
        }
        // Most writes fit into the socket's buffer: trying first saves a turn.
        if (auto outcome = send(buffers)) {
            return outcome;
        }
        writer_ = &done;
        pieces_ = buffers.size();
        std::copy(buffers.begin(), buffers.end(), to_write_.begin());
        return std::nullopt;
    }

    void cancel() noexcept override {
        finish(reader_, {errc::cancelled, 0});
        finish(writer_, {errc::cancelled, 0});
        std::erase(set_.ready_, this);
    }

    void end_writing() noexcept override { ::shutdown(socket_, SHUT_WR); }

    void close() noexcept override {
        cancel();
        if (socket_ >= 0) {
            ::shutdown(socket_, SHUT_RDWR);
            ::close(std::exchange(socket_, -1));
        }
    }

    endpoint peer() const override {
        auto address = boost::asio::ip::tcp::endpoint{};
        auto size = static_cast<socklen_t>(address.capacity());
        if (::getpeername(socket_, address.data(), &size) != 0) {
            return {"unknown", 0};
        }
        address.resize(size);
        return {address.address().to_string(), address.port()};
    }

    /// Moves bytes as far as the events allow.
    void advance(std::uint32_t events) noexcept {
        if ((events & (EPOLLIN | ending)) != 0) {
            readable_ = true;
            ended_ |= (events & ending) != 0;
            read();
        }
        if ((events & (EPOLLOUT | ending)) != 0 && writer_ != nullptr) {
            if (auto outcome = send(std::span{to_write_}.first(pieces_))) {
                finish(writer_, *outcome);
            }
        }
    }

    /// Reads what has arrived, when somebody waits for it.
    void read() noexcept {
        if (reader_ == nullptr) {
            return;
        }
        ssize_t bytes;
        do {
            bytes = ::recv(socket_, room_.data(), room_.size(), 0);
        } while (bytes < 0 && errno == EINTR);
        if (bytes > 0) {
            // Less than there was room for is all that had arrived; more comes with an event. The
            // stream's end does not come a second time.
            readable_ = ended_ || static_cast<std::size_t>(bytes) == room_.size();
            finish(reader_, {errc::ok, static_cast<std::size_t>(bytes)});
        } else if (bytes == 0) {
            finish(reader_, {errc::end_of_stream, 0});
        } else if (would_block(errno)) {
            readable_ = false;
        } else {
            finish(reader_, {code_of(errno), 0});
        }
    }

private:
    /// None when the socket takes nothing now.
    std::optional<io_outcome> send(std::span<const std::span<const std::byte>> buffers) noexcept {
        ssize_t bytes;
        do {
            bytes = buffers.size() == 1
                        ? ::send(socket_, buffers[0].data(), buffers[0].size(), MSG_NOSIGNAL)
                        : send_gathered(buffers);
        } while (bytes < 0 && errno == EINTR);
        if (bytes >= 0) {
            return io_outcome{errc::ok, static_cast<std::size_t>(bytes)};
        }
        return would_block(errno) ? std::nullopt : std::optional{io_outcome{code_of(errno), 0}};
    }

    ssize_t send_gathered(std::span<const std::span<const std::byte>> buffers) const noexcept {
        auto pieces = std::array<iovec, buffers_max>{};
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            pieces[i] = {const_cast<std::byte*>(buffers[i].data()), buffers[i].size()};
        }
        auto whole = msghdr{};
        whole.msg_iov = pieces.data();
        whole.msg_iovlen = buffers.size();
        return ::sendmsg(socket_, &whole, MSG_NOSIGNAL);
    }

    // The caller may destroy the stream when it hears of it, so it hears of it at the end.
    void finish(io_completion*& waiting, io_outcome outcome) noexcept {
        if (waiting != nullptr) {
            set_.finished_.emplace_back(std::exchange(waiting, nullptr), outcome);
        }
    }

    asio_streams& set_;
    int socket_;
    bool readable_ = true;  // as far as is known
    bool ended_ = false;    // an event said that nothing comes behind what has arrived
    io_completion* reader_ = nullptr;
    std::span<std::byte> room_;
    io_completion* writer_ = nullptr;
    std::size_t pieces_ = 0;
    std::array<std::span<const std::byte>, buffers_max> to_write_;
};

asio_streams::asio_streams() : descriptor_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (descriptor_ < 0) {
        throw std::system_error{errno, std::generic_category(), "epoll_create1"};
    }
}

asio_streams::~asio_streams() { ::close(descriptor_); }

result<std::unique_ptr<stream>> asio_streams::open(int socket) {
    auto made = std::make_unique<asio_stream>(*this, socket);
    auto on = 1;
    // Without it a pipelined batch waits 40 ms for the peer's delayed acknowledgement.
    static_cast<void>(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    auto watched = epoll_event{};
    watched.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    watched.data.ptr = made.get();
    if (::epoll_ctl(descriptor_, EPOLL_CTL_ADD, socket, &watched) != 0) {
        return error{errc::network, std::strerror(errno), "epoll"};
    }
    return std::unique_ptr<stream>{std::move(made)};
}

std::size_t asio_streams::poll() {
    // First bytes move, then those who waited hear of it: no stream goes away in between.
    for (std::size_t i = 0, count = ready_.size(); i < count; ++i) {
        ready_[i]->read();
    }
    ready_.clear();
    auto events = std::array<epoll_event, events_max>{};
    auto count = ::epoll_wait(descriptor_, events.data(), events_max, 0);
    for (int i = 0; i < count; ++i) {
        static_cast<asio_stream*>(events[static_cast<std::size_t>(i)].data.ptr)
            ->advance(events[static_cast<std::size_t>(i)].events);
    }
    std::swap(running_, finished_);
    for (auto& [done, outcome] : running_) {
        done->complete(*done, outcome);
    }
    auto ran = running_.size();
    running_.clear();
    return ran;
}

}  // namespace cohort
