#include <cohort/runtime/byte_ring.hpp>

#include <deque>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace cohort {
namespace {

// The receiving side of these tests; records never look at their core.
core* no_core() noexcept { return nullptr; }

struct note : ring_record {
    std::uint32_t number = 0;
    bool* destroyed = nullptr;
};

constexpr std::uint32_t smallest = (sizeof(note) + 15) / 16 * 16;

note* put(byte_ring& ring, std::uint32_t size, std::uint32_t number) {
    auto* memory = ring.reserve(size);
    if (memory == nullptr) {
        return nullptr;
    }
    auto* record = new (memory) note{};
    record->size = size;
    record->number = number;
    record->apply = [](core*, ring_record* which) noexcept {
        auto* self = static_cast<note*>(which);
        if (self->destroyed != nullptr) {
            *self->destroyed = true;
        }
        std::destroy_at(self);
    };
    ring.commit(size);
    return record;
}

struct expected {
    std::uint32_t size;
    std::uint32_t number;
};

RC_GTEST_PROP(byte_ring, behaves_as_a_queue_that_is_bounded_and_published_in_batches, ()) {
    auto capacity = *rc::gen::element(byte_ring::capacity_min, byte_ring::capacity_max);
    auto ring = byte_ring{capacity};
    auto unpublished = std::deque<expected>{};
    auto visible = std::deque<expected>{};
    std::uint64_t held = 0;  // bytes that were not given back yet
    std::uint64_t popped = 0;
    std::uint32_t number = 0;
    auto steps = *rc::gen::inRange(1, 400);
    for (int step = 0; step < steps; ++step) {
        switch (*rc::gen::inRange(0, 8)) {
            case 0:
            case 1:
            case 2:
            case 3: {
                auto size = *rc::gen::oneOf(
                                rc::gen::inRange(smallest / 16, 20U),
                                rc::gen::inRange(smallest / 16, byte_ring::record_max / 16 + 1)) *
                            16;
                auto* made = put(ring, size, number);
                // What is wasted at the end is less than a record.
                if (made == nullptr) {
                    RC_ASSERT(held + size + byte_ring::record_max > capacity);
                } else {
                    unpublished.push_back({size, number++});
                    held += size;
                    RC_ASSERT(held <= capacity);
                }
                break;
            }
            case 4:
                ring.publish();
                visible.insert(visible.end(), unpublished.begin(), unpublished.end());
                unpublished.clear();
                RC_ASSERT(!ring.dirty());
                break;
            case 5:
                ring.release();
                held -= std::exchange(popped, 0);
                break;
            default: {
                RC_ASSERT(ring.empty() == visible.empty());
                auto wanted = *rc::gen::inRange(1, 40);
                for (int i = 0; i < wanted; ++i) {
                    auto* record = static_cast<note*>(ring.front());
                    RC_ASSERT((record == nullptr) == visible.empty());
                    if (record == nullptr) {
                        break;
                    }
                    RC_ASSERT(record->number == visible.front().number);
                    RC_ASSERT(record->size == visible.front().size);
                    auto size = record->size;
                    record->apply(no_core(), record);
                    ring.pop(size);
                    popped += size;
                    visible.pop_front();
                }
            }
        }
    }
}

TEST(byte_ring, is_full_only_until_the_consumer_gives_room_back) {
    auto ring = byte_ring{};
    std::uint32_t count = 0;
    while (put(ring, 1024, count) != nullptr) {
        ++count;
    }
    EXPECT_EQ(count, byte_ring::capacity_max / 1024);
    EXPECT_EQ(ring.front(), nullptr);  // nothing was published
    ring.publish();
    auto* first = ring.front();
    ASSERT_NE(first, nullptr);
    first->apply(no_core(), first);
    ring.pop(1024);
    EXPECT_EQ(ring.reserve(1024), nullptr);
    ring.release();
    EXPECT_NE(put(ring, 1024, 0), nullptr);
    EXPECT_EQ(ring.reserve(1024), nullptr);
}

TEST(byte_ring, is_smaller_on_a_node_with_many_cores) {
    EXPECT_EQ(byte_ring::capacity_for(1), byte_ring::capacity_max);
    EXPECT_EQ(byte_ring::capacity_for(8), 256U * 1024);
    EXPECT_EQ(byte_ring::capacity_for(64), byte_ring::capacity_min);
    EXPECT_EQ(byte_ring::capacity_for(255), byte_ring::capacity_min);
    for (std::uint64_t cores = 2; cores <= 255; ++cores) {
        auto capacity = byte_ring::capacity_for(static_cast<std::uint32_t>(cores));
        EXPECT_TRUE(cores * (cores - 1) * capacity <= 64U << 20 ||
                    capacity == byte_ring::capacity_min)
            << cores;
        EXPECT_LE(capacity, byte_ring::capacity_for(static_cast<std::uint32_t>(cores) - 1));
    }
}

TEST(byte_ring, takes_the_largest_record_wherever_it_stands) {
    auto ring = byte_ring{byte_ring::capacity_min};
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        auto size = i % 3 == 0 ? byte_ring::record_max : smallest + 16 * (i % 7);
        ASSERT_NE(put(ring, size, i), nullptr) << i;
        ring.publish();
        auto* record = static_cast<note*>(ring.front());
        ASSERT_NE(record, nullptr);
        EXPECT_EQ(record->number, i);
        ring.pop(record->size);
        ring.release();
    }
}

TEST(ring_action, that_is_not_run_is_destroyed_once) {
    auto held = std::make_shared<int>(1);
    auto action = [held](core&) {};
    using record_type = ring_action<decltype(action)>;
    alignas(record_type) std::byte memory[sizeof(record_type)];
    auto* record = new (memory) record_type(std::move(action));
    EXPECT_EQ(held.use_count(), 2);
    record_type::run(nullptr, record);
    EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace cohort
