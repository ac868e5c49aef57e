#include <distributed-cache/import_command.hpp>

#include <distributed-cache/import.hpp>
#include <distributed-cache/open_origin.hpp>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <system_error>

namespace cohort {
namespace {

volatile std::sig_atomic_t interrupt_came = 0;

/// While it lives, SIGINT and SIGTERM set a flag, and are delivered only while the input is waited
/// for, so that one which comes between the look at the flag and the wait is not missed.
class interrupt_scope {
public:
    interrupt_scope() {
        struct sigaction action{};
        action.sa_handler = [](int) { interrupt_came = 1; };
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGINT, &action, &previous_interrupt_);
        ::sigaction(SIGTERM, &action, &previous_terminate_);
        auto both = sigset_t{};
        sigemptyset(&both);
        sigaddset(&both, SIGINT);
        sigaddset(&both, SIGTERM);
        ::sigprocmask(SIG_BLOCK, &both, &previous_mask_);
    }
    interrupt_scope(const interrupt_scope&) = delete;
    interrupt_scope& operator=(const interrupt_scope&) = delete;
    ~interrupt_scope() {
        ::sigprocmask(SIG_SETMASK, &previous_mask_, nullptr);
        ::sigaction(SIGINT, &previous_interrupt_, nullptr);
        ::sigaction(SIGTERM, &previous_terminate_, nullptr);
    }

    [[nodiscard]] static bool came() {
        auto pending = sigset_t{};
        ::sigpending(&pending);
        return interrupt_came != 0 || sigismember(&pending, SIGINT) == 1 ||
               sigismember(&pending, SIGTERM) == 1;
    }

    /// Waits until the descriptor can be read; false when an interrupt came first.
    [[nodiscard]] bool wait_readable(int descriptor) const {
        auto waited = pollfd{.fd = descriptor, .events = POLLIN, .revents = 0};
        return ::ppoll(&waited, 1, nullptr, &previous_mask_) >= 0 && interrupt_came == 0;
    }

private:
    struct sigaction previous_interrupt_{};
    struct sigaction previous_terminate_{};
    sigset_t previous_mask_{};
};

/// The input: a file, or standard input for `-`.
class input_file {
public:
    static result<input_file> open(const std::string& path) {
        if (path == "-") {
            return input_file{STDIN_FILENO, 0, "standard input"};
        }
        auto descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) {
            return error{errc::storage, std::generic_category().message(errno), path};
        }
        auto file = input_file{descriptor, 0, path};
        struct stat status{};
        if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
            file.size_ = static_cast<std::uint64_t>(status.st_size);
        }
        return file;
    }
    input_file(input_file&& other) noexcept
        : descriptor_{std::exchange(other.descriptor_, -1)}, size_{other.size_},
          name_{std::move(other.name_)} {}
    input_file& operator=(input_file&&) = delete;
    ~input_file() {
        if (descriptor_ > STDIN_FILENO) {
            ::close(descriptor_);
        }
    }

    result<std::size_t> read(std::span<char> into, const interrupt_scope& interrupts) const {
        if (!interrupts.wait_readable(descriptor_)) {
            return errc::cancelled;
        }
        auto got = ::read(descriptor_, into.data(), into.size());
        if (got < 0) {
            return error{errc::storage, std::generic_category().message(errno), name_};
        }
        return static_cast<std::size_t>(got);
    }

    /// 0 when it is not known.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    input_file(int descriptor, std::uint64_t size, std::string name)
        : descriptor_{descriptor}, size_{size}, name_{std::move(name)} {}

    int descriptor_;
    std::uint64_t size_;
    std::string name_;
};

/// Says on standard error how far the import is: a bar on a terminal, a line now and then
/// elsewhere.
class progress_display {
public:
    explicit progress_display(std::uint64_t size)
        : size_{size}, terminal_{::isatty(STDERR_FILENO) == 1} {}

    void show(std::uint64_t rows, std::uint64_t bytes) {
        auto percent = size_ == 0 ? 0 : std::min<std::uint64_t>(100, bytes * 100 / size_);
        if (terminal_) {
            auto filled = percent * bar_width / 100;
            auto bar = size_ == 0 ? std::string{}
                                  : fmt::format("[{:<{}}] {:3} %  ", std::string(filled, '='),
                                                bar_width, percent);
            fmt::print(stderr, "\r{}{} rows", bar, rows);
            std::fflush(stderr);
            shown_ = true;
            return;
        }
        auto step = size_ == 0 ? rows / rows_per_line : percent / percent_per_line;
        if (step > last_step_) {
            last_step_ = step;
            fmt::print(stderr, "import: {} rows{}\n", rows,
                       size_ == 0 ? std::string{} : fmt::format(", {} %", percent));
        }
    }

