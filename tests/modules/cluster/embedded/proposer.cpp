#include <cohort/cluster/embedded/proposer.hpp>

#include <gtest/gtest.h>

namespace cohort {
namespace {

using namespace std::chrono_literals;

constexpr auto begin = time_point{1h};
const auto anywhere = endpoint{"a", 1};

voter seat(std::uint64_t n) { return {{n, n}, {n, 0}, {"n" + std::to_string(n), 1}}; }

// A view with seats of these acceptors and a member for each of them.
view_ptr seats_of(std::initializer_list<std::uint64_t> voters, std::uint64_t epoch) {
    auto out = view{};
    out.cluster_id = {1, 2};
    out.epoch = epoch;
    out.config = 1;
    for (auto n : voters) {
        out.voters.push_back(seat(n));
    }
    out.previous_voters = out.voters;
    return std::make_shared<const view>(out);
}

// Another view behind it that nobody changed the voters in; `mark` tells it from others.
view_ptr behind(const view_ptr& base, std::uint64_t mark) {
    auto out = *base;
    ++out.epoch;
    out.departed_since = mark;
    return std::make_shared<const view>(out);
}

// The first acceptor's, with a ballot, and nothing read yet.
struct proposing {
    explicit proposing(view_ptr behind_this) : base{std::move(behind_this)} {
        tested.prepare(begin, base, base->voters, {});
        auto asked = tested.take_outgoing();
        EXPECT_EQ(asked.size(), base->voters.size());
        own = std::get<paxos_prepare>(asked.front().content).ballot;
    }
    void promise(std::uint64_t n, const ballot& accepted_at = {}, view_ptr accepted = nullptr) {
        tested.receive(begin, anywhere,
                       paxos_promise{{n, n}, own, accepted_at, std::move(accepted), nullptr});
    }
    void accepted(std::uint64_t n) { tested.receive(begin, {{n, n}, own, base->epoch + 1}); }

    view_ptr base;
    proposer tested{{1, 1}, 250ms};
    ballot own;
};

TEST(a_proposer, has_read_most_acceptors_before_it_proposes) {
    auto here = proposing{seats_of({1, 2, 3}, 7)};
    here.promise(1);
    EXPECT_EQ(here.tested.at(), proposer::state::preparing) << "R1";
    here.promise(3);
    EXPECT_EQ(here.tested.at(), proposer::state::steady);
}

TEST(a_proposer, decides_by_most_voters_before_and_by_most_of_the_new_ones) {
    auto here = proposing{seats_of({1, 2, 3}, 7)};
    here.promise(1);
    here.promise(2);
    auto next = *behind(here.base, 0);
    next.config = 2;
    next.voters[2] = seat(4);
    here.tested.propose(begin, std::make_shared<const view>(next));
    here.accepted(1);
    here.accepted(4);
    EXPECT_EQ(here.tested.take_decided(), nullptr) << "R2: two of the new three, one of the old";
    here.accepted(3);
    EXPECT_NE(here.tested.take_decided(), nullptr) << "R2: two of each";
}

TEST(a_proposer, decides_nothing_by_voters_that_lose_their_seats) {
    auto here = proposing{seats_of({1, 2, 3}, 7)};
    here.promise(1);
    here.promise(2);
    auto next = *behind(here.base, 0);
    next.config = 2;
    next.voters[2] = seat(4);
    next.voters.push_back(seat(5));
    here.tested.propose(begin, std::make_shared<const view>(next));
    here.accepted(2);
    here.accepted(3);
    EXPECT_EQ(here.tested.take_decided(), nullptr) << "R2: two of the old three, one of the new";
    here.accepted(4);
    here.accepted(5);
    EXPECT_NE(here.tested.take_decided(), nullptr);
}

TEST(a_proposer, goes_on_with_what_the_highest_ballot_accepted) {
    auto here = proposing{seats_of({1, 2, 3, 4, 5}, 7)};
    auto older = behind(here.base, 1);
    auto newer = behind(here.base, 2);
    here.promise(1, {1, {9, 9}}, older);
    here.promise(2, {1, {9, 9}}, older);
    here.promise(3, {2, {8, 8}}, newer);
    ASSERT_EQ(here.tested.at(), proposer::state::accepting);
    EXPECT_EQ(here.tested.proposed(), newer) << "R10: not what most hold";
    auto asked = here.tested.take_outgoing();
    EXPECT_TRUE(std::get<paxos_accept>(asked.back().content).recovered) << "R11 needs to know";
}

TEST(a_proposer, drops_what_nobody_can_have_chosen) {
    auto here = proposing{seats_of({1, 2, 3, 4}, 7)};
    here.promise(1, {1, {9, 9}}, behind(here.base, 1));
    here.promise(2);
    here.promise(3);
    EXPECT_EQ(here.tested.at(), proposer::state::steady) << "R10: one of four holds it, or two";
    EXPECT_EQ(here.tested.seen().discarded, 1U);
}

// Whoever voted for it has no rules, or is of another cluster.
TEST(a_proposer, finishes_nothing_that_cannot_follow_what_it_knows) {
    auto here = proposing{seats_of({1, 2, 3}, 7)};
    auto other = *seats_of({3}, 8);
    other.cluster_id = {9, 9};
    here.promise(1);
    here.promise(3, {5, {3, 3}}, std::make_shared<const view>(other));
    EXPECT_EQ(here.tested.at(), proposer::state::steady);
    EXPECT_EQ(here.tested.proposed(), nullptr);
}

TEST(a_proposer, waits_no_longer_for_a_silence_than_time_lasts) {
    auto here = proposing{seats_of({1, 2, 3}, 7)};
    here.promise(1);
    here.promise(2);
    here.tested.propose(begin, behind(here.base, 1));
    static_cast<void>(here.tested.take_outgoing());
    here.tested.receive(begin, anywhere,
                        paxos_refused{.acceptor = {2, 2},
                                      .ballot = here.own,
                                      .why = paxos_refusal::silent,
                                      .remaining = duration::max()});
    EXPECT_EQ(here.tested.due(), begin + 250ms);
}

}  // namespace
}  // namespace cohort
