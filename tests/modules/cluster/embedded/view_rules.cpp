// Every limit of a view, and every rule of what may come behind it, by its sentence. Broken views
// are seeds for fuzzing too:
//
//     COHORT_RECORD=tests/fuzz/corpus test_register --gtest_filter=view_rules*

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include <gtest/gtest.h>

#include <cohort/cluster/embedded/messages.hpp>

namespace cohort {
namespace {

struct broken {
    std::string_view why;
    std::function<void(view&)> change;
};

member a_member(std::uint64_t number) {
    return {.uid = {number, number},
            .address = {"a", 1},
            .roles = {"cache"},
            .spaces = {"items"},
            .build = {},
            .phase = member_phase::ready,
            .acceptor = {9, number}};
}

voter a_seat(std::uint64_t number) { return {{9, number}, {number, number}, {"a", 1}}; }

/// Three members, one shard on its way, one that departed.
view a_view() {
    auto out = view{.cluster_id = {1, 2}, .epoch = 7, .config = 1};
    out.members = {a_member(1), a_member(2), a_member(3)};
    out.voters = out.previous_voters = {a_seat(1), a_seat(2), a_seat(3)};
    out.departed = {{{5, 5}, 5}, {{6, 6}, 6}};
    out.spaces.push_back({{.name = "items", .shards = 4, .hash_id = 1, .role = {}},
                          {{0, 3}, {1, 3}, {2, 4}, {}},
                          {{0, 7, 1}}});
    return out;
}

/// What may follow: a shard was released, another one got its first owner.
view the_next_view() {
    auto out = a_view();
    out.epoch = 8;
    out.spaces[0].shards[0] = {1, 8};
    out.spaces[0].shards[3] = {2, 8};
    out.spaces[0].moving.clear();
    return out;
}

void save(std::string_view why, const control_message& message) {
    constexpr std::size_t small = 4096;
    auto out = byte_buffer{};
    encode(message, out).value();
    const auto* folder = std::getenv("COHORT_RECORD");
    if (folder == nullptr || out.size() > small) {
        return;
    }
    auto name = (message.index() == 1 ? "broken_behind_" : "broken_") + std::string{why};
    std::replace_if(
        name.begin(), name.end(), [](char letter) { return letter < 'a' || letter > 'z'; }, '_');
    auto file =
        std::ofstream{std::filesystem::path{folder} / "fuzz_cluster" / name, std::ios::binary};
    file << out.view();
    EXPECT_TRUE(file.good()) << name;
}

const std::string long_text(256, 'x');

const std::vector<broken> limits = {
    {"a view has no name or no number", [](view& it) { it.epoch = 0; }},
    {"a view has too many members",
     [](view& it) {
         it.members.clear();
         for (std::uint64_t number = 1; number <= 1025; ++number) {
             it.members.push_back(a_member(number));
         }
     }},
    {"the members of a view are not in order",
     [](view& it) { std::swap(it.members[0], it.members[1]); }},
    {"a member has no name", [](view& it) { it.members[0].acceptor = {}; }},
    {"what a member says of itself is too long",
     [](view& it) { it.members[0].roles.assign(65, "r"); }},
    {"what a member says of itself is too long", [](view& it) { it.members[0].build = long_text; }},
    {"what a member says of itself is too long",
     [](view& it) { it.members[0].spaces = {long_text}; }},
    {"a member is in a phase that is not known here",
     [](view& it) { it.members[0].phase = static_cast<member_phase>(3); }},
    {"a view has too few or too many seats", [](view& it) { it.voters.clear(); }},
    {"a view has too few or too many seats", [](view& it) { it.previous_voters.resize(8); }},
    {"the address of a seat is too long", [](view& it) { it.voters[1].address.host = long_text; }},
    {"an acceptor has two seats", [](view& it) { it.voters[1] = it.voters[0]; }},
    {"most seats have never been held", [](view& it) { it.voters.resize(6); }},
    {"a view has too many spaces, or fences too many", [](view& it) { it.spaces.resize(65); }},
    {"a view has too many spaces, or fences too many",
     [](view& it) { it.fenced.assign(1025, {4, 4}); }},
    {"two spaces have one name", [](view& it) { it.spaces.push_back(it.spaces[0]); }},
    {"a space has a name that is empty or too long",
     [](view& it) { it.spaces[0].options.name = ""; }},
    {"a space has a name that is empty or too long",
     [](view& it) { it.spaces[0].options.role = long_text; }},
    {"a space has too many shards, or not as many as it says",
     [](view& it) {
         it.spaces[0].options.shards = 16'385;
         it.spaces[0].shards.resize(16'385);
     }},
    {"a shard is owned by nobody that there is, or since an epoch to come",
     [](view& it) { it.spaces[0].shards[1].owner = 3; }},
    {"a shard is owned by nobody that there is, or since an epoch to come",
     [](view& it) { it.spaces[0].shards[1].own_epoch = 8; }},
    {"a move is of a shard that there is not, or to nobody that there is",
     [](view& it) { it.spaces[0].moving[0].shard = 4; }},
    {"a move is of a shard that there is not, or to nobody that there is",
     [](view& it) { it.spaces[0].moving[0].to = 3; }},
    {"a view remembers too many members", [](view& it) { it.departed.assign(257, {{5, 5}, 5}); }},
    {"the departed are not in order", [](view& it) { std::swap(it.departed[0], it.departed[1]); }},
    {"a member was removed before (R8)", [](view& it) { it.departed[0].uid = {1, 1}; }},
    {"the times of a view make no sense", [](view& it) { it.times.ttl = std::chrono::hours{2}; }},
    {"the times of a view make no sense", [](view& it) { it.times.rho = 500'001; }},
};

const std::vector<broken> successions = {
    {"a view does not follow the one before", [](view& it) { it.epoch = 9; }},
    {"a view does not know the voters before it", [](view& it) { it.previous_voters.pop_back(); }},
    {"a config is new, its voters are not", [](view& it) { it.config = 2; }},
    {"voters changed without a new config", [](view& it) { it.voters.pop_back(); }},
    {"more than one seat changed hands",
     [](view& it) {
         it.config = 2;
         it.voters.push_back(a_seat(4));
         it.voters.push_back(a_seat(7));
     }},
    {"a new voter is no member",
     [](view& it) {
         it.config = 2;
         it.voters.push_back(a_seat(4));
     }},
    {"a member is gone and not noted as departed",
     [](view& it) {
         it.members.pop_back();
         it.spaces[0].shards[2] = it.spaces[0].shards[3] = {};
     }},
    {"a member is gone without a fence",
     [](view& it) {
         it.members.pop_back();
         it.departed.push_back({{3, 3}, 8});
         it.spaces[0].shards[2] = it.spaces[0].shards[3] = {};
     }},
    {"a departed member is forgotten too soon (R8)", [](view& it) { it.departed.pop_back(); }},
    {"a member was removed before (R8)",
     [](view& it) {
         it.departed.pop_back();
         it.members.push_back(a_member(6));
     }},
    {"a space is gone", [](view& it) { it.spaces.clear(); }},
    {"the parameters of a space changed", [](view& it) { it.spaces[0].options.hash_id = 2; }},
    {"a shard has a new owner without a new epoch of ownership (I3)",
     [](view& it) { it.spaces[0].shards[0].own_epoch = 3; }},
    {"an epoch of ownership fell (I3)", [](view& it) { it.spaces[0].shards[0] = {}; }},
    {"a shard was taken from an owner that was not asked (R9)",
     [](view& it) { it.spaces[0].shards[1] = {2, 8}; }},
};

TEST(view_rules, name_every_limit_and_the_decoder_refuses_what_is_over_it) {
    ASSERT_EQ(what_is_wrong(a_view()), nullptr);
    for (const auto& [why, change] : limits) {
        auto it = a_view();
        change(it);
        const auto* wrong = what_is_wrong(it);
        ASSERT_NE(wrong, nullptr) << why;
        EXPECT_EQ(std::string_view{wrong}, why);
        auto message = control_message{view_commit{std::make_shared<const view>(it)}};
        auto wire = byte_buffer{};
        encode(message, wire).value();
        auto read = decode<control_message>(wire.view());
        ASSERT_FALSE(read) << why;
        EXPECT_EQ(read.error().text(), why);
        save(why, message);
    }
}

TEST(view_rules, name_whatever_cannot_come_behind_a_view) {
    auto base = std::make_shared<const view>(a_view());
    ASSERT_EQ(what_is_wrong(*base, the_next_view()), nullptr);
    save("by nothing", paxos_promise{.accepted = std::make_shared<const view>(the_next_view()),
                                     .committed = base});
    for (const auto& [why, change] : successions) {
        auto next = the_next_view();
        change(next);
        ASSERT_EQ(what_is_wrong(next), nullptr) << why;
        const auto* wrong = what_is_wrong(*base, next);
        ASSERT_NE(wrong, nullptr) << why;
        EXPECT_EQ(std::string_view{wrong}, why);
        save(why, paxos_promise{.accepted = std::make_shared<const view>(next), .committed = base});
    }
}

TEST(view_rules, do_not_let_the_departed_be_remembered_anew) {
    auto base = a_view();
    base.departed_since = 4;
    auto next = the_next_view();
    ASSERT_NE(what_is_wrong(base, next), nullptr);
    EXPECT_EQ(std::string_view{what_is_wrong(base, next)}, "the departed are remembered anew");
}

}  // namespace
}  // namespace cohort
