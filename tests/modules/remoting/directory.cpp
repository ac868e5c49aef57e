#include <cohort/remoting/detail/directory.hpp>

#include <gtest/gtest.h>

#include <cohort/testkit/deterministic.hpp>

namespace cohort::detail {
namespace {

constexpr auto uid = node_uid{1, 2};

hello calling(std::uint64_t attempt, std::uint64_t session, std::uint64_t callee_session = 0) {
    return {.lane = lane::data,
            .caller = uid,
            .attempt = attempt,
            .caller_session = session,
            .callee_session = callee_session,
            .host = "10.0.0.1",
            .port = 4000};
}

struct directory_test : testing::Test {
    simulated_world world;
    directory peers{world};
    holder first{0, 1, 1};
    holder second{0, 2, 1};
};

TEST_F(directory_test, hands_a_lane_from_an_older_connection_to_a_newer_one_only) {
    auto admitted = peers.admit(calling(1, 7), first);
    EXPECT_EQ(admitted.why, rejection::none);
    EXPECT_EQ(admitted.replaced, holder{});
    auto newer = peers.admit(calling(3, 7), second);
    EXPECT_EQ(newer.why, rejection::none);
    EXPECT_EQ(newer.replaced, first);
    EXPECT_EQ(newer.who.place, admitted.who.place);
    EXPECT_EQ(peers.admit(calling(2, 7), first).why, rejection::stale);
    EXPECT_EQ(peers.admit(calling(3, 7), first).why, rejection::stale);
    peers.release(newer.who.place, newer.who.generation, lane::data, 0, first);
    EXPECT_EQ(peers.admit(calling(4, 7), first).replaced, second) << "released by another";
    peers.release(newer.who.place, newer.who.generation, lane::data, 0, first);
    EXPECT_EQ(peers.admit(calling(5, 7), second).replaced, holder{});
}

TEST_F(directory_test, begins_anew_with_who_had_given_this_node_up) {
    auto before = peers.admit(calling(9, 7), first);
    auto after = peers.admit(calling(1, 8), second);
    ASSERT_EQ(after.why, rejection::none);
    ASSERT_TRUE(after.gone);
    EXPECT_EQ(after.gone->place, before.who.place);
    EXPECT_EQ(after.gone->generation, before.who.generation);
    EXPECT_NE(after.who.session, before.who.session);
    EXPECT_FALSE(peers.find(before.who.place, before.who.generation));
    EXPECT_EQ(after.replaced, holder{});
}

TEST_F(directory_test, tells_who_was_given_up_that_it_is_forgotten) {
    auto known = peers.admit(calling(1, 7), first);
    EXPECT_TRUE(peers.forget(known.who.place, known.who.generation));
    EXPECT_FALSE(peers.forget(known.who.place, known.who.generation)) << "once";
    EXPECT_EQ(peers.admit(calling(2, 7, known.who.session), first).why, rejection::forgotten);
    auto again = peers.admit(calling(1, 8), first);
    EXPECT_EQ(again.why, rejection::none);
    EXPECT_EQ(peers.admit(calling(2, 8, known.who.session), first).why, rejection::forgotten);
    EXPECT_EQ(peers.admit(calling(2, 8, again.who.session), first).why, rejection::none);
}

TEST_F(directory_test, believes_a_welcome_of_the_same_acquaintance_only) {
    auto met = peers.learn(uid, {"10.0.0.1", 4000}, {});
    ASSERT_TRUE(met);
    auto answer = welcome{.callee = uid, .callee_session = 5, .names = 77};
    EXPECT_TRUE(peers.confirm(met->place, met->generation, answer));
    EXPECT_EQ(peers.find(uid)->names.value, 77U);
    EXPECT_TRUE(peers.confirm(met->place, met->generation, answer));
    answer.callee_session = 6;
    EXPECT_FALSE(peers.confirm(met->place, met->generation, answer));
}

TEST_F(directory_test, takes_hearsay_only_where_it_knows_nothing) {
    EXPECT_TRUE(peers.introduce(uid, {"10.0.0.9", 9}));
    EXPECT_EQ(peers.find(uid)->address, (endpoint{"10.0.0.9", 9}));
    EXPECT_FALSE(peers.introduce(uid, {"10.6.6.6", 6})) << "no news";
    EXPECT_EQ(peers.find(uid)->address, (endpoint{"10.0.0.9", 9}));
    static_cast<void>(peers.learn(uid, {"10.0.0.1", 4000}, {}));
    EXPECT_EQ(peers.find(uid)->address, (endpoint{"10.0.0.1", 4000}));
    EXPECT_TRUE(peers.find(endpoint{"10.0.0.1", 4000}));
    EXPECT_FALSE(peers.find(endpoint{"10.0.0.9", 9}));
}

TEST_F(directory_test, knows_a_bounded_number_of_peers_and_never_the_old_one_in_a_place) {
    auto first_known = *peers.learn({3, 0}, {}, {});
    for (std::uint64_t i = 1; i < directory::peers_max; ++i) {
        ASSERT_TRUE(peers.learn({3, i}, {}, {}));
    }
    EXPECT_FALSE(peers.learn({2, 0}, {}, {}));
    EXPECT_EQ(peers.admit(calling(1, 7), first).why, rejection::busy);
    EXPECT_TRUE(peers.forget(first_known.place, first_known.generation));
    auto next = peers.learn({2, 0}, {}, {});
    ASSERT_TRUE(next);
    EXPECT_EQ(next->place, first_known.place);
    EXPECT_NE(next->generation, first_known.generation);
    EXPECT_EQ(peers.all().size(), directory::peers_max);
}

}  // namespace
}  // namespace cohort::detail
