// What a GET of a cached value costs with nothing in the way: epoll, recv, a hand parser, a hash
// map, one send for all requests that one readable event brought. No limits, no timeouts, no body:
// a yardstick for the HTTP rows, not a server to use.
// `raw_epoll PORT [KEYS]` answers GET /cache-data/k0 ... with 100-byte values.

#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>

namespace {

struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
        return std::hash<std::string_view>{}(key);
    }
};
using cache = std::unordered_map<std::string, std::string, hash, std::equal_to<>>;

struct connection {
    int socket = -1;
    std::string input;
    std::string output;
};

cache fill(int keys) {
    cache values;
    for (int i = 0; i < keys; ++i) {
        const std::string key = "k" + std::to_string(i);
        std::string value = key + ".";
        value.resize(100, 'v');
        values.emplace(key, std::move(value));
    }
    return values;
}

void respond(const cache& values, std::string_view request, std::string& output) {
    constexpr std::string_view route = "GET /cache-data/";
    const auto found = request.starts_with(route)
                           ? values.find(request.substr(
                                 route.size(), request.find(' ', route.size()) - route.size()))
                           : values.end();
    if (found == values.end()) {
        output += "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        return;
    }
    output += "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ";
    output += std::to_string(found->second.size());
    output += "\r\n\r\n";
    output += found->second;
}

/// Answers every whole request of the input. False when the connection is over.
bool serve(connection& from, const cache& values) {
    char buffer[16 * 1024];
    const ssize_t received = ::recv(from.socket, buffer, sizeof buffer, 0);
    if (received <= 0) {
        return received < 0 && errno == EAGAIN;
    }
    std::string_view rest{buffer, static_cast<std::size_t>(received)};
    if (!from.input.empty()) {
        from.input += rest;
        rest = from.input;
    }
    from.output.clear();
    for (auto end = rest.find("\r\n\r\n"); end != rest.npos; end = rest.find("\r\n\r\n")) {
        respond(values, rest.substr(0, end), from.output);
        rest.remove_prefix(end + 4);
    }
    from.input = std::string(rest);
    // A peer that does not read its answers is dropped: what does not fit the socket is over.
    return from.output.empty() || ::send(from.socket, from.output.data(), from.output.size(),
                                         MSG_NOSIGNAL) == static_cast<ssize_t>(from.output.size());
}

int listen_on(unsigned short port) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    const int yes = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener, 1024) != 0) {
        std::perror("raw_epoll");
        std::exit(1);
    }
    return listener;
}

void watch(int poller, int socket, connection* state) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = state;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: raw_epoll PORT [KEYS]\n");
        return 2;
    }
    const cache values = fill(argc > 2 ? std::atoi(argv[2]) : 1000);
    const int listener = listen_on(static_cast<unsigned short>(std::atoi(argv[1])));
    const int poller = ::epoll_create1(0);
    watch(poller, listener, nullptr);
    while (true) {
        epoll_event events[256];
        const int ready = ::epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; ++i) {
            if (auto* state = static_cast<connection*>(events[i].data.ptr); state != nullptr) {
                if (!serve(*state, values)) {
                    ::close(state->socket);
                    delete state;
                }
                continue;
            }
            auto accepted = std::make_unique<connection>();
            accepted->socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
            if (accepted->socket >= 0) {
                const int yes = 1;
                ::setsockopt(accepted->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                watch(poller, accepted->socket, accepted.release());
            }
        }
    }
}
