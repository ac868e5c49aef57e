#include <cohort/cluster/events.hpp>

#include <algorithm>

namespace cohort {
namespace {

using kind = member_change::kind;

void add_arrival(const member& who, std::vector<member_change>& out) {
    out.push_back({kind::joined, who});
    if (who.phase != member_phase::joining) {
        out.push_back({who.phase == member_phase::ready ? kind::ready : kind::draining, who});
    }
}

void add_departure(const member& who, const view& after, std::vector<member_change>& out) {
    auto fenced = std::find(after.fenced.begin(), after.fenced.end(), who.uid);
    out.push_back({fenced == after.fenced.end() ? kind::left : kind::fenced, who});
}

}  // namespace

std::string_view name(member_change::kind what) noexcept {
    switch (what) {
        case kind::joined:
            return "joined";
        case kind::ready:
            return "ready";
        case kind::draining:
            return "draining";
        case kind::left:
            return "left";
        case kind::fenced:
            return "fenced";
    }
    return "unknown";
}

std::string_view name(node_standing what) noexcept {
    switch (what) {
        case node_standing::outside:
            return "outside";
        case node_standing::member:
            return "member";
        case node_standing::suspended:
            return "suspended";
    }
    return "unknown";
}

std::vector<member_change> changes_between(const view* before, const view& after) {
    auto out = std::vector<member_change>{};
    if (before != nullptr) {
        for (const auto& each : before->members) {
            if (after.find(each.uid) == nullptr) {
                add_departure(each, after, out);
            }
        }
    }
    for (const auto& each : after.members) {
        const auto* was = before == nullptr ? nullptr : before->find(each.uid);
        if (was == nullptr) {
            add_arrival(each, out);
        } else if (was->phase != each.phase) {
            out.push_back({each.phase == member_phase::ready ? kind::ready : kind::draining, each});
        }
    }
    return out;
}

}  // namespace cohort
