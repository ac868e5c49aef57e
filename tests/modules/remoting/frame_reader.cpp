#include <cohort/remoting/frame_reader.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace cohort {
namespace {

using state = frame_reader::state;

void feed(frame_reader& into, std::string_view bytes) {
    while (!bytes.empty()) {
        auto room = into.prepare();
        auto size = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), size);
        into.commit(size);
        bytes.remove_prefix(size);
    }
}

frame sample(frame_kind kind) {
    return {.kind = kind,
            .target = handle::of(0x01'000002, 3),
            .subject = handle::of(0x02'000003, 4),
            .type = 5,
            .correlation = 6,
            .remaining_us = 7,
            .trace = 8,
            .code = errc::overloaded,
            .ran = executed::no,
            .reason = 1,
            .stream = 9,
            .total = 10,
            .payload = "payload"};
}

TEST(frame_reader, gives_back_every_kind_as_it_was_written) {
    auto out = byte_buffer{};
    for (auto kind = frame_kind::tell; kind <= frame_kind_last;
         kind = static_cast<frame_kind>(static_cast<int>(kind) + 1)) {
        write_frame(sample(kind), out);
    }
    auto reader = frame_reader{1024};
    feed(reader, out.view());
    for (auto kind = frame_kind::tell; kind <= frame_kind_last;
         kind = static_cast<frame_kind>(static_cast<int>(kind) + 1)) {
        auto read = frame{};
        ASSERT_EQ(reader.next(read), state::ready);
        EXPECT_EQ(read.kind, kind);
        EXPECT_EQ(read.payload, "payload");
        auto again = byte_buffer{};
        auto original = byte_buffer{};
        write_frame(read, again);
        write_frame(sample(kind), original);
        EXPECT_EQ(again.view(), original.view());
    }
    auto read = frame{};
    EXPECT_EQ(reader.next(read), state::need_more);
}

TEST(frame_reader, refuses_a_length_over_the_limit_before_it_takes_memory) {
    auto reader = frame_reader{1000};
    auto size = std::uint32_t{1001};
    auto bytes = std::string(4, '\0');
    std::memcpy(bytes.data(), &size, sizeof size);
    feed(reader, bytes);
    auto memory = reader.memory();
    auto read = frame{};
    EXPECT_EQ(reader.next(read), state::broken);
    EXPECT_EQ(reader.failure(), "a frame is too long");
    EXPECT_EQ(reader.memory(), memory);
}

TEST(frame_reader, refuses_what_is_no_frame) {
    struct wrong {
        std::string body;
        std::string_view why;
    };
    auto failure = byte_buffer{};
    auto impossible = sample(frame_kind::failure);
    impossible.code = errc::ok;
    write_frame(impossible, failure);
    for (const auto& each :
         {wrong{"", "a frame is empty"}, wrong{std::string(1, '\0'), "a frame has an unknown kind"},
          wrong{"\x7f", "a frame has an unknown kind"},
          wrong{"\x01short", "a frame is shorter than its kind"},
          wrong{std::string{failure.view().substr(4)}, "a failure has an impossible code"}}) {
        auto read = frame{};
        const auto* why = parse_frame(each.body, read);
        ASSERT_NE(why, nullptr);
        EXPECT_EQ(why, each.why);
    }
}

TEST(frame_reader, refuses_fields_that_cannot_be) {
    struct wrong {
        frame it;
        std::string_view why;
    };
    auto host = std::string(256, 'h');
    for (const auto& each :
         {wrong{{.kind = frame_kind::chunk, .total = 3, .payload = "four"},
                "a chunk has an impossible size"},
          wrong{{.kind = frame_kind::chunk, .total = 3, .payload = ""},
                "a chunk has an impossible size"},
          wrong{{.kind = frame_kind::introduce, .total = 0, .payload = "host"},
                "a node is introduced with an impossible address"},
          wrong{{.kind = frame_kind::introduce, .total = 65'536, .payload = "host"},
                "a node is introduced with an impossible address"},
          wrong{{.kind = frame_kind::introduce, .total = 1, .payload = host},
                "a node is introduced with an impossible address"},
          wrong{{.kind = frame_kind::failure, .code = errc::timeout, .ran = executed{3}},
                "a failure has an impossible code"},
          wrong{{.kind = frame_kind::terminated, .reason = 3},
                "an actor ended for an impossible reason"}}) {
        auto bytes = byte_buffer{};
        write_frame(each.it, bytes);
        auto read = frame{};
        const auto* why = parse_frame(bytes.view().substr(sizeof(std::uint32_t)), read);
        ASSERT_NE(why, nullptr) << each.why;
        EXPECT_EQ(why, each.why);
    }
}

RC_GTEST_PROP(frame_reader, cuts_the_same_frames_out_of_any_pieces, ()) {
    auto sizes = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 60'000));
    auto out = byte_buffer{};
    for (auto size : sizes) {
        auto payload = std::string(static_cast<std::size_t>(size), static_cast<char>(size));
        write_frame({.kind = frame_kind::reply,
                     .correlation = static_cast<std::uint64_t>(size),
                     .payload = payload},
                    out);
    }
    auto reader = frame_reader{1U << 20};
    auto rest = out.view();
    std::size_t taken = 0;
    auto drain = [&] {
        auto read = frame{};
        while (reader.next(read) == state::ready) {
            RC_ASSERT(taken < sizes.size());
            RC_ASSERT(read.payload.size() == static_cast<std::size_t>(sizes[taken]));
            RC_ASSERT(read.correlation == static_cast<std::uint64_t>(sizes[taken]));
            ++taken;
        }
    };
    while (!rest.empty()) {
        auto room = reader.prepare();
        auto piece = static_cast<std::size_t>(*rc::gen::inRange(1, 70'000));
        auto size = std::min({room.size(), rest.size(), piece});
        std::memcpy(room.data(), rest.data(), size);
        reader.commit(size);
        rest.remove_prefix(size);
        drain();
    }
    RC_ASSERT(taken == sizes.size());
}

frame piece(std::uint32_t stream, std::uint32_t total, std::string_view payload) {
    return {.kind = frame_kind::chunk, .stream = stream, .total = total, .payload = payload};
}

TEST(reassembly, puts_interleaved_messages_together) {
    auto whole = reassembly{100};
    EXPECT_EQ(whole.add(piece(1, 6, "abc")), nullptr);
    EXPECT_EQ(whole.add(piece(2, 4, "12")), nullptr);
    EXPECT_EQ(whole.bytes_held(), 5U);
    EXPECT_TRUE(whole.take_complete().empty());
    EXPECT_EQ(whole.add(piece(1, 6, "def")), nullptr);
    EXPECT_EQ(whole.take_complete().view(), "abcdef");
    EXPECT_EQ(whole.add(piece(2, 4, "34")), nullptr);
    EXPECT_EQ(whole.take_complete().view(), "1234");
    EXPECT_EQ(whole.bytes_held(), 0U);
}

TEST(reassembly, refuses_what_breaks_a_limit) {
    auto whole = reassembly{100};
    EXPECT_STREQ(whole.add(piece(1, 101, "a")), "a chunked message is too long");
    EXPECT_EQ(whole.add(piece(1, 60, "a")), nullptr);
    EXPECT_STREQ(whole.add(piece(2, 41, "a")), "too many chunked messages come at the same time");
    EXPECT_STREQ(whole.add(piece(1, 61, "a")), "a chunk does not fit its message");
    EXPECT_STREQ(whole.add(piece(1, 60, std::string(60, 'a'))), "a chunk does not fit its message");
    EXPECT_EQ(whole.add(piece(2, 40, "a")), nullptr);
}

}  // namespace
}  // namespace cohort
