#include <cohort/actor/ref_codec.hpp>

#include <gtest/gtest.h>

namespace cohort {
namespace {

struct hello {
    std::string text;
};
using listener_protocol = protocol<hello>;

struct letter {
    ref<listener_protocol> from;
    std::string text;
};

TEST(ref_codec, brings_a_ref_back_on_its_own_node) {
    auto here = ref_context{{1, 2}};
    auto buffer = byte_buffer{};
    auto sent = letter{ref<listener_protocol>{handle::of(7, 9)}, "hi"};
    ASSERT_TRUE(encode(sent, buffer, {.context = &here}));
    auto read = decode<letter>(buffer.view(), {.context = &here});
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->from, sent.from);
}

TEST(ref_codec, refuses_a_core_that_this_node_does_not_have) {
    auto here = ref_context{{1, 2}};
    here.cores = 2;
    auto buffer = byte_buffer{};
    ASSERT_TRUE(encode(letter{ref<listener_protocol>{handle::of(2U << 24 | 7, 9)}, "hi"}, buffer,
                       {.context = &here}));
    auto read = decode<letter>(buffer.view(), {.context = &here});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error(), errc::invalid);
}

TEST(ref_codec, brings_a_null_ref_along) {
    auto here = ref_context{{1, 2}};
    auto there = ref_context{{3, 4}};
    auto buffer = byte_buffer{};
    ASSERT_TRUE(encode(letter{{}, "hi"}, buffer, {.context = &there}));
    auto read = decode<letter>(buffer.view(), {.context = &here});
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->from);
}

TEST(actor_address, of_another_node_is_no_core_of_this_one_and_gives_its_handle_back) {
    auto there = handle::of(7U << 24 | 0x123456, 99);
    auto address = actor_address::remote(there, 0xabcdef, 3);
    EXPECT_TRUE(address.remote());
    EXPECT_EQ(address.at.core(), core_elsewhere);
    EXPECT_EQ(address.there(), there);
    EXPECT_EQ(address.place(), 0xabcdefU);
    EXPECT_FALSE(actor_address{there}.remote());
    EXPECT_EQ(sizeof(ref<listener_protocol>), 16U);
}

TEST(reply_token, keeps_its_core_slot_and_generation) {
    auto token = reply_token::of(254, reply_token::slots - 1, reply_token::generation_mask);
    EXPECT_EQ(token.core(), core_elsewhere);
    EXPECT_EQ(reply_token::core(token), 254U);
    EXPECT_EQ(reply_token::slot(token), reply_token::slots - 1);
    EXPECT_EQ(reply_token::generation(token), reply_token::generation_mask);
}

TEST(ref_codec, refuses_a_ref_of_a_node_it_does_not_know) {
    auto here = ref_context{{1, 2}};
    auto there = ref_context{{3, 4}};
    auto buffer = byte_buffer{};
    ASSERT_TRUE(encode(letter{ref<listener_protocol>{handle::of(7, 9)}, "hi"}, buffer,
                       {.context = &there}));
    auto read = decode<letter>(buffer.view(), {.context = &here});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error(), errc::invalid);
}

}  // namespace
}  // namespace cohort
