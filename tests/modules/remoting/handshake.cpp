#include <cohort/remoting/handshake.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace cohort {
namespace {

using state = handshake_reader::state;

void feed(handshake_reader& into, std::string_view bytes) {
    auto room = into.prepare();
    ASSERT_LE(bytes.size(), room.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    into.commit(bytes.size());
}

hello sample() {
    return {.lane = lane::data,
            .core = 3,
            .caller = {1, 2},
            .callee = {3, 4},
            .nonce = 5,
            .attempt = 6,
            .caller_session = 7,
            .callee_session = 8,
            .frame_bytes_max = 9,
            .message_bytes_max = 10,
            .cluster = "shop",
            .host = "10.0.0.1",
            .port = 4000};
}

TEST(handshake, arrives_in_any_pieces_and_leaves_what_follows_alone) {
    auto out = byte_buffer{};
    write_handshake(sample(), out);
    auto length = out.size();
    out.append("next");
    auto reader = handshake_reader{};
    auto read = hello{};
    for (std::size_t i = 0; i + 1 < length; ++i) {
        feed(reader, out.view().substr(i, 1));
        ASSERT_EQ(reader.next(read), state::need_more);
    }
    feed(reader, out.view().substr(length - 1));
    ASSERT_EQ(reader.next(read), state::complete);
    EXPECT_EQ(read.caller, (node_uid{1, 2}));
    EXPECT_EQ(read.callee, (node_uid{3, 4}));
    EXPECT_EQ(read.lane, lane::data);
    EXPECT_EQ(read.attempt, 6U);
    EXPECT_EQ(read.cluster, "shop");
    EXPECT_EQ(read.port, 4000);
    EXPECT_EQ(reader.rest(), "next");
}

TEST(handshake, is_broken_at_the_first_foreign_byte) {
    auto reader = handshake_reader{};
    auto read = hello{};
    feed(reader, "G");
    EXPECT_EQ(reader.next(read), state::broken);
    EXPECT_EQ(reader.failure(), "these are not the first bytes of a node");
}

TEST(handshake, of_the_other_side_is_foreign_too) {
    auto out = byte_buffer{};
    write_handshake(welcome{.callee = {1, 1}}, out);
    auto reader = handshake_reader{};
    auto read = hello{};
    feed(reader, out.view());
    EXPECT_EQ(reader.next(read), state::broken);
}

TEST(handshake, that_claims_more_than_the_limit_is_broken_before_it_arrives) {
    auto out = byte_buffer{};
    write_handshake(sample(), out);
    auto reader = handshake_reader{};
    auto read = hello{};
    auto size = std::uint32_t{4096 - 12 + 1};
    std::memcpy(out.data() + 8, &size, sizeof size);
    feed(reader, out.view().substr(0, 12));
    EXPECT_EQ(reader.next(read), state::broken);
    EXPECT_EQ(reader.failure(), "the handshake is too long");
}

TEST(handshake, with_an_impossible_lane_or_no_uid_is_malformed) {
    auto good = byte_buffer{};
    write_handshake(sample(), good);
    for (std::size_t at : {std::size_t{12 + 4}, std::size_t{12}}) {  // the lane; version_min
        auto out = std::string{good.view()};
        out[at] = '\x7f';
        auto reader = handshake_reader{};
        auto read = hello{};
        feed(reader, out);
        EXPECT_EQ(reader.next(read), state::broken) << at;
        EXPECT_EQ(reader.failure(), "the handshake is malformed");
    }
}

TEST(handshake, refuses_who_does_not_belong_here) {
    auto rules = handshake_rules{{3, 4}, "shop"};
    EXPECT_EQ(judge(sample(), rules), rejection::none);
    auto other = sample();
    other.cluster = "bank";
    EXPECT_EQ(judge(other, rules), rejection::cluster);
    other = sample();
    other.version_min = other.version_max = wire_version_max + 1;
    EXPECT_EQ(judge(other, rules), rejection::version);
    other = sample();
    other.caller = {3, 4};
    EXPECT_EQ(judge(other, rules), rejection::itself);
    other = sample();
    other.callee = {9, 9};
    EXPECT_EQ(judge(other, rules), rejection::other_node);
    other.lane = lane::contact;
    EXPECT_EQ(judge(other, rules), rejection::none);
    EXPECT_EQ(common_version(sample()), wire_version_max);
}

TEST(handshake, has_a_sentence_for_every_refusal) {
    for (auto why = rejection::none; why <= rejection::leaving;
         why = static_cast<rejection>(static_cast<int>(why) + 1)) {
        EXPECT_NE(name(why), "unknown");
    }
}

RC_GTEST_PROP(handshake, takes_any_bytes_without_harm, (const std::string& noise)) {
    auto out = byte_buffer{};
    write_handshake(sample(), out);
    auto bytes = std::string{out.view().substr(0, 12)} + noise;
    auto reader = handshake_reader{};
    auto read = hello{};
    feed(reader, std::string_view{bytes}.substr(0, handshake_reader::bytes_max));
    static_cast<void>(reader.next(read));
}

}  // namespace
}  // namespace cohort
