// The proxy between a blocking client and an echo server.

#include <proxy/proxy.hpp>

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace cohort::testing {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

/// Sends back what it gets, one connection after the other.
class echo_server {
public:
    echo_server() {
        thread_ = std::thread{[this] {
            for (;;) {
                auto socket = acceptor_.accept();
                if (ending_) {
                    return;
                }
                boost::system::error_code failure;
                auto bytes = std::array<char, 4096>{};
                for (;;) {
                    auto size = socket.read_some(asio::buffer(bytes), failure);
                    if (failure) {
                        break;
                    }
                    asio::write(socket, asio::buffer(bytes.data(), size), failure);
                }
            }
        }};
    }
    ~echo_server() {
        ending_ = true;
        tcp::socket last{context_};
        last.connect(acceptor_.local_endpoint());
        thread_.join();
    }
    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

private:
    asio::io_context context_;
    tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
    std::atomic<bool> ending_{false};
    std::thread thread_;
};

class proxied : public ::testing::Test {
protected:
    tcp::socket client() {
        auto socket = tcp::socket{context_};
        socket.connect({asio::ip::address_v4::loopback(), between_.port()});
        auto limit = timeval{.tv_sec = 0, .tv_usec = 300'000};
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        return socket;
    }
    /// What came back: all of it, or less and then what ended it.
    static std::pair<std::string, boost::system::error_code> exchange(tcp::socket& with,
                                                                      const std::string& text) {
        boost::system::error_code failure;
        asio::write(with, asio::buffer(text), failure);
        auto back = std::string{};
        auto bytes = std::array<char, 4096>{};
        while (back.size() < text.size()) {
            auto size = ::recv(with.native_handle(), bytes.data(), bytes.size(), 0);
            if (size <= 0) {
                auto code = size == 0
                                ? asio::error::make_error_code(asio::error::eof)
                                : boost::system::error_code{errno, asio::error::system_category};
                return {back, code};
            }
            back.append(bytes.data(), static_cast<std::size_t>(size));
        }
        return {back, {}};
    }

    echo_server server_;
    proxy between_{0, "127.0.0.1", server_.port()};
    asio::io_context context_;
};

TEST_F(proxied, passes_bytes_both_ways) {
    auto one = client();
    auto text = std::string(100'000, 'x');
    EXPECT_EQ(exchange(one, text).first, text);
    EXPECT_EQ(between_.figures().bytes_up, text.size());
    EXPECT_EQ(between_.figures().bytes_down, text.size());
    EXPECT_EQ(between_.figures().open, 1u);
}

TEST_F(proxied, delays_what_it_passes) {
    EXPECT_EQ(between_.command("delay both 50"), "ok");
    auto one = client();
    auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(exchange(one, "late").first, "late");
    EXPECT_GE(std::chrono::steady_clock::now() - before, 100ms);
}

TEST_F(proxied, holds_one_direction_and_lets_go_of_it) {
    auto one = client();
    EXPECT_EQ(exchange(one, "a").first, "a");
    EXPECT_EQ(between_.command("stop down"), "ok");
    EXPECT_EQ(exchange(one, "b").second, asio::error::would_block);
    EXPECT_EQ(between_.figures().bytes_up, 2u);
    EXPECT_EQ(between_.command("heal"), "ok");
    // The two may come in one piece by now.
    EXPECT_EQ(exchange(one, "c").first.front(), 'b');
}

TEST_F(proxied, resets_in_the_middle_of_a_frame) {
    EXPECT_EQ(between_.command("reset-after down 5"), "ok");
    auto one = client();
    auto [back, failure] = exchange(one, "0123456789");
    EXPECT_EQ(back, "01234");
    EXPECT_EQ(failure, asio::error::connection_reset);
    EXPECT_EQ(between_.figures().resets, 1u);
}

TEST_F(proxied, refuses_and_accepts_what_it_never_connects) {
    EXPECT_EQ(between_.command("half-open"), "ok");
    auto one = client();
    EXPECT_EQ(exchange(one, "hello").second, asio::error::would_block);
    EXPECT_EQ(between_.command("refuse"), "ok");
    auto two = client();
    EXPECT_NE(exchange(two, "hello").second, asio::error::would_block);
    EXPECT_EQ(between_.command("heal"), "ok");
    auto three = client();
    EXPECT_EQ(exchange(three, "hello").first, "hello");
}

TEST_F(proxied, throttles) {
    EXPECT_EQ(between_.command("rate up 100000"), "ok");
    auto one = client();
    auto before = std::chrono::steady_clock::now();
    auto text = std::string(30'000, 'x');
    EXPECT_EQ(exchange(one, text).first, text);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 100ms);
}

TEST_F(proxied, says_what_it_does_not_understand) {
    EXPECT_TRUE(between_.command("dance up 5").starts_with("error: 'dance'"));
    EXPECT_TRUE(between_.command("delay sideways 5").starts_with("error: "));
    EXPECT_TRUE(between_.command("delay up").starts_with("error: 'delay' needs a number"));
    EXPECT_TRUE(between_.command("").starts_with("error: "));
}

}  // namespace
}  // namespace cohort::testing
