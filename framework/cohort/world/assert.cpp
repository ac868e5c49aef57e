#include <cohort/world/assert.hpp>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <execinfo.h>
#include <initializer_list>
#include <unistd.h>

namespace cohort {
namespace {

std::atomic<crash_context_printer> context_printer{nullptr};

void write_text(const char* text) noexcept {
    [[maybe_unused]] auto ignored = ::write(STDERR_FILENO, text, std::strlen(text));
}

void print_where() noexcept {
    if (auto printer = context_printer.load()) {
        printer(STDERR_FILENO);
    }
    void* frames[64];
    auto count = ::backtrace(frames, 64);
    ::backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

void on_crash(int signal_number) noexcept {
    // A second fault while printing must not recurse.
    std::signal(signal_number, SIG_DFL);
    write_text("cohort: fatal signal ");
    write_text(::strsignal(signal_number));
    write_text("\n");
    print_where();
    ::raise(signal_number);
}

}  // namespace

void set_crash_context_printer(crash_context_printer printer) noexcept {
    context_printer = printer;
}

void install_crash_handler() noexcept {
    static std::atomic<bool> installed{false};
    if (installed.exchange(true)) {
        return;
    }
    // The first call loads libgcc, which allocates: not something to do inside a handler.
    void* warm_up[1];
    ::backtrace(warm_up, 1);
    for (int signal_number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
        struct sigaction action{};
        action.sa_handler = on_crash;
        action.sa_flags = SA_ONSTACK | SA_NODEFER;
        ::sigaction(signal_number, &action, nullptr);
    }
}

void assertion_failed(const char* expression, const char* sentence, const char* file,
                      int line) noexcept {
    char number[16];
    std::snprintf(number, sizeof number, ":%d: ", line);
    write_text(file);
    write_text(number);
    write_text(sentence);
    write_text(" [");
    write_text(expression);
    write_text("]\n");
    print_where();
    // Our own handler would print the same again; another's, a fuzzer's for example, has work to
    // do.
    struct sigaction installed{};
    ::sigaction(SIGABRT, nullptr, &installed);
    if (installed.sa_handler == on_crash) {
        std::signal(SIGABRT, SIG_DFL);
    }
    std::abort();
}

}  // namespace cohort
