#include <cohort/remoting/outbox.hpp>

#include <map>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cohort/remoting/frame_reader.hpp>

namespace cohort {
namespace {

handle target(std::uint32_t number) { return handle::of(number, 1); }

std::uint64_t tell(outbox& out, std::uint32_t to, std::string_view payload) {
    auto mark =
        begin_frame({.kind = frame_kind::tell, .target = target(to), .type = 1}, out.filling());
    out.filling().append(payload);
    return out.finish(mark, target(to));
}

/// Moves bytes to a receiver that grants credit for what it took, and notes what arrives.
struct receiver {
    frame_reader reader{1U << 20};
    reassembly whole{4U << 20};
    std::uint32_t ungranted = 0;
    std::map<std::uint64_t, std::vector<std::string>> arrived;  // by target
    std::size_t largest_gap = 0;

    void arrive(const frame& it) { arrived[it.target.value].emplace_back(it.payload); }
    void take(std::string_view bytes) {
        while (!bytes.empty()) {
            auto room = reader.prepare();
            auto size = std::min(room.size(), bytes.size());
            std::memcpy(room.data(), bytes.data(), size);
            reader.commit(size);
            bytes.remove_prefix(size);
            auto read = frame{};
            auto state = reader.next(read);
            for (; state == frame_reader::state::ready; state = reader.next(read)) {
                if (read.kind != frame_kind::chunk) {
                    arrive(read);
                    continue;
                }
                ASSERT_EQ(whole.add(read), nullptr);
                ungranted += static_cast<std::uint32_t>(read.payload.size());
                if (auto body = whole.take_complete(); !body.empty()) {
                    auto inner = frame{};
                    ASSERT_EQ(parse_frame(body.view(), inner), nullptr);
                    arrive(inner);
                }
            }
            ASSERT_EQ(state, frame_reader::state::need_more) << reader.failure();
        }
    }
};

TEST(outbox, writes_small_frames_together_and_keeps_filling_meanwhile) {
    auto budget = byte_budget{1U << 20};
    auto out = outbox{{}, budget};
    auto first = tell(out, 1, "a");
    tell(out, 1, "b");
    auto bytes = out.next();
    EXPECT_FALSE(bytes.empty());
    auto third = tell(out, 1, "c");
    EXPECT_TRUE(out.handed_over(first));
    EXPECT_FALSE(out.handed_over(third));
    auto there = receiver{};
    there.take(bytes.substr(0, 3));
    out.written(3);
    there.take(out.next());
    out.written(bytes.size() - 3);
    there.take(out.next());
    out.written(out.next().size());
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(there.arrived[target(1).value], (std::vector<std::string>{"a", "b", "c"}));
}

TEST(outbox, sends_a_large_message_in_chunks_as_far_as_credit_goes) {
    auto budget = byte_budget{64U << 20};
    auto out = outbox{{}, budget};
    auto there = receiver{};
    tell(out, 1, std::string(1'000'000, 'x'));
    tell(out, 1, "behind");
    tell(out, 2, "beside");
    std::size_t sent = 0;
    for (auto bytes = out.next(); !bytes.empty(); bytes = out.next()) {
        there.take(bytes);
        sent += bytes.size();
        out.written(bytes.size());
    }
    EXPECT_LE(sent, credit_window + 4096);
    EXPECT_TRUE(there.arrived[target(1).value].empty());
    EXPECT_EQ(there.arrived[target(2).value].size(), 1U);
    while (there.ungranted != 0) {
        ASSERT_TRUE(out.add_credit(std::exchange(there.ungranted, 0)));
        for (auto bytes = out.next(); !bytes.empty(); bytes = out.next()) {
            there.take(bytes);
            out.written(bytes.size());
        }
    }
    EXPECT_TRUE(out.empty());
    ASSERT_EQ(there.arrived[target(1).value].size(), 2U);
    EXPECT_EQ(there.arrived[target(1).value][0].size(), 1'000'000U);
    EXPECT_EQ(there.arrived[target(1).value][1], "behind");
}

TEST(outbox, refuses_credit_for_more_than_it_sent) {
    auto budget = byte_budget{64U << 20};
    auto out = outbox{{}, budget};
    EXPECT_FALSE(out.add_credit(1));
    tell(out, 1, std::string(100'000, 'x'));
    EXPECT_FALSE(out.next().empty());
    EXPECT_TRUE(out.add_credit(32 * 1024));
    EXPECT_FALSE(out.add_credit(credit_window));
}

TEST(outbox, is_full_by_its_own_limit_and_by_the_nodes) {
    auto budget = byte_budget{1U << 20};
    auto out = outbox{{.queue_bytes_max = 200'000}, budget};
    auto told = std::uint64_t{0};
    for (; out.has_room(); ++told) {
        tell(out, 1, std::string(1000, 'x'));
    }
    EXPECT_GE(out.queued(), 200'000U);
    EXPECT_LE(out.queued(), 202'000U);
    auto other = outbox{{}, budget};
    while (other.has_room()) {
        tell(other, 1, std::string(1000, 'x'));
    }
    EXPECT_LE(other.queued(), 1U << 20);
    EXPECT_EQ(out.reset(), told);
    EXPECT_TRUE(other.has_room());
    other.reset();
    EXPECT_EQ(budget.left(), 1 << 20);
}

RC_GTEST_PROP(outbox, keeps_the_order_of_each_target_whatever_the_sizes, ()) {
    auto budget = byte_budget{256U << 20};
    auto out = outbox{{.queue_bytes_max = 256U << 20}, budget};
    auto there = receiver{};
    auto expected = std::map<std::uint64_t, std::vector<std::string>>{};
    auto steps = *rc::gen::inRange(1, 60);
    auto move = [&] {
        auto bytes = out.next();
        auto size = std::min<std::size_t>(bytes.size(),
                                          static_cast<std::size_t>(*rc::gen::inRange(1, 100'000)));
        there.take(bytes.substr(0, size));
        out.written(size);
        if (there.ungranted != 0 && *rc::gen::arbitrary<bool>()) {
            RC_ASSERT(out.add_credit(std::exchange(there.ungranted, 0)));
        }
        return size != 0;
    };
    for (int i = 0; i < steps; ++i) {
        auto to = *rc::gen::inRange<std::uint32_t>(1, 5);
        auto large = *rc::gen::inRange(0, 3) == 0;
        auto size = *rc::gen::inRange(0, large ? 400'000 : 2'000);
        auto payload = std::to_string(i) + std::string(static_cast<std::size_t>(size), 'x');
        tell(out, to, payload);
        expected[target(to).value].push_back(std::move(payload));
        if (*rc::gen::arbitrary<bool>()) {
            static_cast<void>(move());
        }
    }
    while (!out.empty()) {
        if (!move() && there.ungranted != 0) {
            RC_ASSERT(out.add_credit(std::exchange(there.ungranted, 0)));
        }
    }
    RC_ASSERT(there.arrived == expected);
    RC_ASSERT(there.whole.bytes_held() == 0U);
}

}  // namespace
}  // namespace cohort
