#pragma once

#include "temporary_folder.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cohort {

/// The distribution's PostgreSQL, started by the test in a folder of its own, as another user when
/// the test is root. It ends with the test, also when that is killed.
///
/// The user `cohort` has a password that an address has to quote. Connections come by TCP, with or
/// without TLS.
class postgres_server {
public:
    postgres_server();
    postgres_server(const postgres_server&) = delete;
    postgres_server& operator=(const postgres_server&) = delete;
    ~postgres_server();

    /// One server for all tests of a process, started by the first.
    static postgres_server& shared();

    static constexpr std::string_view password = "s3cr:t @/%";
    static constexpr std::string_view quoted_password = "s3cr%3At%20%40%2F%25";

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// `postgresql://cohort:...@127.0.0.1:PORT/DATABASE`.
    [[nodiscard]] std::string address(const std::string& database, std::uint16_t port = 0) const;
    /// Makes an empty database and returns its name.
    std::string new_database();
    /// Runs statements as the server's owner and returns the first column of what they print.
    std::string sql(const std::string& database, const std::string& statements) const;
    /// The certificate of the server, which signed itself.
    [[nodiscard]] std::string certificate() const { return folder_.file("data/server.crt"); }

    void start();
    /// Ends every connection and the server; `at_once` without a checkpoint, as after a crash.
    void stop(bool at_once);

private:
    [[nodiscard]] pid_t run(const std::vector<std::string>& arguments, bool dies_with_us) const;
    void must_run(const std::vector<std::string>& arguments) const;
    [[nodiscard]] bool answers() const;

    temporary_folder folder_;
    std::uint16_t port_ = 0;
    pid_t process_ = -1;
    int databases_ = 0;
};

}  // namespace cohort
