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

// The member owns all shards of a space that it shards as the others do.
view four_shards(const register_node& it) {
    auto out = one_more_member(it);
    auto me = out.index_of(it.uid());
    for (auto& each : out.members) {
        each.phase = member_phase::ready;
        each.spaces = {"items"};
    }
    auto items = space{};
    items.options = {.name = "items", .shards = 4, .hash_id = 1, .role = {}};
    items.shards.assign(4, {me, 6});
    out.spaces.push_back(items);
    return out;
}

TEST(register_member, takes_no_view_that_shards_its_entities_in_another_way) {
    auto now = time_point{1h};
    auto it = make_node(3);
    it.start(now);
    auto first = four_shards(it);
    auto otherwise = first;
    otherwise.spaces[0].options.shards = 3;
    otherwise.spaces[0].shards.pop_back();
    ASSERT_EQ(what_is_wrong(otherwise), nullptr);
    hear(it, now, otherwise);
    EXPECT_EQ(it.phase(), register_phase::probing);
    hear(it, now, first);
    ASSERT_EQ(it.phase(), register_phase::member);
    otherwise.epoch = 9;
    hear(it, now, otherwise);
    EXPECT_EQ(it.current()->epoch, 7U);
}

TEST(register_member, takes_no_view_in_which_an_epoch_of_ownership_falls) {
    auto now = time_point{1h};
    auto it = make_node(3);
    it.start(now);
    auto first = four_shards(it);
    hear(it, now, first);
    auto next = first;
    next.epoch = 9;
    next.spaces[0].shards[2].own_epoch = 5;
    ASSERT_EQ(what_is_wrong(next), nullptr);
    hear(it, now, next);
    EXPECT_EQ(it.current()->epoch, 7U) << "I3";
}

TEST(register_member, goes_on_under_another_name_when_it_is_said_to_have_released_what_it_owns) {
    auto now = time_point{1h};
    auto it = make_node(3);
    it.start(now);
    auto first = four_shards(it);
    auto uid = it.uid();
    auto me = first.index_of(uid);
    first.spaces[0].moving = {{1, 7, static_cast<std::uint16_t>(1 - me)}};
    ASSERT_EQ(what_is_wrong(first), nullptr);
    hear(it, now, first);
    ASSERT_EQ(it.phase(), register_phase::member);
    auto next = first;
    next.epoch = 8;
    next.spaces[0].moving.clear();
    next.spaces[0].shards[1] = {static_cast<std::uint16_t>(1 - me), 8};
    ASSERT_EQ(what_is_wrong(first, next), nullptr);
    static_cast<void>(it.take_events());
    hear(it, now, next);
    EXPECT_NE(it.uid(), uid);
    auto events = it.take_events();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].what, register_event::kind::fenced) << "before anybody hears of the view";
    EXPECT_EQ(events[1].what, register_event::kind::view_changed);
}

TEST(register_member, stays_who_it_is_when_it_has_released_what_is_given_on) {
    auto now = time_point{1h};
    auto it = make_node(3);
    it.start(now);
    auto first = four_shards(it);
    auto uid = it.uid();
    auto other = static_cast<std::uint16_t>(1 - first.index_of(uid));
    first.spaces[0].moving = {{1, 7, other}};
    hear(it, now, first);
    it.release(now, 0, 1, 7);
    auto next = first;
    next.epoch = 9;  // those between were lost on the way
    next.spaces[0].moving.clear();
    next.spaces[0].shards[1] = {other, 8};
    hear(it, now, next);
    EXPECT_EQ(it.uid(), uid);
    EXPECT_EQ(it.current()->epoch, 9U);
}

// A shard that has just moved draws many messages by a view that its new owner does not have yet.
TEST(register_member, looks_for_a_newer_view_once_in_a_while) {
    auto now = time_point{1h};
    auto it = make_node(3);
    it.start(now);
    hear(it, now, four_shards(it));
    static_cast<void>(it.take_outgoing());
    auto looks = [&](time_point at) {
        it.look_for(at, 9);
        auto said = it.take_outgoing();
        return std::count_if(said.begin(), said.end(), [](const outgoing_control& each) {
            return std::holds_alternative<view_request>(each.content);
        });
    };
    EXPECT_EQ(looks(now), 1);
    EXPECT_EQ(looks(now + 1ms), 0);
    EXPECT_EQ(looks(now + 6ms), 1);
    it.look_for(now + 20ms, 7);
    EXPECT_TRUE(it.take_outgoing().empty());
}

}  // namespace
}  // namespace cohort::register_talk
