#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// What can go wrong in a simulation. `a` and `b` are nodes, modulo their number.
enum class fault_kind : std::uint8_t {
    crash,        ///< the process of `a` dies, and is started again after `length`
    power_loss,   ///< the machine of `a` does
    die_inside,   ///< a machine, or with an odd `amount` a process, dies at that call of its seam
    bad_disk,     ///< of a million writes and syncs of `a`, `amount` fail
    stop,         ///< nothing of `a` runs for `length`
    stop_inside,  ///< the same, from its `amount`th call through the seam
    cut,          ///< nothing passes between `a` and `b`
    cut_one_way,  ///< nothing passes from `a` to `b`
    isolate,      ///< nothing passes between `a` and anybody else
    split,        ///< nothing passes between the nodes whose bit is set in `amount` and the others
    reset,        ///< a connection between `a` and `b` breaks
    slow_link,    ///< data from `a` to `b` travels `amount` microseconds longer
    tail,         ///< one piece in ten from `a` to `b` travels up to `amount` microseconds longer
    throttle,     ///< `amount` bytes a second from `a` to `b`
    clock_rate,   ///< the clock of `a` is off by `amount` millionths, signed
    clock_jump,   ///< the clock of `a` jumps forward by `amount` microseconds
    wall_jump,    ///< the wall clock of `a` jumps by `amount` microseconds, signed
    slow_cpu,     ///< turns of `a` take `amount` times longer
    slow_work,    ///< blocking work of `a` does
    corrupt,      ///< of a million pieces of data from `a` to `b`, `amount` get a bit wrong
};
inline constexpr std::size_t fault_kinds = 20;
/// What a protocol must survive without noticing more than delay, loss of connections and time.
inline constexpr std::uint32_t all_faults_but_corruption =
    (1U << static_cast<unsigned>(fault_kind::corrupt)) - 1;
[[nodiscard]] std::string_view name(fault_kind kind) noexcept;

struct scheduled_fault {
    fault_kind kind = fault_kind::crash;
    duration at{};
    duration length{};
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::int64_t amount = 0;
    friend bool operator==(const scheduled_fault&, const scheduled_fault&) = default;
};

/// Something that a workload is to do; it gives the numbers their meaning.
struct scheduled_operation {
    duration at{};
    std::uint32_t node = 0;
    std::uint32_t kind = 0;
    std::uint64_t key = 0;
    friend bool operator==(const scheduled_operation&, const scheduled_operation&) = default;
};

/// What the nodes and their network are like in one run: each seed tries a corner of its own.
struct swarm {
    std::uint32_t nodes = 3;
    std::uint32_t cores = 1;
    bool shuffled = false;
    std::uint64_t stream_buffer = 64 * 1024;
    duration delay_min = std::chrono::microseconds{20};
    duration delay_max = std::chrono::microseconds{500};
    duration give_up = std::chrono::minutes{15};
    friend bool operator==(const swarm&, const swarm&) = default;
};

/// All that a run depends on, besides the code. One line of text replays it.
struct schedule {
    std::uint64_t seed = 1;
    duration length = std::chrono::seconds{30};
    cohort::swarm swarm = {};
    std::vector<scheduled_fault> faults = {};
    std::vector<scheduled_operation> operations = {};

    /// One line without spaces, for a command line and for the corpus.
    [[nodiscard]] std::string text() const;
    /// Errors: `invalid` with the part that cannot be read.
    [[nodiscard]] static result<schedule> parse(std::string_view text);
    friend bool operator==(const schedule&, const schedule&) = default;
};

struct schedule_limits {
    std::uint32_t nodes_min = 1;
    std::uint32_t nodes_max = 9;
    std::uint32_t cores_max = 3;
    duration length = std::chrono::seconds{30};
    std::uint32_t faults_max = 24;
    std::uint32_t operations_max = 200;
    std::uint64_t keys = 8;
    std::uint32_t operation_kinds = 4;
    std::uint32_t kinds = all_faults_but_corruption;
};

/// The schedule of a seed.
[[nodiscard]] schedule make_schedule(std::uint64_t seed, const schedule_limits& limits = {});

/// Schedules that are a little less than this one, the most promising first: without half of the
/// faults or operations, without a kind of fault, with fewer nodes, shorter faults, a plainer
/// network.
[[nodiscard]] std::vector<schedule> shrinks_of(const schedule& whole);

/// The least schedule on the way down from `whole` for which `fails` still holds, after at most
/// `tries` of them.
[[nodiscard]] schedule shrink(schedule whole, const std::function<bool(const schedule&)>& fails,
                              std::size_t tries = 2'000);

}  // namespace cohort
