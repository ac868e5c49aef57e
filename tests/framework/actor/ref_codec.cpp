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
