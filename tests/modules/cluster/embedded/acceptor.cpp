#include <cohort/cluster/embedded/acceptor.hpp>

#include <gtest/gtest.h>

namespace cohort {
namespace {

using namespace std::chrono_literals;

constexpr auto begin = time_point{1h};
constexpr auto own = node_uid{9, 9};
constexpr auto someone = node_uid{2, 2};

// An acceptor that holds the only seat, knows a view with two members, and is silent no more.
struct seat {
    seat() {
        auto first = view{};
        first.cluster_id = {1, 2};
        first.epoch = 1;
        first.config = 1;
        for (auto uid : {node_uid{1, 1}, someone}) {
            first.members.push_back({.uid = uid,
                                     .address = {"a", 1},
                                     .roles = {},
                                     .spaces = {},
                                     .build = {},
                                     .phase = member_phase::ready,
                                     .acceptor = uid == someone ? node_uid{8, 8} : own});
        }
        first.voters = {{own, {1, 1}, {"a", 1}}};
        first.previous_voters = first.voters;
        base = std::make_shared<const view>(first);
        EXPECT_TRUE(tested.learn(begin, base));
    }

    [[nodiscard]] view_ptr without_someone() const {
        auto next = *base;
        next.epoch = 2;
        std::erase_if(next.members, [](const member& one) { return one.uid == someone; });
        next.fenced = {someone};
        next.departed = {{someone, 2}};
        return std::make_shared<const view>(next);
    }
    control_message accept(time_point now, view_ptr next, std::uint64_t number = 1,
                           bool recovered = false) {
        return tested.accept(now, {own, {number, own}, std::move(next), recovered});
    }
    control_message renew(time_point now) {
        return tested.renew(now, {own, someone, 1, 1, now.time_since_epoch()});
    }

    cluster_times times;
    acceptor tested{own, times, begin};
    view_ptr base;
    time_point later = begin + 10s;
};

TEST(an_acceptor, promises_nothing_to_a_lower_ballot) {
    auto here = seat{};
    EXPECT_TRUE(std::holds_alternative<paxos_promise>(here.tested.prepare({own, {5, own}, 1})));
    EXPECT_TRUE(std::holds_alternative<paxos_refused>(here.tested.prepare({own, {4, own}, 1})));
    auto refused = std::get<paxos_refused>(here.accept(here.later, here.without_someone(), 4));
    EXPECT_EQ(refused.why, paxos_refusal::promised) << "R1";
}

TEST(an_acceptor, refuses_a_fence_while_the_lease_may_hold) {
    auto here = seat{};
    EXPECT_TRUE(std::holds_alternative<lease_grant>(here.renew(here.later)));
    auto refused =
        std::get<paxos_refused>(here.accept(here.later + 3029ms, here.without_someone()));
    EXPECT_EQ(refused.why, paxos_refusal::guarded) << "R6";
    EXPECT_EQ(refused.remaining, 1ms) << "R5: a ttl and its margin";
    EXPECT_TRUE(std::holds_alternative<paxos_accepted>(
        here.accept(here.later + 3030ms, here.without_someone())));
}

TEST(an_acceptor, grants_nothing_behind_a_fence_that_it_accepted) {
    auto here = seat{};
    EXPECT_TRUE(
        std::holds_alternative<paxos_accepted>(here.accept(here.later, here.without_someone())));
    EXPECT_TRUE(std::holds_alternative<lease_denied>(here.renew(here.later))) << "R3";
}

TEST(an_acceptor, is_silent_behind_its_start_and_behind_new_voters) {
    auto here = seat{};
    auto refused = std::get<paxos_refused>(here.accept(begin + 3029ms, here.without_someone()));
    EXPECT_EQ(refused.why, paxos_refusal::silent) << "R7";
    EXPECT_EQ(refused.remaining, 1ms);
}

TEST(an_acceptor, gives_first_owners_a_lease_behind_a_first_view_with_fewer_seats_than_seeds) {
    auto here = seat{};
    auto first = *here.base;
    first.previous_voters.push_back({{8, 8}, someone, {"b", 1}});
    first.spaces.push_back({{.name = "items", .shards = 1, .hash_id = 1, .role = {}}, {{}}, {}});
    auto next = first;
    next.epoch = 2;
    next.previous_voters = next.voters;
    next.spaces[0].shards[0] = {0, 2};
    auto tested = acceptor{own, here.times, begin};
    EXPECT_TRUE(tested.learn(here.later, std::make_shared<const view>(first)));
    auto accept = [&](time_point now) {
        return tested.accept(now, {own, {1, own}, std::make_shared<const view>(next), false});
    };
    auto refused = std::get<paxos_refused>(accept(here.later + 3029ms));
    EXPECT_EQ(refused.why, paxos_refusal::silent)
        << "R7: the other seed may have begun anew just now";
    EXPECT_TRUE(std::holds_alternative<paxos_accepted>(accept(here.later + 3030ms)));
}

TEST(an_acceptor, gives_no_more_to_whom_a_recovered_view_fences) {
    auto here = seat{};
    EXPECT_TRUE(std::holds_alternative<lease_grant>(here.renew(here.later)));
    EXPECT_TRUE(std::holds_alternative<paxos_refused>(
        here.accept(here.later, here.without_someone(), 2, true)));
    auto denied = std::get<lease_denied>(here.renew(here.later));
    EXPECT_EQ(denied.why, lease_denial::doomed) << "R11";
}

TEST(an_acceptor, does_not_know_of_a_new_member_whether_it_is_gone) {
    auto here = seat{};
    EXPECT_EQ(here.tested.owes(begin + 3029ms, someone), lease_state::unknown) << "R12";
    EXPECT_EQ(here.tested.owes(begin + 3030ms, someone), duration::zero());
}

TEST(a_lease, ends_when_the_majority_of_its_grants_does_counted_from_when_they_were_asked) {
    auto counter = lease_counter{};
    auto what = view{};
    what.config = 4;
    what.voters = {{{1, 0}, {}, {}}, {{2, 0}, {}, {}}, {{3, 0}, {}, {}}};
    counter.granted({1, 0}, 4, begin);
    EXPECT_FALSE(counter.end(what)) << "one of three";
    counter.granted({2, 0}, 3, begin + 1s);
    EXPECT_FALSE(counter.end(what)) << "R4: a grant of another electorate does not count";
    counter.granted({3, 0}, 4, begin + 1s);
    EXPECT_EQ(counter.end(what), begin + 2970ms) << "R4: the second latest, and its margin";
}

}  // namespace
}  // namespace cohort
