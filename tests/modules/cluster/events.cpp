#include <cohort/cluster/events.hpp>

#include "fleet.hpp"

namespace cohort::cluster_tests {
namespace {

member named(std::uint64_t number, member_phase phase) {
    auto out = member{.uid = {1, number}, .address = {"10.0.0.1", 1}};
    out.phase = phase;
    return out;
}

TEST(cluster_events, are_what_brings_one_view_to_the_next) {
    using kind = member_change::kind;
    auto before = view{};
    before.members = {named(1, member_phase::ready), named(2, member_phase::joining),
                      named(3, member_phase::draining), named(4, member_phase::ready)};
    auto after = view{};
    after.members = {named(1, member_phase::draining), named(2, member_phase::ready),
                     named(5, member_phase::joining)};
    after.fenced = {{1, 4}};
    auto changes = changes_between(&before, after);
    auto text = std::string{};
    for (const auto& each : changes) {
        text += std::to_string(each.who.uid.low) + " " + std::string{name(each.what)} + "; ";
    }
    EXPECT_EQ(text, "3 left; 4 fenced; 1 draining; 2 ready; 5 joined; ");
    auto all = changes_between(nullptr, before);
    ASSERT_EQ(all.size(), 7U);
    EXPECT_EQ(all[0].what, kind::joined);
    EXPECT_EQ(all[1].what, kind::ready);
    EXPECT_TRUE(changes_between(&after, after).empty());
}

struct seen {
    std::vector<view_ptr> views;
    std::vector<member_change> changes;
    std::vector<node_standing> standings;
    int snapshots = 0;
    int gaps = 0;
};

behavior<cluster_watcher> watch(context<cluster_watcher> self, cluster* members, seen* out) {
    members->subscribe(self.self());
    for (;;) {
        auto message = co_await self.receive();
        if (auto whole = message.get_if<cluster_snapshot>()) {
            ++out->snapshots;
            out->standings.push_back(whole->standing);
            if (whole->now != nullptr) {
                out->views.push_back(whole->now);
            }
        } else if (auto change = message.get_if<cluster_changed>()) {
            auto expected = out->views.empty() ? 0 : out->views.back()->epoch + 1;
            out->gaps += change->now->epoch == expected ? 0 : 1;
            EXPECT_EQ(change->members, changes_between(out->views.back().get(), *change->now));
            out->views.push_back(change->now);
            out->changes.insert(out->changes.end(), change->members.begin(), change->members.end());
        } else if (auto standing = message.get_if<cluster_standing>()) {
            out->standings.push_back(standing->now);
        }
    }
}

TEST(cluster_events, come_without_a_gap_behind_a_snapshot) {
    auto all = seen{};
    auto late = seen{};
    auto test = fleet{3, {}, 2};
    test.add(3);
    static_cast<void>(test.node(0).system().spawn_on(1, watch, &test.members(0), &all));
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}));
    static_cast<void>(test.node(0).system().spawn(watch, &test.members(0), &late));
    test.add();
    ASSERT_TRUE(test.run_until_formed({0, 1, 2, 3}));
    test.sim.crash(test.node(3));
    ASSERT_TRUE(test.run_until_formed({0, 1, 2}, 30s));
    EXPECT_EQ(all.gaps, 0);
    EXPECT_EQ(late.gaps, 0);
    EXPECT_EQ(late.snapshots, 1);
    EXPECT_GE(all.snapshots, 1);
    ASSERT_FALSE(late.changes.empty());
    EXPECT_EQ(late.changes.front().what, member_change::kind::joined);
    EXPECT_EQ(late.changes.back().what, member_change::kind::fenced);
    EXPECT_EQ(all.standings.front(), node_standing::outside);
    EXPECT_EQ(all.standings.back(), node_standing::member);
    EXPECT_EQ(*all.views.back(), *late.views.back());
}

TEST(cluster_events, say_when_the_node_may_not_act) {
    auto out = seen{};
    auto test = fleet{2};
    test.add(2);
    static_cast<void>(test.node(1).system().spawn(watch, &test.members(1), &out));
    ASSERT_TRUE(test.run_until_formed({0, 1}));
    test.sim.network().cut(0, 1);
    test.run_for(6s);
    EXPECT_TRUE(test.members(1).standing() == node_standing::suspended ||
                test.members(0).standing() == node_standing::suspended);
}

}  // namespace
}  // namespace cohort::cluster_tests
