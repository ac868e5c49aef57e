#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include <cohort/world/world.hpp>

namespace cohort {

namespace detail {
class simulated_listener;
}

struct simulation_options {
    std::uint64_t seed = 1;
    /// How long bytes, connections and work travel: drawn evenly between the two.
    duration delay_min = std::chrono::microseconds{20};
    duration delay_max = std::chrono::microseconds{500};
    /// Bytes that a stream takes before its reader has read them.
    std::size_t stream_buffer = 64 * 1024;
    /// What `processors` says. The driver runs the cores in turn all the same.
    unsigned processors = 1;
};

/// A world on virtual time from one seed, in one thread: clock, randomness, in-memory streams,
/// workers and a file system in memory. The same seed and the same calls give the same run.
///
/// Time stands still until `advance_to_next` or `advance` moves it.
class simulated_world final : public world {
public:
    explicit simulated_world(simulation_options options = {});
    ~simulated_world() override;

    [[nodiscard]] time_point now() const noexcept override { return now_; }
    [[nodiscard]] wall_time wall_now() const noexcept override;
    [[nodiscard]] std::uint64_t random() override;
    [[nodiscard]] std::unique_ptr<reactor> make_reactor() override;
    [[nodiscard]] std::unique_ptr<worker> start_worker(std::string name) override;
    [[nodiscard]] result<std::unique_ptr<joining_thread>> start_thread(
        std::string name, std::function<void()> body) override;
    void pause(duration length) override;
    [[nodiscard]] bool simulated() const noexcept override { return true; }
    [[nodiscard]] unsigned processors() const override { return options_.processors; }
    [[nodiscard]] std::map<std::string, std::string> environment() const override {
        return variables;
    }
    [[nodiscard]] result<std::string> read_file(const std::string& path,
                                                std::size_t bytes_max) override;
    void on_termination(std::function<void()>) override {}

    /// Schedules a call at a virtual instant; calls of the same instant run in the order of
    /// scheduling.
    void at(time_point when, std::function<void()> action);
    /// A travel time drawn from the options.
    [[nodiscard]] duration delay();
    /// Moves time forward by `length` and runs what falls due on the way.
    void advance(duration length);
    /// Runs what is due now; returns whether there was anything.
    bool run_due();
    /// When the next scheduled call is due; none when nothing is scheduled.
    [[nodiscard]] std::optional<time_point> next_event() const;

    /// What the environment and the files hold.
    std::map<std::string, std::string> variables;
    std::map<std::string, std::string> files;

    [[nodiscard]] const simulation_options& options() const noexcept { return options_; }

private:
    friend class simulated_reactor;
    friend class detail::simulated_listener;

    struct event {
        time_point when;
        std::uint64_t sequence;
        std::function<void()> action;
        bool operator<(const event& other) const noexcept {
            return when != other.when ? when > other.when : sequence > other.sequence;
        }
    };

    simulation_options options_;
    time_point now_{std::chrono::seconds{1'000'000}};
    std::uint64_t sequence_ = 0;
    std::uint64_t random_state_[4];
    std::priority_queue<event> events_;
    std::map<std::uint16_t, detail::simulated_listener*> listeners_;
    std::uint16_t next_port_ = 40000;
};

}  // namespace cohort
