#include <cohort/cluster/embedded/planner.hpp>

#include <algorithm>

#include <gtest/gtest.h>

#include <cohort/cluster/embedded/driver.hpp>

namespace cohort {
namespace {

using namespace std::chrono_literals;

constexpr auto begin = time_point{1h};

constexpr node_uid uid(std::uint64_t n) { return {n, 1}; }
constexpr node_uid memory(std::uint64_t n) { return {n, 2}; }

member node(std::uint64_t n) {
    return {.uid = uid(n),
            .address = {"n" + std::to_string(n), 1},
            .roles = {},
            .spaces = {"items"},
            .build = {},
            .phase = member_phase::ready,
            .acceptor = memory(n)};
}

// Four members, of whom three vote and the first owns the four shards of a space.
view four_nodes() {
    auto out = view{};
    out.cluster_id = {7, 7};
    out.epoch = 10;
    out.config = 3;
    for (std::uint64_t n : {1, 2, 3, 4}) {
        out.members.push_back(node(n));
        if (n != 4) {
            out.voters.push_back({memory(n), uid(n), node(n).address});
        }
    }
    out.previous_voters = out.voters;
    auto items = space{};
    items.options.name = "items";
    items.options.shards = 4;
    items.shards.assign(4, {0, 5});
    out.spaces.push_back(items);
    return out;
}

join_request asking(std::uint64_t n, const view& of, std::uint64_t epoch) {
    auto out = join_request{};
    out.self = node(n);
    out.times = of.times;
    out.cluster_id = of.cluster_id;
    out.epoch = epoch;
    return out;
}

bool admits(const view& base, const join_request& asked) {
    auto input = plan_input{};
    input.joins = {asked};
    input.anyway = true;
    return plan_next(base, input)->find(asked.self.uid) != nullptr;
}

TEST(a_plan, admits_nobody_who_was_removed) {
    auto base = four_nodes();
    EXPECT_TRUE(admits(base, asking(5, base, 10)));
    base.departed = {{uid(5), 9}};
    EXPECT_FALSE(admits(base, asking(5, base, 10))) << "R8";
    EXPECT_TRUE(admits(base, asking(6, base, 10)));
}

TEST(a_plan, admits_nobody_whose_removal_may_be_forgotten) {
    auto base = four_nodes();
    base.departed_since = 8;
    EXPECT_FALSE(admits(base, asking(5, base, 7)))
        << "R8: asked before epoch 8, up to which removals are forgotten";
    EXPECT_TRUE(admits(base, asking(5, base, 8)));
}

TEST(a_plan, remembers_whom_it_removes) {
    auto base = four_nodes();
    auto input = plan_input{};
    input.expired = {uid(4)};
    auto next = plan_next(base, input);
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(next->fenced, std::vector{uid(4)});
    EXPECT_EQ(next->departed, (std::vector<departed_member>{{uid(4), 11}})) << "R8";
    auto again = *next;
    ++again.epoch;
    again.fenced.clear();
    again.departed.clear();
    EXPECT_NE(what_is_wrong(*next, again), nullptr) << "R8: and no view may forget it";
}

TEST(a_plan, gives_a_shard_on_when_it_was_released_as_it_was_asked_for) {
    auto base = four_nodes();
    base.spaces[0].moving = {{0, 9, 1}, {1, 9, 2}};
    auto owners = [&](std::vector<shard_release> releases) {
        auto input = plan_input{};
        input.releases = std::move(releases);
        input.anyway = true;
        auto next = plan_next(base, input);
        EXPECT_EQ(what_is_wrong(base, *next), nullptr);
        return next->spaces[0].shards;
    };
    auto kept = shard_owner{0, 5};
    EXPECT_EQ(owners({})[0], kept) << "R9";
    EXPECT_EQ(owners({{uid(1), "items", 0, 8}})[0], kept) << "R9: released for an older move";
    EXPECT_EQ(owners({{uid(2), "items", 0, 9}})[0], kept) << "R9: not by its owner";
    EXPECT_EQ(owners({{uid(1), "items", 0, 9}})[0], (shard_owner{1, 11})) << "R9, I3";
    EXPECT_EQ(owners({{uid(1), "items", 0, 9}})[1], kept) << "the other one is not";
}

TEST(a_plan, takes_shards_from_who_is_fenced_without_asking) {
    auto base = four_nodes();
    auto input = plan_input{};
    input.expired = {uid(1)};
    auto next = plan_next(base, input);
    ASSERT_NE(next, nullptr);
    for (const auto& each : next->spaces[0].shards) {
        EXPECT_NE(each.owner, shard_owner::nobody);
        EXPECT_EQ(each.own_epoch, 11U) << "R9: by the fence";
    }
}

TEST(a_plan, gives_a_seat_only_to_who_said_that_it_would_take_one) {
    auto base = four_nodes();
    auto input = plan_input{};
    input.expired = {uid(3)};
    auto next = plan_next(base, input);
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(next->voters, base.voters) << "R14: the seat stays vacant";
    input.candidates = {uid(4)};
    next = plan_next(base, input);
    EXPECT_NE(next->seat_of(memory(4)), nullptr);
    EXPECT_EQ(next->seat_of(memory(3)), nullptr);
    EXPECT_EQ(next->config, 4U);
}

TEST(a_plan, does_not_count_past_the_last_number) {
    auto input = plan_input{.expired = {uid(3)}};
    auto base = four_nodes();
    EXPECT_NE(plan_next(base, input), nullptr);
    base.config = 0xffffffff;
    EXPECT_EQ(plan_next(base, input), nullptr);
    base = four_nodes();
    base.epoch = ~std::uint64_t{0};
    EXPECT_EQ(plan_next(base, input), nullptr);
}

TEST(a_plan, admits_together_only_who_agree_with_each_other) {
    auto base = four_nodes();
    auto one = asking(5, base, 10);
    auto other = asking(6, base, 10);
    one.spaces = {{.name = "houses", .shards = 4, .role = {}}};
    other.spaces = {{.name = "houses", .shards = 8, .role = {}}};
    auto next = plan_next(base, plan_input{.joins = {one, other}});
    ASSERT_NE(next, nullptr);
    EXPECT_NE(next->find(uid(5)), nullptr);
    EXPECT_EQ(next->find(uid(6)), nullptr) << "it shards them in another way";
    one.spaces.clear();
    other.spaces.clear();
    for (std::size_t i = 1; i < view_limits::spaces; ++i) {
        one.spaces.push_back({.name = "one" + std::to_string(i), .shards = 1, .role = {}});
        other.spaces.push_back({.name = "other" + std::to_string(i), .shards = 1, .role = {}});
    }
    next = plan_next(base, plan_input{.joins = {one, other}});
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(next->spaces.size(), view_limits::spaces);
    EXPECT_EQ(next->find(uid(6)), nullptr) << "there is no place for its spaces any more";
}

TEST(a_plan, admits_nobody_whose_spaces_have_names_that_are_too_long) {
    auto base = four_nodes();
    auto asked = asking(5, base, 10);
    asked.spaces = {{.name = std::string(view_limits::text, 'a'), .shards = 1, .role = {}}};
    EXPECT_TRUE(admits(base, asked));
    asked.spaces[0].name += 'a';
    EXPECT_FALSE(admits(base, asked));
    asked.spaces[0].name = "houses";
    asked.spaces[0].role = std::string(view_limits::text + 1, 'a');
    EXPECT_FALSE(admits(base, asked));
}

TEST(a_plan, removes_no_more_at_once_than_a_view_remembers) {
    auto base = four_nodes();
    auto input = plan_input{};
    for (std::uint64_t n = 10; n < 10 + view_limits::departed + 3; ++n) {
        base.members.push_back(node(n));
        input.expired.push_back(uid(n));
    }
    ASSERT_EQ(what_is_wrong(base), nullptr);
    auto next = plan_next(base, input);
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(next->members.size(), 4U + 3U);
    EXPECT_EQ(next->departed.size(), view_limits::departed);
    auto rest = plan_next(*next, input);
    ASSERT_NE(rest, nullptr);
    EXPECT_EQ(rest->members.size(), 4U);
    EXPECT_EQ(rest->departed_since, next->epoch);
}

TEST(a_plan, admits_nobody_whose_removal_it_forgets) {
    auto base = four_nodes();
    base.departed = {{uid(5), 9}};
    for (std::uint64_t n = 10; base.departed.size() < view_limits::departed; ++n) {
        base.departed.push_back({uid(n), 10});
    }
    ASSERT_EQ(what_is_wrong(base), nullptr);
    auto next = plan_next(base, {.expired = {uid(4)}, .joins = {asking(5, base, 10)}});
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(next->departed_since, 9U);
    EXPECT_EQ(next->find(uid(5)), nullptr) << "R8";
}

TEST(a_driver, takes_a_candidate_at_its_word_for_two_renewals_and_for_one_view) {
    auto base = std::make_shared<const view>(four_nodes());
    auto own = acceptor{memory(1), base->times, begin};
    EXPECT_TRUE(own.learn(begin, base));
    auto tested = driver{base->times};
    auto candidates = [&](time_point now) { return tested.input(now, *base, own).candidates; };
    auto asked = (begin + 10s).time_since_epoch();
    EXPECT_TRUE(candidates(begin + 10s).empty());
    tested.heard(seat_ready{memory(4), 9, asked});
    EXPECT_TRUE(candidates(begin + 10s).empty()) << "R14: it spoke of an older view";
    tested.heard(seat_ready{memory(4), 10, asked});
    EXPECT_EQ(candidates(begin + 11s), std::vector{uid(4)});
    EXPECT_TRUE(candidates(begin + 11001ms).empty())
        << "R14: two renewals behind the question, whenever the answer came";
    tested.heard(seat_ready{memory(2), 10, asked});
    EXPECT_TRUE(candidates(begin + 11s) == std::vector{uid(4)}) << "who has a seat needs none";
}

}  // namespace
}  // namespace cohort
