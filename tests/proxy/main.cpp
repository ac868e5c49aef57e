// cohort-proxy: proxies and a control port.
//
//     cohort-proxy --control 7000 a=7001:127.0.0.1:9001 b=7002:127.0.0.1:9002
//
// A line on the control port is a proxy's name, or `all`, and a command of proxy.hpp; each answer
// is a line.

#include <charconv>
#include <iostream>
#include <map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include "proxy.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using proxies = std::map<std::string, std::unique_ptr<cohort::testing::proxy>>;

[[noreturn]] void refuse(const std::string& why) {
    std::cerr << "cohort-proxy: " << why
              << "\nusage: cohort-proxy --control PORT NAME=PORT:HOST:PORT ...\n";
    std::exit(2);
}

std::uint16_t port_of(std::string_view text) {
    auto port = std::uint16_t{};
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (failure != std::errc{} || end != text.data() + text.size()) {
        refuse("'" + std::string{text} + "' is no port");
    }
    return port;
}

void add(proxies& all, std::string_view text) {
    auto equals = text.find('=');
    auto first = text.find(':');
    auto last = text.rfind(':');
    if (equals == text.npos || first == text.npos || first == last || equals > first) {
        refuse("'" + std::string{text} + "' is not NAME=PORT:HOST:PORT");
    }
    auto host = std::string{text.substr(first + 1, last - first - 1)};
    all[std::string{text.substr(0, equals)}] = std::make_unique<cohort::testing::proxy>(
        port_of(text.substr(equals + 1, first - equals - 1)), host, port_of(text.substr(last + 1)));
}

std::string obey(proxies& all, const std::string& line) {
    auto blank = line.find(' ');
    auto name = line.substr(0, blank);
    auto command = blank == line.npos ? std::string{} : line.substr(blank + 1);
    if (name == "all") {
        auto answer = std::string{"ok"};
        for (auto& [_, one] : all) {
            answer = one->command(command);
        }
        return answer;
    }
    auto found = all.find(name);
    return found == all.end() ? "error: there is no proxy '" + name + "'"
                              : found->second->command(command);
}

void serve(proxies& all, tcp::socket client) {
    auto buffer = asio::streambuf{64 * 1024};
    boost::system::error_code failure;
    while (asio::read_until(client, buffer, '\n', failure), !failure) {
        auto line = std::string{};
        auto from = std::istream{&buffer};
        std::getline(from, line);
        asio::write(client, asio::buffer(obey(all, line) + "\n"), failure);
    }
}

}  // namespace

int main(int argc, char** argv) {
    auto all = proxies{};
    auto control = std::uint16_t{0};
    try {
        for (int index = 1; index < argc; ++index) {
            auto word = std::string_view{argv[index]};
            if (word == "--control" && index + 1 < argc) {
                control = port_of(argv[++index]);
            } else {
                add(all, word);
            }
        }
        if (all.empty() || control == 0) {
            refuse("a control port and at least one proxy are needed");
        }
        auto context = asio::io_context{};
        auto acceptor = tcp::acceptor{context, {asio::ip::address_v4::loopback(), control}};
        std::cout << "ready" << std::endl;
        for (;;) {
            serve(all, acceptor.accept());
        }
    } catch (const std::exception& failure) {
        std::cerr << "cohort-proxy: " << failure.what() << "\n";
        return 1;
    }
}
