// The server on real sockets: what a simulation cannot show.

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include <cohort/http/server.hpp>

namespace cohort {
namespace {

using test_clock = std::chrono::steady_clock;

response echo(request incoming) { return ok(std::string{incoming.path("word")}); }

task<response> slowly(request incoming) {
    co_await sleep_for{20ms};
    co_return ok(std::string{incoming.path("word")});
}

/// A blocking client.
class client {
public:
    explicit client(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
        auto address = sockaddr_in{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client() { ::close(socket_); }

    [[nodiscard]] bool connected() const { return connected_; }
    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    /// Reads until `count` heads have come, the stream ends or 10 s have passed.
    [[nodiscard]] std::string read(std::size_t count) const {
        auto text = std::string{};
        auto heads = std::size_t{0};
        for (auto waiting = pollfd{socket_, POLLIN, 0}; heads < count;) {
            auto room = std::array<char, 16384>{};
            if (::poll(&waiting, 1, 10'000) != 1) {
                break;
            }
            auto got = ::recv(socket_, room.data(), room.size(), 0);
            if (got <= 0) {
                break;
            }
            text.append(room.data(), static_cast<std::size_t>(got));
            heads = 0;
            for (auto at = text.find("HTTP/1.1 "); at != std::string::npos;
                 at = text.find("HTTP/1.1 ", at + 1)) {
                heads += text.find("\r\n\r\n", at) != std::string::npos ? 1 : 0;
            }
        }
        return text;
    }
    [[nodiscard]] std::string read_to_end() const { return read(static_cast<std::size_t>(-1)); }

private:
    int socket_;
    bool connected_ = false;
};

std::vector<int> open_descriptors() {
    auto out = std::vector<int>{};
    auto* folder = ::opendir("/proc/self/fd");
    for (auto* entry = ::readdir(folder); entry != nullptr; entry = ::readdir(folder)) {
        if (entry->d_name[0] != '.') {
            out.push_back(std::atoi(entry->d_name));
        }
    }
    ::closedir(folder);
    return out;
}

std::size_t resident_bytes() {
    auto pages = std::size_t{0};
    std::ifstream{"/proc/self/statm"} >> pages >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Connected sockets of this process that are bound to `port`: the server's ends.
std::vector<int> server_ends(std::uint16_t port) {
    auto out = std::vector<int>{};
    for (auto descriptor : open_descriptors()) {
        auto own = sockaddr_in{};
        auto peer = sockaddr_in{};
        socklen_t size = sizeof own;
        if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
            own.sin_family == AF_INET && ntohs(own.sin_port) == port &&
            ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &(size = sizeof peer)) ==
                0) {
            out.push_back(descriptor);
        }
    }
    return out;
}

template <class Condition>
bool comes_true(Condition condition) {
    for (auto end = test_clock::now() + std::chrono::seconds{20}; test_clock::now() < end;) {
        if (condition()) {
            return true;
        }
        std::this_thread::yield();
    }
    return condition();
}

struct node {
    explicit node(http_options options = {}, unsigned cores = 2) : system{{.cores = cores}} {
        server = &system.use(http_server{std::move(options)});
        server->route(GET, "/echo/{word}", echo);
        server->route(GET, "/slowly/{word}", slowly);
        auto started = system.start();
        EXPECT_TRUE(started) << started.error().message();
        port = server->local().port;
    }
    ~node() {
        system.shutdown();
        EXPECT_EQ(system.join(), 0);
    }
    node(const node&) = delete;
    node& operator=(const node&) = delete;

    cohort::system system;
    http_server* server = nullptr;
    std::uint16_t port = 0;
};

std::string pipelined(std::string_view path, int count) {
    auto all = std::string{};
    for (int index = 0; index < count; ++index) {
        all += "GET " + std::string{path} + std::to_string(index) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    }
    return all;
}

TEST(http_sockets, answer_sixteen_pipelined_requests_without_waiting_for_acknowledgements) {
    auto here = node{};
    auto user = client{here.port};
    ASSERT_TRUE(user.connected());
    user.send(pipelined("/echo/warm-up-", 1));
    static_cast<void>(user.read(1));
    auto before = test_clock::now();
    user.send(pipelined("/echo/word-", 16));
    auto text = user.read(16);
    auto spent = test_clock::now() - before;
    auto at = std::size_t{0};
    for (int index = 0; index < 16; ++index) {
        at = text.find("\r\n\r\nword-" + std::to_string(index), at);
        ASSERT_NE(at, std::string::npos) << index;
    }
    std::printf("16 pipelined answers took %.3f ms\n",
                std::chrono::duration<double, std::milli>(spent).count());
    auto ends = server_ends(here.port);
    ASSERT_FALSE(ends.empty());
    for (auto descriptor : ends) {
        int no_delay = 0;
        socklen_t size = sizeof no_delay;
        ASSERT_EQ(::getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
        EXPECT_EQ(no_delay, 1);
    }
}

TEST(http_sockets, deal_connections_to_the_cores_in_turn_and_serve_them_all) {
    auto here = node{};
    auto users = std::vector<std::unique_ptr<client>>{};
    for (int index = 0; index < 50; ++index) {
        users.push_back(std::make_unique<client>(here.port));
        users.back()->send(pipelined("/slowly/", 3));
    }
    for (auto& user : users) {
        auto text = user->read(3);
        EXPECT_NE(text.find("\r\n\r\n2"), std::string::npos) << text;
    }
    EXPECT_EQ(here.server->numbers().connections_open, 50u);
    users.clear();
    EXPECT_TRUE(comes_true([&] { return here.server->numbers().connections_open == 0; }));
}

TEST(http_sockets, are_all_back_after_ten_thousand_broken_requests) {
    auto here = node{};
    const auto broken = std::array<std::string, 7>{
        "BROKEN\r\n\r\n",
        "GET /echo/%zz HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(20000, 'a') + "\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\nabc",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"};
    auto good = std::uint64_t{0};
    auto round = [&](int count) {
        for (int index = 0; index < count; ++index) {
            auto user = client{here.port};
            ASSERT_TRUE(user.connected());
            // One in four asks something good first, and must get its answer.
            auto asks = index % 4 == 0;
            good += asks ? 1 : 0;
            user.send((asks ? pipelined("/echo/", 1) : "") +
                      broken[static_cast<std::size_t>(index) % broken.size()]);
            auto text = user.read_to_end();
            ASSERT_EQ(text.find("HTTP/1.1 200") != std::string::npos, asks) << text;
            auto first_problem = text.find("\nConnection: close\r\n");
            ASSERT_NE(first_problem, std::string::npos) << text;
            ASSERT_EQ(text.find("\nHTTP/1.1 ", first_problem), std::string::npos) << text;
        }
    };
    round(1000);
    ASSERT_TRUE(comes_true([&] { return here.server->numbers().connections_open == 0; }));
    auto descriptors = open_descriptors().size();
    auto memory = resident_bytes();
    round(9000);
    EXPECT_TRUE(comes_true([&] { return here.server->numbers().connections_open == 0; }));
    EXPECT_EQ(open_descriptors().size(), descriptors);
    EXPECT_EQ(here.server->numbers().requests, good) << "nothing was answered that was not asked";
    EXPECT_EQ(here.server->numbers().broken_requests, 10'000u);
#ifndef COHORT_POOL_MALLOC
    EXPECT_LT(static_cast<double>(resident_bytes()), static_cast<double>(memory) * 1.05);
#endif
    std::printf("resident: %zu KiB before, %zu KiB after\n", memory / 1024,
                resident_bytes() / 1024);
}

TEST(http_sockets, finish_what_runs_when_the_node_stops) {
    auto text = std::string{};
    auto user = std::unique_ptr<client>{};
    auto port = std::uint16_t{0};
    {
        auto here = node{};
        port = here.port;
        user = std::make_unique<client>(port);
        user->send(pipelined("/slowly/", 4));
        ASSERT_TRUE(comes_true([&] { return here.server->numbers().requests == 4; }));
    }
    text = user->read_to_end();
    EXPECT_NE(text.find("\r\n\r\n3"), std::string::npos) << text;
    EXPECT_NE(text.find("\r\nConnection: close\r\n"), std::string::npos) << text;
    EXPECT_FALSE(client{port}.connected());
}

TEST(http_sockets, refuse_a_port_that_another_server_has) {
    auto here = node{};
    auto other = cohort::system{runtime_options{.cores = 1}};
    other.use(http_server{{.listen = here.server->local()}});
    auto started = other.start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message().find("cannot listen on"), std::string::npos);
}

}  // namespace
}  // namespace cohort
