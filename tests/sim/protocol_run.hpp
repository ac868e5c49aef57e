#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <cohort/testkit/faults.hpp>

#include "protocol.hpp"
#include "protocol_checker.hpp"

namespace cohort::sim {

/// What the operations of a schedule mean. Those behind `kill_voter` are of the flavour `phases`:
/// they lie in wait for a step of the protocol and strike in the middle of it.
enum class protocol_operation : std::uint32_t {
    leave,
    leave_and_return,
    restart,
    kill_driver,
    kill_voter,
    kill_two,      ///< a voter, and a member without a seat
    outbid,        ///< who proposes is cut off, and then who proposed instead
    seat_alone,    ///< who proposes a new voter is left alone with it
    seat_bridged,  ///< who loses a seat reaches nobody but who gets it
    deaf_joiner,   ///< a node begins anew and asks to be admitted, and hears nothing
};
inline constexpr std::uint32_t protocol_operation_kinds = 10;
inline constexpr std::uint32_t protocol_plain_kinds = 5;

/// Runs one schedule.
class protocol_run final : public protocol_checker {
public:
    protocol_run(const schedule& given, protocol_flavour how, const register_options& common,
                 const protocol_network& network)
        : protocol_checker{given.seed, given.swarm.nodes, common, network}, given_{given},
          how_{how} {}

    [[nodiscard]] std::optional<std::string> run();
    [[nodiscard]] const fault_driver::counts& begun() const noexcept { return begun_; }

private:
    using links = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
    using condition = std::function<bool(protocol_host&)>;

    // Faults and operations.
    void begin_clock(std::uint32_t which);
    void begin(std::uint32_t which);
    void die(std::uint32_t which, duration until_back);
    void note_death(std::uint32_t which);
    [[nodiscard]] links links_of(const scheduled_fault& fault) const;
    void break_something(const scheduled_fault& fault);
    void break_links(const scheduled_fault& fault,
                     const std::function<void(std::uint32_t, std::uint32_t, int)>& change);
    void later(duration length, std::function<void()> action);
    void operate(const scheduled_operation& what);
    [[nodiscard]] std::optional<std::uint32_t> find_one(const condition& which);
    void kill_one(duration back, const condition& which);
    [[nodiscard]] static bool votes(protocol_host& one);
    [[nodiscard]] bool drives(protocol_host& one) const;

    // Traps.
    struct trap {
        enum class step : std::uint8_t { accept, decided, seat_alone, seat_bridged };
        step at = step::accept;
        time_point until{};
        std::uint64_t key = 0;
    };
    struct cut_off {
        links which;
        bool over = false;
    };
    void set_traps(const scheduled_operation& what);
    void lie_in_wait(trap::step at, std::uint64_t key);
    [[nodiscard]] const trap* waiting();
    std::size_t cut_for(duration length, links which);
    void mend(std::size_t number);
    [[nodiscard]] links between_sides(const std::set<std::uint32_t>& one_side) const;
    void strike_at_accept(std::uint32_t which, const paxos_accept& what);
    void strike_at_seat(std::uint32_t which, const paxos_accept& what);

    // What happens.
    void sent(std::uint32_t which, const control_message& what) override;
    void stepped(std::uint32_t which) override;
    void has_left(std::uint32_t which) override;
    void decided(std::uint32_t which, const view_ptr& what) override;

    // Life.
    void heal_all();
    [[nodiscard]] bool alive();
    [[nodiscard]] bool at_rest(const view& what) const;
    [[nodiscard]] std::size_t seats_wanted() const;
    [[nodiscard]] std::string waits_for();

    const schedule& given_;
    protocol_flavour how_;
    bool healed_ = false;
    fault_driver::counts begun_{};
    std::deque<trap> traps_;
    std::vector<cut_off> cuts_;
    std::optional<std::size_t> outbid_;  // the cut of whoever is to be outbid
    std::optional<ballot> trapped_;      // a proposal that is being cut short
    std::uint64_t spared_ = 0;           // so many messages of it go out
    std::set<std::uint32_t> deaf_;       // nodes that are to hear nothing once they ask to join
};

}  // namespace cohort::sim
