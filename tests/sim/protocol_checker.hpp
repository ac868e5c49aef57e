#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "protocol_world.hpp"

namespace cohort::sim {

/// Nodes of which it is known at any time what each of them believes and does, and whether that is
/// as it has to be.
class protocol_checker : public protocol_world {
public:
    using protocol_world::protocol_world;

    [[nodiscard]] const std::optional<std::string>& failure() const noexcept { return failure_; }
    [[nodiscard]] const std::map<std::string, std::uint64_t>& sometimes() const noexcept {
        return sometimes_;
    }

protected:
    void fail(std::string why) {
        if (!failure_) {
            failure_ = std::move(why);
        }
    }
    void saw(const char* what) { ++sometimes_[what]; }
    /// The newest view that any node has adopted, or null.
    [[nodiscard]] const view_ptr& newest() const noexcept { return newest_; }
    /// For whoever looks for the reason.
    [[nodiscard]] static std::string described(const view& what);

    void happened(std::uint32_t which, const register_event& what) override;
    void sent(std::uint32_t which, const control_message& what) override;
    void stepped(std::uint32_t which) override;
    /// The node has left its cluster, as it was asked to.
    virtual void has_left(std::uint32_t which) = 0;
    /// The node is the first one to know a view that is decided.
    virtual void decided(std::uint32_t which, const view_ptr& what) = 0;

private:
    void note_view(std::uint32_t which, const view_ptr& now_seen);
    void check_first(const view& first);
    [[nodiscard]] bool may_be_split();
    void check_step(const view& before, const view& next);
    void check_own_epochs(const view& before, const view& next, const space& now_is);
    void check_left(std::uint32_t which);
    void check_taker(std::uint32_t driver, const paxos_accept& proposal);
    void compare(protocol_host& left, protocol_host& right);

    struct last_seen {
        std::uint64_t starts = 0;
        std::uint64_t epoch = 0;
        node_uid cluster;
    };
    struct served {
        bool serves = false;
        view_ptr view;
        std::uint64_t starts = 0;
    };

    std::optional<std::string> failure_;
    std::map<std::string, std::uint64_t> sometimes_;
    std::map<node_uid, view_ptr> clusters_;  // each with its newest view
    bool split_ = false;  // a second cluster was made as docs/protocol.md says that one can be
    std::map<std::pair<node_uid, std::uint64_t>, view_ptr> decided_;
    view_ptr newest_;
    std::map<std::uint32_t, last_seen> last_epoch_;
    std::map<std::uint32_t, served> served_;
    std::set<std::pair<node_uid, node_uid>> removed_;
    std::map<std::string, std::vector<std::uint64_t>> own_epochs_;
    std::map<std::uint32_t, ballot> proposed_at_;
};

}  // namespace cohort::sim