    /// Leaves the bar's line, so that what is printed next begins on its own.
    void end_line() {
        if (shown_) {
            fmt::print(stderr, "\n");
            shown_ = false;
        }
    }

private:
    static constexpr std::uint64_t bar_width = 40;
    static constexpr std::uint64_t rows_per_line = 20'000;
    static constexpr std::uint64_t percent_per_line = 20;

    std::uint64_t size_;
    bool terminal_;
    bool shown_ = false;
    std::uint64_t last_step_ = 0;
};

struct import_arguments {
    std::string origin;
    std::string format = "ndjson";
    std::string input;
    bool skip_bad = false;
    std::size_t content_bytes_max = origin_options{}.content_bytes_max;
};

int print_report(const import_report& report) {
    if (report.failure) {
        fmt::print(stderr, "import: {}\n", report.failure->message());
    }
    if (report.interrupted) {
        fmt::print(stderr,
                   "import: interrupted; what came before is kept, the same import again "
                   "continues\n");
    }
    fmt::print("imported {} rows: {} added, {} replaced, {} unchanged; {} refused; up to line {}\n",
               report.rows(), report.added, report.replaced, report.unchanged, report.refused,
               report.line);
    return report.interrupted ? 130 : report.failure || report.refused != 0 ? 1 : 0;
}

result<import_report> import_file(const import_arguments& arguments) {
    auto options = import_options{.skip_bad = arguments.skip_bad};
    auto format = make_import_format(arguments.format, options.line_bytes_max);
    if (!format) {
        return std::move(format).error();
    }
    auto input = input_file::open(arguments.input);
    if (!input) {
        return std::move(input).error();
    }
    auto around = make_real_world();
    auto origin = open_origin(
        *around, {.address = arguments.origin, .content_bytes_max = arguments.content_bytes_max},
        origin_use::import);
    if (!origin) {
        return std::move(origin).error();
    }
    auto interrupts = interrupt_scope{};
    auto display = progress_display{input->size()};
    auto refusals = std::uint64_t{0};
    auto hooks = import_hooks{
        .read = [&](std::span<char> into) { return input->read(into, interrupts); },
        .interrupted = [] { return interrupt_scope::came(); },
        .refused =
            [&](const import_refusal& refusal) {
                constexpr std::uint64_t shown_max = 20;
                if (++refusals <= shown_max) {
                    display.end_line();
                    fmt::print(stderr, "import: line {}: {}\n", refusal.line, refusal.reason);
                } else if (refusals == shown_max + 1) {
                    fmt::print(stderr, "import: more lines are refused, they are only counted\n");
                }
            },
        .progress = [&](std::uint64_t rows, std::uint64_t bytes) { display.show(rows, bytes); }};
    auto report = run_import(hooks, **format, **origin, options);
    display.end_line();
    return report;
}

}  // namespace

int import_command(int argc, const char* const* argv) {
    auto arguments = import_arguments{};
    auto app = CLI::App{"Fills an origin that no node uses.", "cohort-cache import"};
    app.add_option("--origin", arguments.origin,
                   "where the rows go: sqlite:PATH or postgresql://...")
        ->envname("COHORT_CACHE_ORIGIN")
        ->required();
    app.add_option("--format", arguments.format,
                   "ndjson: one {\"key\": \"...\", \"value\": ...} a line; dumpavail: stanzas as "
                   "apt-cache dumpavail prints them, the later one of a package stays")
        ->capture_default_str();
    app.add_flag("--skip-bad", arguments.skip_bad,
                 "go on after a record that is refused; the exit status is 1 all the same");
    app.add_option("--content-bytes-max", arguments.content_bytes_max,
                   "the longest content of a row")
        ->capture_default_str();
    app.add_option("FILE", arguments.input, "the input; - is standard input")->required();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong) == 0 ? 0 : 2;
    }
    auto report = import_file(arguments);
    if (!report) {
        fmt::print(stderr, "import: {}\n", report.error().message());
        return 1;
    }
    return print_report(*report);
}

}  // namespace cohort
