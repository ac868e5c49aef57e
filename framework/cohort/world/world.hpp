#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/world/disk.hpp>
#include <cohort/world/network.hpp>
#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// Work for a `worker`; it lies in the waiting coroutine's frame. `run` is called once, on the
/// worker.
struct work_item {
    void (*run)(work_item&) noexcept = nullptr;
    work_item* next = nullptr;
    /// Set by a simulated world whose node died: `run` does not do the work, and only reports back.
    bool dropped = false;
};

/// A thread of its own for calls that block (a database, a file system). Items run one after the
/// other in the order of `submit`. The destructor runs what is queued and then ends the thread.
class worker {
public:
    virtual ~worker() = default;
    /// Any thread.
    virtual void submit(work_item& item) = 0;
};

/// A thread started through the seam; the destructor joins it.
class joining_thread {
public:
    virtual ~joining_thread() = default;
    /// Waits until the thread's function has returned. Idempotent.
    virtual void join() = 0;
};

/// The world as the framework sees it: time, randomness, network, disk, environment and threads
/// reach framework and modules through here only, so that a whole node can run on virtual time from
/// one seed.
class world {
public:
    virtual ~world() = default;

    /// Fresh monotonic time that counts suspend. Any thread.
    [[nodiscard]] virtual time_point now() const noexcept = 0;
    /// Wall time, for people. Any thread.
    [[nodiscard]] virtual wall_time wall_now() const noexcept = 0;
    /// 64 random bits, unpredictable in a real world and seeded in a simulated one. Any thread.
    [[nodiscard]] virtual std::uint64_t random() = 0;

    [[nodiscard]] virtual std::unique_ptr<reactor> make_reactor() = 0;
    [[nodiscard]] virtual std::unique_ptr<worker> start_worker(std::string name) = 0;
    /// Starts a thread. Errors: `unsupported` in a simulated world, which drives cores itself.
    [[nodiscard]] virtual result<std::unique_ptr<joining_thread>> start_thread(
        std::string name, std::function<void()> body) = 0;
    /// Blocks the calling thread. Real worlds only.
    virtual void pause(duration length) = 0;
    /// Whether the world drives cores itself on virtual time.
    [[nodiscard]] virtual bool simulated() const noexcept = 0;
    /// Processors this process may use, by affinity and container quota; at least 1.
    [[nodiscard]] virtual unsigned processors() const = 0;

    [[nodiscard]] virtual std::map<std::string, std::string> environment() const = 0;
    /// The whole file. Errors: `not_found`, `too_large` when it is longer than `bytes_max`,
    /// `storage`.
    [[nodiscard]] virtual result<std::string> read_file(const std::string& path,
                                                        std::size_t bytes_max) = 0;
    /// What can be written. Calls block: make them on a worker.
    [[nodiscard]] virtual cohort::disk& disk() = 0;
    /// The numeric addresses of a host. Blocks: call it on a worker. Errors: `not_found` when the
    /// name has none, `network` when nobody could be asked.
    [[nodiscard]] virtual result<std::vector<std::string>> resolve(const std::string& host) = 0;
    /// Calls `handler` once, on a thread of the world's choice, for SIGINT or SIGTERM; a second
    /// signal ends the process at once. A simulated world never calls it.
    virtual void on_termination(std::function<void()> handler) = 0;
};

/// The world of sockets, files, clocks and threads. One a process is enough.
[[nodiscard]] std::unique_ptr<world> make_real_world();

}  // namespace cohort
