#include "postgres_server.hpp"

#include "free_port.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace cohort {
namespace {

/// Where the distribution keeps the programs: its newest version.
std::string programs() {
    auto found = std::pair<int, std::string>{};
    auto ignored = std::error_code{};
    for (const auto& each : std::filesystem::directory_iterator{"/usr/lib/postgresql", ignored}) {
        if (std::filesystem::exists(each.path() / "bin/initdb")) {
            found = std::max(found, std::pair{std::atoi(each.path().filename().c_str()),
                                              (each.path() / "bin/").string()});
        }
    }
    if (found.second.empty()) {
        throw std::runtime_error{"the package postgresql is not installed"};
    }
    return found.second;
}

/// Whom the server runs as: it refuses root.
const passwd* server_user() {
    if (::geteuid() != 0) {
        return nullptr;
    }
    auto* user = ::getpwnam("postgres");
    return user != nullptr ? user : ::getpwnam("nobody");
}

}  // namespace

postgres_server::postgres_server() {
    std::ofstream{folder_.file("password")} << password;
    if (const auto* user = server_user()) {
        for (const auto& path : {folder_.path(), folder_.file("password")}) {
            EXPECT_EQ(::chown(path.c_str(), user->pw_uid, user->pw_gid), 0);
        }
    }
    auto data = folder_.file("data");
    must_run({programs() + "initdb", "--pgdata", data, "--username", "cohort", "--pwfile",
              folder_.file("password"), "--auth-local", "trust", "--auth-host", "scram-sha-256",
              "--encoding", "UTF8", "--no-locale", "--no-sync"});
    must_run({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
              "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
              "-addext", "subjectAltName=DNS:localhost", "-keyout", data + "/server.key", "-out",
              data + "/server.crt"});
    start();
}

postgres_server::~postgres_server() { stop(true); }

postgres_server& postgres_server::shared() {
    static auto server = postgres_server{};
    return server;
}

std::string postgres_server::address(const std::string& database, std::uint16_t port) const {
    return fmt::format("postgresql://cohort:{}@127.0.0.1:{}/{}", quoted_password,
                       port == 0 ? port_ : port, database);
}

std::string postgres_server::new_database() {
    auto name = fmt::format("test{}", ++databases_);
    sql("postgres", "CREATE DATABASE " + name);
    return name;
}

std::string postgres_server::sql(const std::string& database, const std::string& statements) const {
    auto printed = folder_.file("printed");
    must_run({"/bin/sh",
              "-c",
              "\"$0\" \"$@\" > " + printed,
              programs() + "psql",
              "--no-psqlrc",
              "--quiet",
              "--tuples-only",
              "--no-align",
              "--set",
              "ON_ERROR_STOP=1",
              "--host",
              folder_.path(),
              "--port",
              std::to_string(port_),
              "--username",
              "cohort",
              "--dbname",
              database,
              "--command",
              statements});
    auto file = std::ifstream{printed};
    auto text = std::string{std::istreambuf_iterator<char>{file}, {}};
    while (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

void postgres_server::start() {
    // Somebody else may take the port between the look and the start, so there are some tries; a
    // server that was stopped comes back where it was.
    for (auto tries = 0; tries < 5; ++tries) {
        port_ = port_ == 0 ? free_port() : port_;
        auto options =
            std::vector<std::string>{programs() + "postgres", "-D", folder_.file("data")};
        for (const auto& option :
             {std::string{"listen_addresses=127.0.0.1"}, fmt::format("port={}", port_),
              "unix_socket_directories=" + folder_.path(), std::string{"ssl=on"},
              std::string{"fsync=off"}, std::string{"full_page_writes=off"},
              std::string{"shared_buffers=16MB"}, std::string{"max_connections=60"}}) {
            options.insert(options.end(), {"-c", option});
        }
        process_ = run(options, true);
        while (::waitpid(process_, nullptr, WNOHANG) == 0) {
            if (answers()) {
                return;
            }
        }
        process_ = -1;
        port_ = databases_ == 0 ? 0 : port_;
    }
    throw std::runtime_error{"the PostgreSQL server did not start"};
}

void postgres_server::stop(bool at_once) {
    if (process_ > 0) {
        ::kill(process_, at_once ? SIGQUIT : SIGINT);
        ::waitpid(process_, nullptr, 0);
    }
    process_ = -1;
}

pid_t postgres_server::run(const std::vector<std::string>& arguments, bool dies_with_us) const {
    auto pointers = std::vector<char*>{};
    for (const auto& argument : arguments) {
        pointers.push_back(const_cast<char*>(argument.c_str()));
    }
    pointers.push_back(nullptr);
    const auto* user = server_user();
    auto log = folder_.file("log");
    auto parent = ::getpid();
    auto child = ::fork();
    if (child != 0) {
        return child;
    }
    if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
                            ::setuid(user->pw_uid) != 0)) {
        ::_exit(126);
    }
    // After the change of the user, which would forget it.
    if (dies_with_us && (::prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || ::getppid() != parent)) {
        ::_exit(126);
    }
    auto output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(output, 1);
    ::dup2(output, 2);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
}

void postgres_server::must_run(const std::vector<std::string>& arguments) const {
    auto status = 0;
    ::waitpid(run(arguments, false), &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        auto log = std::ifstream{folder_.file("log")};
        throw std::runtime_error{
            arguments.front() + " failed: " + std::string{std::istreambuf_iterator<char>{log}, {}}};
    }
}

bool postgres_server::answers() const {
    auto status = 0;
    ::waitpid(run({programs() + "pg_isready", "--quiet", "--host", folder_.path(), "--port",
                   std::to_string(port_)},
                  false),
              &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace cohort
