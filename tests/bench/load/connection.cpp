#include "connection.hpp"

#include <cerrno>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cohort::bench {

connection::connection(const sockaddr_in& target, unsigned pipeline)
    : target_(target), ring_(pipeline) {}

connection::~connection() { close(); }

bool connection::connect(int poller, std::uint64_t tag) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0) {
        return false;
    }
    const int yes = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&target_), sizeof target_) != 0 &&
        errno != EINPROGRESS) {
        close();
        return false;
    }
    state_ = phase::connecting;
    watch(poller, tag, EPOLL_CTL_ADD, true);
    return true;
}

bool connection::finish_connect() {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        return false;
    }
    state_ = phase::open;
    return true;
}

void connection::watch(int poller, std::uint64_t tag, int operation, bool writable) {
    epoll_event event{};
    event.events = EPOLLIN | (writable ? EPOLLOUT : 0U);
    event.data.u64 = tag;
    ::epoll_ctl(poller, operation, socket_, &event);
    watching_writable_ = writable;
}

void connection::push(std::string_view request, const pending& what) {
    output_ += request;
    ring_[(first_ + count_) % ring_.size()] = what;
    ++count_;
}

bool connection::flush(int poller, std::uint64_t tag) {
    while (flushed_ < output_.size()) {
        const ssize_t sent =
            ::send(socket_, output_.data() + flushed_, output_.size() - flushed_, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (sent < 0) {
            return false;
        }
        flushed_ += static_cast<std::size_t>(sent);
    }
    const bool left = flushed_ < output_.size();
    if (!left) {
        output_.clear();
        flushed_ = 0;
    }
    if (left != watching_writable_) {
        watch(poller, tag, EPOLL_CTL_MOD, left);
    }
    return true;
}

bool connection::receive() {
    if (consumed_ == input_.size()) {
        input_.clear();
        consumed_ = 0;
    } else if (consumed_ > 64 * 1024) {
        input_.erase(0, consumed_);
        consumed_ = 0;
    }
    char buffer[64 * 1024];
    const ssize_t received = ::recv(socket_, buffer, sizeof buffer, 0);
    if (received > 0) {
        input_.append(buffer, static_cast<std::size_t>(received));
        return true;
    }
    return received < 0 && (errno == EAGAIN || errno == EINTR);
}

pending connection::pop() {
    const pending oldest = ring_[first_];
    first_ = (first_ + 1) % static_cast<unsigned>(ring_.size());
    --count_;
    return oldest;
}

unsigned connection::close() {
    if (socket_ >= 0) {
        ::close(socket_);
    }
    socket_ = -1;
    state_ = phase::closed;
    output_.clear();
    flushed_ = 0;
    input_.clear();
    consumed_ = 0;
    const unsigned lost = count_;
    first_ = 0;
    count_ = 0;
    return lost;
}

}  // namespace cohort::bench
