#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <string_view>
#include <vector>

namespace cohort {

/// `cohort-cache` as a process of its own, its streams held by the test.
class program {
public:
    explicit program(std::vector<std::string> arguments) {
        int in[2];
        int out[2];
        EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
        EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
        process_ = ::fork();
        if (process_ == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            ::dup2(out[1], 2);
            arguments.insert(arguments.begin(), COHORT_CACHE_PROGRAM);
            auto pointers = std::vector<char*>{};
            for (auto& argument : arguments) {
                pointers.push_back(argument.data());
            }
            pointers.push_back(nullptr);
            ::execv(COHORT_CACHE_PROGRAM, pointers.data());
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        input_ = in[1];
        output_ = out[0];
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    /// A program that was not waited for is killed.
    ~program() {
        close_input();
        ::close(output_);
        if (process_ > 0) {
            ::kill(process_, SIGKILL);
            ::waitpid(process_, nullptr, 0);
        }
    }

    void write(std::string_view text) const {
        EXPECT_EQ(::write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    void close_input() {
        if (input_ >= 0) {
            ::close(input_);
        }
        input_ = -1;
    }
    void kill(int signal) const { ::kill(process_, signal); }

    /// Everything it printed until it has printed `text`, or ended.
    std::string read_until(std::string_view text) {
        char piece[256];
        while (text.empty() || printed_.find(text) == std::string::npos) {
            auto bytes = ::read(output_, piece, sizeof piece);
            if (bytes <= 0) {
                break;
            }
            printed_.append(piece, static_cast<std::size_t>(bytes));
        }
        return printed_;
    }

    int wait() {
        close_input();
        read_until("");
        auto status = 0;
        ::waitpid(process_, &status, 0);
        process_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    [[nodiscard]] pid_t process() const { return process_; }
    [[nodiscard]] const std::string& printed() const { return printed_; }

private:
    pid_t process_ = -1;
    int input_ = -1;
    int output_ = -1;
    std::string printed_;
};

}  // namespace cohort
