#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace cohort {

struct http_answer {
    int status = 0;                              ///< 0: the connection ended instead
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;
};

/// A blocking HTTP client of one connection, which sends exactly what the test says.
class http_client {
public:
    explicit http_client(std::uint16_t port)
        : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        auto address = sockaddr_in{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto on = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto patience = timeval{.tv_sec = 60, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    http_client(http_client&& other) noexcept
        : socket_{std::exchange(other.socket_, -1)}, received_{std::move(other.received_)} {}
    http_client& operator=(http_client&&) = delete;
    ~http_client() {
        if (socket_ >= 0) {
            ::close(socket_);
        }
    }

    /// Sends bytes; a server that has closed already may refuse the rest.
    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    http_answer receive() {
        auto answer = http_answer{};
        auto end = received_.find("\r\n\r\n");
        while (end == received_.npos) {
            if (!more()) {
                return answer;
            }
            end = received_.find("\r\n\r\n");
        }
        auto head = received_.substr(0, end + 2);
        received_.erase(0, end + 4);
        answer.status = std::atoi(head.substr(9, 3).c_str());
        for (auto at = head.find("\r\n") + 2; at < head.size();) {
            auto line_end = head.find("\r\n", at);
            auto colon = head.find(':', at);
            auto name = head.substr(at, colon - at);
            for (auto& letter : name) {
                letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
            }
            answer.headers[name] = head.substr(colon + 2, line_end - colon - 2);
            at = line_end + 2;
        }
        auto length = std::strtoul(answer.headers["content-length"].c_str(), nullptr, 10);
        while (received_.size() < length && more()) {
        }
        answer.body = received_.substr(0, length);
        received_.erase(0, length);
        return answer;
    }

    http_answer get(std::string_view path, std::string_view headers = "") {
        send("GET " + std::string{path} + " HTTP/1.1\r\nHost: h\r\n" + std::string{headers} +
             "\r\n");
        return receive();
    }
    http_answer put(std::string_view path, std::string_view body) {
        send("PUT " + std::string{path} + " HTTP/1.1\r\nHost: h\r\nContent-Length: " +
             std::to_string(body.size()) + "\r\n\r\n" + std::string{body});
        return receive();
    }
    http_answer erase(std::string_view path) {
        send("DELETE " + std::string{path} + " HTTP/1.1\r\nHost: h\r\n\r\n");
        return receive();
    }
    /// Whether the server has closed and nothing more was sent.
    bool ended() { return received_.empty() && !more(); }

private:
    bool more() {
        char piece[16384];
        auto bytes = ::recv(socket_, piece, sizeof piece, 0);
        if (bytes <= 0) {
            return false;
        }
        received_.append(piece, static_cast<std::size_t>(bytes));
        return true;
    }

    int socket_;
    std::string received_;
};

}  // namespace cohort
