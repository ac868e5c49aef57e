#include <algorithm>

#include <gtest/gtest.h>

#include <fuzz/register.hpp>

namespace cohort::register_talk {
namespace {

view one_more_member(const register_node& it) {
    auto other = member{.uid = {1, 1},
                        .address = address_of(0),
                        .roles = {},
                        .spaces = {},
                        .build = {},
                        .phase = member_phase::ready,
                        .acceptor = {9, 9}};
    auto it_itself = other;
    it_itself.uid = it.uid();
    it_itself.acceptor = it.acceptor();
    it_itself.address = address_of(3);
    auto out = view{.cluster_id = {5, 5}, .epoch = 7, .config = 1};
    out.voters = out.previous_voters = {{other.acceptor, other.uid, other.address}};
    out.members = {other, it_itself};
    std::sort(out.members.begin(), out.members.end(),
              [](const member& left, const member& right) { return left.uid < right.uid; });
    return out;
}

void hear(register_node& it, time_point now, const view& what) {
    it.receive(now, address_of(0), view_commit{std::make_shared<const view>(what)});
}

bool was_told(register_node& it, register_event::kind what) {
    auto events = it.take_events();
    return std::any_of(events.begin(), events.end(),
                       [what](const register_event& each) { return each.what == what; });
}

TEST(register_member, is_fenced_by_a_view_that_says_it_left_though_nobody_told_it_to) {
    auto now = time_point{1h};
    auto it = make_node(3);
    it.start(now);
    auto first = one_more_member(it);
    auto uid = it.uid();
    for (auto& each : first.members) {
        each.phase = each.uid == uid ? member_phase::draining : each.phase;
    }
    hear(it, now, first);
    ASSERT_EQ(it.phase(), register_phase::member);
    auto next = first;
    next.epoch = 8;
    std::erase_if(next.members, [uid](const member& each) { return each.uid == uid; });
    next.departed = {{uid, 8}};
    ASSERT_EQ(what_is_wrong(next), nullptr);
    static_cast<void>(it.take_events());
    hear(it, now, next);
    EXPECT_TRUE(was_told(it, register_event::kind::fenced));
    EXPECT_NE(it.phase(), register_phase::left);
    EXPECT_NE(it.uid(), uid);
}

}  // namespace
}  // namespace cohort::register_talk
