#include <cohort/cluster/embedded/messages.hpp>

#include <gtest/gtest.h>

namespace cohort {
namespace {

view a_view() {
    auto out = view{};
    out.cluster_id = {1, 2};
    out.epoch = 7;
    out.config = 1;
    out.members = {{.uid = {1, 1},
                    .address = {"a", 1},
                    .roles = {},
                    .spaces = {"items"},
                    .build = {},
                    .phase = member_phase::ready,
                    .acceptor = {9, 9}}};
    out.voters = {{{9, 9}, {1, 1}, {"a", 1}}};
    out.previous_voters = out.voters;
    auto items = space{};
    items.options.name = "items";
    items.options.shards = 4;
    items.shards.resize(4, {0, 3});
    out.spaces.push_back(items);
    return out;
}

result<control_message> through_the_wire(const view& what) {
    auto wire = byte_buffer{};
    encode(control_message{view_commit{std::make_shared<const view>(what)}}, wire).value();
    return decode<control_message>(wire.view());
}

TEST(control_messages, carry_a_view_whole) {
    auto read = through_the_wire(a_view());
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*std::get<view_commit>(*read).decided, a_view());
}

TEST(control_messages, carry_no_view) {
    auto wire = byte_buffer{};
    encode(control_message{paxos_promise{}}, wire).value();
    auto read = decode<control_message>(wire.view());
    ASSERT_TRUE(read);
    EXPECT_EQ(std::get<paxos_promise>(*read).accepted, nullptr);
}

TEST(control_messages, are_refused_with_an_owner_that_is_no_member) {
    auto wrong = a_view();
    wrong.spaces[0].shards[2].owner = 1;
    EXPECT_FALSE(through_the_wire(wrong));
}

TEST(control_messages, are_refused_with_an_epoch_of_ownership_to_come) {
    auto wrong = a_view();
    wrong.spaces[0].shards[2].own_epoch = 8;
    EXPECT_FALSE(through_the_wire(wrong));
}

TEST(control_messages, are_refused_when_an_acceptor_has_two_seats) {
    auto wrong = a_view();
    wrong.voters.push_back(wrong.voters[0]);
    EXPECT_FALSE(through_the_wire(wrong));
}

TEST(control_messages, are_refused_when_a_space_has_not_as_many_shards_as_it_says) {
    auto wrong = a_view();
    wrong.spaces[0].shards.pop_back();
    EXPECT_FALSE(through_the_wire(wrong));
}

TEST(a_view_behind_another, changes_one_seat_at_most) {
    auto base = a_view();
    auto next = base;
    ++next.epoch;
    EXPECT_EQ(what_is_wrong(base, next), nullptr);
    next.config = 2;
    next.voters = {{{8, 8}, {1, 1}, {"a", 1}}, {{7, 7}, {1, 1}, {"a", 1}}};
    EXPECT_NE(what_is_wrong(base, next), nullptr);
}

TEST(a_view_behind_another, takes_no_shard_from_who_was_not_asked) {
    auto base = a_view();
    auto next = base;
    ++next.epoch;
    next.spaces[0].shards[0] = {shard_owner::nobody, 3};
    EXPECT_NE(what_is_wrong(base, next), nullptr) << "R9";
    base.spaces[0].moving = {{0, 7, shard_owner::nobody}};
    EXPECT_EQ(what_is_wrong(base, next), nullptr);
}

TEST(a_view_behind_another, notes_who_departed) {
    auto base = a_view();
    auto next = base;
    ++next.epoch;
    next.members.clear();
    next.spaces[0].shards.assign(4, {shard_owner::nobody, 3});
    next.fenced = {{1, 1}};
    EXPECT_NE(what_is_wrong(base, next), nullptr) << "R8";
    next.departed = {{{1, 1}, 8}};
    EXPECT_EQ(what_is_wrong(base, next), nullptr);
}

}  // namespace
}  // namespace cohort
