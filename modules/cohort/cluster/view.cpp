#include <cohort/cluster/view.hpp>

#include <algorithm>

namespace cohort {

std::string_view name(member_phase phase) noexcept {
    switch (phase) {
        case member_phase::joining:
            return "joining";
        case member_phase::ready:
            return "ready";
        case member_phase::draining:
            return "draining";
    }
    return "unknown";
}

bool member::has_role(std::string_view wanted) const noexcept {
    return std::find(roles.begin(), roles.end(), wanted) != roles.end();
}

bool member::knows_space(std::string_view wanted) const noexcept {
    return std::find(spaces.begin(), spaces.end(), wanted) != spaces.end();
}

const member* view::find(node_uid uid) const noexcept {
    auto found = std::lower_bound(members.begin(), members.end(), uid,
                                  [](const member& one, node_uid key) { return one.uid < key; });
    return found != members.end() && found->uid == uid ? &*found : nullptr;
}

std::uint16_t view::index_of(node_uid uid) const noexcept {
    const auto* found = find(uid);
    return found == nullptr ? shard_owner::nobody
                            : static_cast<std::uint16_t>(found - members.data());
}

const space* view::find_space(std::string_view name) const noexcept {
    auto found = std::find_if(spaces.begin(), spaces.end(),
                              [name](const space& one) { return one.options.name == name; });
    return found == spaces.end() ? nullptr : &*found;
}

const voter* view::seat_of(node_uid acceptor) const noexcept {
    auto found = std::find_if(voters.begin(), voters.end(),
                              [acceptor](const voter& one) { return one.acceptor == acceptor; });
    return found == voters.end() || acceptor == node_uid{} ? nullptr : &*found;
}

}  // namespace cohort
