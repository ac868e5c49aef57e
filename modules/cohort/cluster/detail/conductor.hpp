#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/cluster/detail/cluster_state.hpp>
#include <cohort/cluster/detail/peers.hpp>
#include <cohort/cluster/embedded/register_node.hpp>

namespace cohort::detail {

/// Runs this node's part of the register: gives it what comes and the time, sends what it says, and
/// tells everybody on the node what that brought about.
///
/// Thread: core 0's; it lives in the frame of its actor.
class conductor {
public:
    conductor(cluster_state& whole, const context<conductor_protocol>& self);

    static behavior<conductor_protocol> run(context<conductor_protocol> self, cluster_state* whole,
                                            std::unique_ptr<conductor> it);

private:
    struct subscriber {
        ref<cluster_watcher> who;
        std::uint64_t epoch = 0;
    };

    void take(received<conductor_protocol>& message, time_point now);
    void settle(time_point now);
    void handle(const register_event& event);
    void depart_now();
    void leave_with_all();
    void adopt_view();
    void fence();
    void give_notice(std::string_view what, std::string detail);
    void change_standing(node_standing to);
    void publish_lease();
    void publish_readiness(time_point now);
    void check_join(time_point now);
    void fail(std::string why);
    void subscribe(const ref<cluster_watcher>& who);
    void tell(subscriber& each);
    /// On every core, on this one now, in the same order as everything else that is told.
    void tell_listeners(void (*what)(ownership_listener&, core&, const view_ptr&));
    [[nodiscard]] duration until_due(time_point now) const;

    cluster_state& whole_;
    context<conductor_protocol> self_;
    register_node node_;
    peers peers_;
    time_point began_;
    time_point tidy_at_;
    bool joined_ = false;
    bool left_ = false;
    bool failed_ = false;
    // Cores that have not heard of a fence may still act on what they know: no lease until then.
    std::uint32_t fence_unheard_ = 0;
    view_ptr before_;  // the view before the current one
    std::vector<subscriber> subscribers_;
    std::vector<reply_to<bool>> departing_;
    std::set<std::pair<std::string, std::uint16_t>> leaving_;  // nodes that were told to leave
};

}  // namespace cohort::detail
