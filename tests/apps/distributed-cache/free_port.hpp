#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

namespace cohort {

/// A port of loopback that nobody uses now. It lies below those that the system gives to
/// connections, and processes look for theirs in different places, so that it stays free.
inline std::uint16_t free_port() {
    constexpr auto first = 10'000U;
    constexpr auto count = 20'000U;
    static auto next = static_cast<unsigned>(::getpid()) * 61U;
    auto address = sockaddr_in{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (auto tries = 0U; tries < count; ++tries) {
        auto port = static_cast<std::uint16_t>(first + next++ % count);
        auto descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address.sin_port = htons(port);
        auto bound = ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
        ::close(descriptor);
        if (bound == 0) {
            return port;
        }
    }
    ADD_FAILURE() << "no port is free";
    return 0;
}

}  // namespace cohort
