#include <cohort/world/asio_disk.hpp>
#include <cohort/world/asio_reactor.hpp>
#include <cohort/world/world.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

extern "C" char** environ;

namespace cohort {
namespace {

void name_this_thread(const std::string& name) {
    // The kernel keeps 15 characters.
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

/// The thread waits for a processor where one is free or becomes free, instead of taking it from
/// another thread the moment it has something to do. A core that shares its processor with a worker
/// then submits all it has before the worker begins, not one item at a time.
void be_patient() {
    auto none = sched_param{};
    ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &none);  // what it cannot do is no harm
}

class asio_worker final : public worker {
public:
    explicit asio_worker(std::string name)
        : thread_{[this, name = std::move(name)] {
              name_this_thread(name);
              be_patient();
              run();
          }} {}

    ~asio_worker() override {
        {
            auto guard = std::lock_guard{mutex_};
            stopping_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    asio_worker(const asio_worker&) = delete;
    asio_worker& operator=(const asio_worker&) = delete;

    void submit(work_item& item) override {
        {
            auto guard = std::lock_guard{mutex_};
            item.next = nullptr;
            (last_ != nullptr ? last_->next : first_) = &item;
            last_ = &item;
        }
        wake_.notify_one();
    }

private:
    void run() {
        auto guard = std::unique_lock{mutex_};
        for (;;) {
            wake_.wait(guard, [this] { return first_ != nullptr || stopping_; });
            if (first_ == nullptr) {
                return;
            }
            auto* batch = std::exchange(first_, nullptr);
            last_ = nullptr;
            guard.unlock();
            while (batch != nullptr) {
                // The item may be gone as soon as it ran.
                auto* item = std::exchange(batch, batch->next);
                item->run(*item);
            }
            guard.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    work_item* first_ = nullptr;
    work_item* last_ = nullptr;
    bool stopping_ = false;
    std::thread thread_;
};

class asio_thread final : public joining_thread {
public:
    asio_thread(std::string name, std::function<void()> body)
        : thread_{[name = std::move(name), body = std::move(body)] {
              name_this_thread(name);
              body();
          }} {}
    ~asio_thread() override { join(); }
    asio_thread(const asio_thread&) = delete;
    asio_thread& operator=(const asio_thread&) = delete;

    void join() override {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    std::thread thread_;
};

// Processors granted by a container's quota (cgroup 2), or none when there is no quota.
unsigned quota_processors() {
    auto file = std::ifstream{"/sys/fs/cgroup/cpu.max"};
    auto quota = std::string{};
    auto period = 0.0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0) {
        return 0;
    }
    auto granted = std::strtod(quota.c_str(), nullptr) / period;
    return std::max(1U, static_cast<unsigned>(granted));
}

class real_world final : public world {
public:
    ~real_world() override {
        if (signals_) {
            // Blocked in every thread but the waiting one, so the process's own signal ends that
            // one.
            ending_ = true;
            ::kill(::getpid(), SIGTERM);
            signals_->join();
        }
    }

    time_point now() const noexcept override { return asio_now(); }

    wall_time wall_now() const noexcept override {
        return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
    }

    std::uint64_t random() override {
        auto value = std::uint64_t{0};
        COHORT_ASSERT(::getrandom(&value, sizeof value, 0) == sizeof value,
                      "the kernel gives random bits");
        return value;
    }

    std::unique_ptr<reactor> make_reactor() override { return make_asio_reactor(); }

    std::unique_ptr<worker> start_worker(std::string name) override {
        return std::make_unique<asio_worker>(std::move(name));
    }

    result<std::unique_ptr<joining_thread>> start_thread(std::string name,
                                                         std::function<void()> body) override {
        return std::unique_ptr<joining_thread>{
            std::make_unique<asio_thread>(std::move(name), std::move(body))};
    }

    void pause(duration length) override { std::this_thread::sleep_for(length); }

    bool simulated() const noexcept override { return false; }

    unsigned processors() const override {
        auto set = cpu_set_t{};
        auto count = ::sched_getaffinity(0, sizeof set, &set) == 0
                         ? static_cast<unsigned>(CPU_COUNT(&set))
                         : std::thread::hardware_concurrency();
        auto quota = quota_processors();
        return std::max(1U, quota == 0 ? count : std::min(count, quota));
    }

    std::map<std::string, std::string> environment() const override {
        auto variables = std::map<std::string, std::string>{};
        for (auto** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
            auto text = std::string_view{*entry};
            auto equals = text.find('=');
            if (equals != std::string_view::npos) {
                variables.emplace(text.substr(0, equals), text.substr(equals + 1));
            }
        }
        return variables;
    }

    result<std::string> read_file(const std::string& path, std::size_t bytes_max) override {
        auto file = std::ifstream{path, std::ios::binary};
        if (!file) {
            auto code = errno == ENOENT ? errc::not_found : errc::storage;
            return error{code, "cannot read " + path + ": " + std::strerror(errno)};
        }
        auto text = std::string(bytes_max + 1, '\0');
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
        if (file.bad()) {
            return error{errc::storage, "cannot read " + path};
        }
        text.resize(static_cast<std::size_t>(file.gcount()));
        if (text.size() > bytes_max) {
            return error{errc::too_large,
                         path + " is longer than " + std::to_string(bytes_max) + " bytes"};
        }
        return text;
    }

    cohort::disk& disk() override { return *disk_; }

    result<std::vector<std::string>> resolve(const std::string& host) override {
        auto hints = addrinfo{};
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        if (auto status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); status != 0) {
            auto missing = status == EAI_NONAME || status == EAI_NODATA;
            return error{missing ? errc::not_found : errc::network,
                         "cannot resolve " + host + ": " + ::gai_strerror(status)};
        }
        auto addresses = std::vector<std::string>{};
        for (auto* each = found; each != nullptr; each = each->ai_next) {
            char text[NI_MAXHOST];
            if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0,
                              NI_NUMERICHOST) == 0) {
                addresses.emplace_back(text);
            }
        }
        ::freeaddrinfo(found);
        return addresses;
    }

    void on_termination(std::function<void()> handler) override {
        COHORT_ASSERT(!signals_, "termination has one handler");
        // Blocked here, before any thread of the runtime starts, so that every thread inherits it
        // and only the waiting one takes the signals.
        auto set = sigset_t{};
        ::sigemptyset(&set);
        ::sigaddset(&set, SIGINT);
        ::sigaddset(&set, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
        signals_ =
            std::make_unique<asio_thread>("signals", [this, set, handler = std::move(handler)] {
                for (bool first = true;;) {
                    auto details = siginfo_t{};
                    auto which = ::sigwaitinfo(&set, &details);
                    if (ending_) {
                        return;
                    }
                    if (which < 0) {
                        continue;  // EINTR: the process was stopped, and goes on
                    }
                    if (!first) {
                        ::_exit(130);
                    }
                    first = false;
                    handler();
                }
            });
    }

private:
    std::unique_ptr<cohort::disk> disk_ = make_real_disk();
    std::atomic<bool> ending_{false};
    std::unique_ptr<asio_thread> signals_;
};

}  // namespace

time_point asio_now() noexcept {
    auto now = timespec{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return time_point{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

std::unique_ptr<world> make_real_world() { return std::make_unique<real_world>(); }

}  // namespace cohort
