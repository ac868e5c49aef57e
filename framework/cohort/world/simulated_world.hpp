#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <cohort/world/simulated_disk.hpp>
#include <cohort/world/simulated_network.hpp>
#include <cohort/world/world.hpp>

namespace cohort {

class simulated_reactor;

namespace detail {
class simulated_listener;
class simulated_stream;
class simulated_worker;
}  // namespace detail

/// The world of one node of a simulation: its clock, its randomness, its address and streams, its
/// workers, its files and its environment. The same seed and the same calls give the same run.
///
/// Time is the network's; somebody has to run its events. `simulation` and `deterministic` do.
class simulated_world final : public world {
public:
    /// A node alone, with a network of its own.
    explicit simulated_world(simulation_options options = {});
    /// One node of many; the network outlives it.
    simulated_world(simulated_network& network, std::string host);
    ~simulated_world() override;

    [[nodiscard]] time_point now() const noexcept override;
    [[nodiscard]] wall_time wall_now() const noexcept override;
    [[nodiscard]] std::uint64_t random() override;
    [[nodiscard]] std::unique_ptr<reactor> make_reactor() override;
    [[nodiscard]] std::unique_ptr<worker> start_worker(std::string name) override;
    [[nodiscard]] result<std::unique_ptr<joining_thread>> start_thread(
        std::string name, std::function<void()> body) override;
    void pause(duration length) override;
    [[nodiscard]] bool simulated() const noexcept override { return true; }
    [[nodiscard]] unsigned processors() const override { return network_.options().processors; }
    [[nodiscard]] std::map<std::string, std::string> environment() const override {
        return variables;
    }
    [[nodiscard]] result<std::string> read_file(const std::string& path,
                                                std::size_t bytes_max) override;
    [[nodiscard]] simulated_disk& disk() override { return disk_; }
    [[nodiscard]] result<std::vector<std::string>> resolve(const std::string& host) override;
    void on_termination(std::function<void()>) override {}

    [[nodiscard]] simulated_network& network() noexcept { return network_; }
    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
    [[nodiscard]] const std::string& host() const noexcept { return host_; }

    /// What the environment holds.
    std::map<std::string, std::string> variables;
    /// Files that are there and that the node does not write.
    std::map<std::string, std::string> files;

    /// The code that runs now takes so long: what it sees and does from here on is later, and the
    /// core goes on when that time has come. Nothing else moves meanwhile.
    void advance(duration length) noexcept { lag_ += length; }

    // -- faults ---------------------------------------------------------------------------------

    /// Nothing of the node runs for `length`, from its `calls`th call through the seam from now on:
    /// 0 is at once, else in the middle of what it does. Its clock goes on.
    void stop_for(duration length, std::uint64_t calls = 0);
    [[nodiscard]] bool stopped() const noexcept;
    /// The node dies at its `calls`th call through the seam from now on, in the middle of what it
    /// does: nothing that comes behind has an effect. `simulation` takes it down then.
    void die_at(std::uint64_t calls, std::function<void()> then);
    /// Ends a stop, unless the node has looked at its clock in the middle of it, and takes back
    /// what was planned with `stop_for` and `die_at`.
    void go_on();
    /// The clock runs by so many millionths faster than true time, or slower; -1,000,000 stops it.
    void set_clock_rate(std::int64_t per_million);
    /// Moves the clock forward, as when a virtual machine is resumed.
    void jump_clock(duration forward);
    /// Moves the wall clock either way.
    void jump_wall(duration by) noexcept { wall_offset_ += by; }
    /// Blocking work takes so many times longer.
    void set_work_slowness(std::uint32_t times) noexcept { work_slowness_ = times; }

    // -- for what drives the node ---------------------------------------------------------------

    /// Says what a turn of a core is. The world calls it when the core has something to do or asked
    /// for it.
    void drive(std::function<void(std::uint32_t core)> turn) { turn_ = std::move(turn); }
    /// Asks for a turn of a core, not later than `when` in true time.
    void turn_by(std::uint32_t core, time_point when);
    /// When a true instant comes that this clock calls `local`; none when its clock stands.
    [[nodiscard]] std::optional<time_point> true_time(time_point local) const noexcept;
    /// True time, as the node's running code sees it.
    [[nodiscard]] time_point here() const noexcept { return network_.now() + lag_; }
    /// The node is gone: nothing of it is heard of any more, and its operations end with
    /// `cancelled`. A process that dies leaves a machine that tells its peers; a machine that loses
    /// power does not.
    enum class death : std::uint8_t { process, machine };
    void die(death how);
    /// A machine is there again, and the next node may be started on it.
    void revive();
    [[nodiscard]] bool dead() const noexcept { return dead_; }
    /// Whether what the node does has no effect any more.
    [[nodiscard]] bool silent() const noexcept { return dead_ || silenced_; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept { return incarnation_; }

private:
    friend class simulated_reactor;
    friend class simulated_network;
    friend class simulated_disk;
    friend struct detail::simulated_connection;
    friend class detail::simulated_listener;
    friend class detail::simulated_worker;
    friend class detail::simulated_stream;

    // Every call through the seam comes by here: a stop may be due in the middle of it.
    void seam() const noexcept {
        if (++calls_ == stop_at_call_) {
            lag_ += stop_length_;
        }
        if (calls_ == die_at_call_) {
            silenced_ = true;
        }
    }
    [[nodiscard]] time_point local(time_point when) const noexcept;
    void rebase_clock() noexcept;
    void run_turn(std::uint32_t core);
    void submit(work_item& item, time_point when);
    void run_work(work_item& item, std::uint32_t incarnation);
    [[nodiscard]] duration work_time() noexcept;
    [[nodiscard]] std::uint16_t free_port() noexcept;
    void settle_lag() noexcept;
    [[nodiscard]] bool machine_up() const noexcept { return machine_up_; }

    std::unique_ptr<simulated_network> own_network_;
    simulated_network& network_;
    std::string host_;
    std::uint32_t index_ = 0;
    keyed_random random_;
    std::uint64_t random_drawn_ = 0;
    std::uint64_t work_drawn_ = 0;

    // The clock: `local_base_` was shown at `true_base_`.
    time_point true_base_;
    time_point local_base_;
    std::int64_t clock_rate_ = 0;
    duration wall_offset_{};

    // How far the running code is ahead of true time, because it was stopped in the middle.
    mutable duration lag_{};
    mutable std::uint64_t calls_ = 0;
    std::uint64_t stop_at_call_ = 0;
    duration stop_length_{};
    std::uint64_t die_at_call_ = 0;
    mutable bool silenced_ = false;
    std::function<void()> when_silenced_;
    time_point stopped_until_{};
    time_point seen_until_{};  // in a stop that came in the middle of something

    std::function<void(std::uint32_t)> turn_;
    std::vector<time_point> turns_;  // when each core's next turn is due; the end of time for none
    std::vector<simulated_reactor*> reactors_;
    std::map<std::uint16_t, detail::simulated_listener*> listeners_;
    std::uint16_t next_port_ = 40000;
    simulated_disk disk_;
    std::vector<work_item*> work_;  // submitted and not run
    std::uint32_t work_slowness_ = 1;
    bool dead_ = false;
    bool machine_up_ = true;
    std::uint32_t incarnation_ = 1;
};

}  // namespace cohort
