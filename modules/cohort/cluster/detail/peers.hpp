#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>

#include <cohort/actor/context.hpp>
#include <cohort/cluster/detail/cluster_state.hpp>

namespace cohort::detail {

/// The ways to the cluster's other nodes, by address: found when they are needed, forgotten when
/// their node is gone, found again. Whatever is sent may get lost; nobody waits for anybody.
///
/// Thread: the conductor's; it lives as long as the conductor's tasks.
class peers {
public:
    static constexpr std::string_view exposed_as = "cohort.cluster";

    explicit peers(cluster_state& whole) : whole_{whole} {}

    void send(const context<conductor_protocol>& self, const endpoint& to, control_message content);
    /// Somebody at that address has spoken.
    void heard(const context<conductor_protocol>& self, const endpoint& from,
               const ref<letter_protocol>& sender);
    /// Forgets addresses that nobody wrote to for a while.
    void tidy(time_point now);
    /// What happened at the last attempts to reach an address, as a sentence's end.
    [[nodiscard]] std::string story(const endpoint& of) const;

private:
    struct way {
        ref<letter_protocol> found;
        std::deque<control_message> waiting;
        std::string trouble;
        bool reached = false;
        bool looking = false;
        time_point used{};
        time_point not_before{};
        duration backoff{};
    };
    using key = std::pair<std::string, std::uint16_t>;

    static task<void> look(peers* all, context<conductor_protocol> self, endpoint to);
    void looked(const context<conductor_protocol>& self, const endpoint& to,
                result<ref<letter_protocol>> outcome);
    void post(const context<conductor_protocol>& self, way& by, control_message content);
    [[nodiscard]] bool usable(const way& by) const;

    cluster_state& whole_;
    std::map<key, way> ways_;
};

}  // namespace cohort::detail
