#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <cohort/cluster/embedded/acceptor.hpp>
#include <cohort/cluster/embedded/driver.hpp>
#include <cohort/cluster/embedded/proposer.hpp>
#include <cohort/cluster/embedded/register_node.hpp>
#include <cohort/world/keyed_random.hpp>

namespace cohort {

/// Joins the parts of a register_node. Messages to itself go the same way as all the others, within
/// the call that sent them.
class register_node::impl {
public:
    impl(register_options options, std::uint64_t seed);

    void start(time_point now);
    void receive(time_point now, const endpoint& from, const control_message& message);
    void tick(time_point now);
    [[nodiscard]] time_point due() const noexcept;
    void release(time_point now, std::uint32_t space, std::uint32_t shard, std::uint64_t epoch);
    void look_for(time_point now, std::uint64_t epoch);
    void leave(time_point now);

    [[nodiscard]] bool seats_held(time_point now) const noexcept;
    [[nodiscard]] bool acts_as_driver(time_point now) const noexcept;
    [[nodiscard]] std::vector<seat_status> seats(time_point now) const;
    [[nodiscard]] std::vector<lease_status> leases(time_point now) const;

    std::vector<outgoing_control> outgoing;
    std::vector<register_event> events;
    register_phase phase = register_phase::probing;
    member self;
    time_point lease_end = time_point::min();
    view_ptr current;
    node_uid acceptor_id;

private:
    struct heard_answer {
        time_point at{};
        endpoint from;
        seed_answer what;
    };
    using released_shard = std::tuple<std::string, std::uint32_t, std::uint64_t>;

    // What all parts use.
    void send(const endpoint& to, control_message content);
    void send_to_seats(const control_message& content);
    void tell(register_event::kind what, std::string why = {}, view_ptr seen = nullptr);
    void settle(time_point now);
    void refuse(std::string why);
    [[nodiscard]] node_uid draw_uid(std::uint64_t purpose) noexcept;
    void new_identity(time_point now, bool memory);
    [[nodiscard]] const view_ptr& known() const noexcept { return acceptor_->committed(); }
    [[nodiscard]] bool lease_holds(time_point now) const noexcept {
        return phase == register_phase::member && now < lease_end;
    }

    // Before there is a cluster (B6).
    void bootstrap(time_point now);
    void say_hello(time_point now);
    [[nodiscard]] seed_answer own_answer(time_point now, bool same_cluster) const;
    void call_seeds(time_point now);
    bool yields(time_point now, const endpoint& from, const seed_answer& message);
    void begin_genesis(time_point now);
    void finish_genesis(time_point now);
    void propose_first_view(time_point now);
    [[nodiscard]] std::uint64_t first_epoch(time_point now) const noexcept;
    void begin_join(time_point now, const heard_answer& answer);
    void ask_to_join(time_point now);
    void look_at_answers(time_point now);
    void judge_orphan(time_point now);
    [[nodiscard]] bool wrong_seeds();
    [[nodiscard]] std::size_t slots() const noexcept;
    [[nodiscard]] const heard_answer* answer_of(time_point now, const endpoint& from) const;
    [[nodiscard]] bool recent(time_point now, const heard_answer& answer) const noexcept {
        return now - answer.at <= options_.times.renew * 3;
    }

    // As a member.
    void adopt(time_point now, const view_ptr& decided);
    [[nodiscard]] bool believable(const view& decided) const;
    [[nodiscard]] bool robbed(const view& before, const view& by) const;
    void removed(time_point now, const view& by, const view_ptr& before);
    void admitted(time_point now);
    void renew(time_point now);
    void repeat_requests();
    void watch_lease(time_point now);
    void catch_up(const endpoint& from, std::uint64_t epoch);
    void forget_releases(const view& by);
    void leave_alone();

    // As a driver.
    void drive(time_point now);
    void poll(time_point now);
    void work(time_point now);
    void give_out(time_point now, const view_ptr& decided, const view_ptr& before);
    void plan_soon(time_point now, duration within) noexcept;
    [[nodiscard]] int rank(time_point now) const noexcept;
    [[nodiscard]] time_point next_rank_change() const noexcept;

    void flush_proposer();
    void on(time_point now, const endpoint& from, const paxos_prepare& message);
    void on(time_point now, const endpoint& from, const paxos_promise& message);
    void on(time_point now, const endpoint& from, const paxos_accept& message);
    void on(time_point now, const endpoint& from, const paxos_accepted& message);
    void on(time_point now, const endpoint& from, const paxos_refused& message);
    void on(time_point now, const endpoint& from, const view_commit& message);
    void on(time_point now, const endpoint& from, const view_request& message);
    void on(time_point now, const endpoint& from, const lease_renew& message);
    void on(time_point now, const endpoint& from, const lease_grant& message);
    void on(time_point now, const endpoint& from, const lease_denied& message);
    void on(time_point now, const endpoint& from, const lease_query& message);
    void on(time_point now, const endpoint& from, const lease_info& message);
    void on(time_point now, const endpoint& from, const seed_hello& message);
    void on(time_point now, const endpoint& from, const seed_answer& message);
    void on(time_point now, const endpoint& from, const join_request& message);
    void on(time_point now, const endpoint& from, const join_refused& message);
    void on(time_point now, const endpoint& from, const ready_report& message);
    void on(time_point now, const endpoint& from, const shard_release& message);
    void on(time_point now, const endpoint& from, const leave_request& message);
    void on(time_point now, const endpoint& from, const seat_probe& message);
    void on(time_point now, const endpoint& from, const seat_ready& message);

    register_options options_;
    keyed_random random_;
    std::uint64_t draws_ = 0;
    time_point started_{};
    std::uint64_t seeds_hash_ = 0;
    std::optional<cohort::acceptor> acceptor_;
    std::optional<proposer> proposer_;
    driver driver_;
    lease_counter grants_;
    std::deque<control_message> to_itself_;

    bool held_ = false;       // the lease, at any time under this uid
    bool suspended_ = false;  // it was told
    bool leaving_ = false;
    bool driving_ = false;
    bool genesis_ = false;  // the proposer is at a first view
    time_point without_quorum_since_ = time_point::max();
    time_point uid_since_{};
    time_point look_again_{};
    std::set<released_shard> releases_;

    std::vector<heard_answer> answers_;
    time_point majority_since_ = time_point::max();
    time_point undecided_since_ = time_point::max();
    std::vector<voter> genesis_slots_;
    std::vector<member> genesis_members_;
    join_request join_;
    std::vector<endpoint> join_at_;
    time_point join_until_{};

    // When what is due next; the end of time when it is not.
    time_point hello_due_ = time_point::max();
    time_point join_due_ = time_point::max();
    time_point renew_due_ = time_point::max();
    time_point poll_due_ = time_point::max();
    time_point plan_due_ = time_point::max();
    time_point prepare_due_ = time_point::min();
};

}  // namespace cohort
