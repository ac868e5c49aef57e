#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <cohort/world/simulated_world.hpp>

namespace cohort {

/// Completions travel through a list per reactor, so that they run on the core that waits for them.
class simulated_reactor final : public reactor {
public:
    simulated_reactor(simulated_world& world, std::uint32_t core);
    ~simulated_reactor() override;
    simulated_reactor(const simulated_reactor&) = delete;
    simulated_reactor& operator=(const simulated_reactor&) = delete;

    std::size_t poll() override;
    void wait(std::optional<time_point>) override {}
    void wake() noexcept override { world_.turn_by(core_, world_.network().now()); }
    result<std::unique_ptr<listener>> listen(const endpoint& local) override;
    void connect(const endpoint& remote, std::unique_ptr<stream>& connected,
                 io_completion& done) override;
    void cancel_connect(io_completion& done) noexcept override;

    /// Completes an operation in this reactor's next `poll`.
    void soon(io_completion& done, io_outcome outcome);
    [[nodiscard]] simulated_world& world() noexcept { return world_; }

private:
    // The number tells an attempt from a later one whose completion lies at the same place.
    struct attempt {
        std::uint64_t number;
        std::unique_ptr<stream>* connected;
        endpoint remote;
        duration wait{std::chrono::seconds{1}};
    };
    struct completed {
        io_completion* done;
        io_outcome outcome;
    };
    using attempts = std::map<io_completion*, attempt>;

    void knock(io_completion& done, std::uint64_t number, time_point when);
    void reach(io_completion& done, std::uint64_t number);
    void open(simulated_world& target, detail::simulated_listener& at, io_completion& done,
              std::uint64_t number);
    [[nodiscard]] attempt* find(io_completion& done, std::uint64_t number) noexcept;
    void give_back(io_completion& done, std::uint64_t number, io_outcome outcome,
                   simulated_world& from);

    simulated_world& world_;
    std::uint32_t core_;
    std::shared_ptr<bool> alive_;
    std::vector<completed> ready_;
    std::vector<completed> running_;
    attempts connecting_;  // found by address, never iterated
    std::uint64_t attempts_ = 0;
};

namespace detail {

class simulated_listener final : public listener {
public:
    simulated_listener(simulated_reactor& home, endpoint local);
    ~simulated_listener() override { close(); }
    simulated_listener(const simulated_listener&) = delete;
    simulated_listener& operator=(const simulated_listener&) = delete;

    void accept(std::unique_ptr<incoming_stream>& accepted, io_completion& done) override;
    void close() noexcept override;
    endpoint local() const override { return local_; }
    /// Whether another connection may wait for `accept`.
    [[nodiscard]] bool has_room() const noexcept { return waiting_.size() < waiting_max; }
    void arrive(std::unique_ptr<incoming_stream> connection);

private:
    static constexpr std::size_t waiting_max = 4096;
    void hand_out();

    simulated_reactor& home_;
    endpoint local_;
    std::deque<std::unique_ptr<incoming_stream>> waiting_;
    std::unique_ptr<incoming_stream>* slot_ = nullptr;
    io_completion* done_ = nullptr;
    bool closed_ = false;
};

/// Runs blocking work one after the other, each after a travel time.
class simulated_worker final : public worker {
public:
    explicit simulated_worker(simulated_world& world) : world_{world} {}
    void submit(work_item& item) override;

private:
    simulated_world& world_;
    time_point last_{};
};

}  // namespace detail
}  // namespace cohort
