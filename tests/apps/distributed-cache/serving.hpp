#pragma once

#include "http_client.hpp"
#include "program.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace cohort {

inline std::vector<std::string> with_origin(const std::string& path,
                                            std::vector<std::string> more) {
    auto arguments =
        std::vector<std::string>{"--port", "0", "--admin-port", "0", "--origin", "sqlite:" + path};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

/// A node as a process of its own, ready to be asked.
class serving {
public:
    explicit serving(const std::string& path, std::vector<std::string> more = {})
        : program_{with_origin(path, std::move(more))} {
        auto line = program_.read_until("msg=started");
        line = program_.read_until("origin=");
        http_ = port_of(line, " http=");
        admin_ = port_of(line, " admin=");
    }

    [[nodiscard]] http_client client() const { return http_client{http_}; }
    [[nodiscard]] http_client admin() const { return http_client{admin_}; }
    [[nodiscard]] cohort::program& process() { return program_; }
    [[nodiscard]] std::uint16_t port() const { return http_; }

    [[nodiscard]] double metric(const std::string& name) const {
        auto text = "\n" + admin().get("/metrics").body;
        auto at = text.find("\n" + name + " ");
        EXPECT_NE(at, text.npos) << name;
        return at == text.npos ? -1 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
    }

    int stop(int signal = SIGTERM) {
        program_.kill(signal);
        return program_.wait();
    }

private:
    static std::uint16_t port_of(const std::string& line, const std::string& field) {
        auto at = line.find(field);
        EXPECT_NE(at, line.npos) << line;
        auto end = line.find(' ', at + 1);
        auto colon = line.rfind(':', end);
        return static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1));
    }

    cohort::program program_;
    std::uint16_t http_ = 0;
    std::uint16_t admin_ = 0;
};

}  // namespace cohort
