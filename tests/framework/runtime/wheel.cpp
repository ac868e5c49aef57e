#include <cohort/runtime/wheel.hpp>

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace cohort {
namespace {

struct probe : wheel_timer {
    explicit probe(std::size_t* counter) : wheel_timer{&on_fire}, order{counter} {}
    static void on_fire(wheel_timer& timer) noexcept {
        auto& self = static_cast<probe&>(timer);
        ++self.fired;
        self.place = (*self.order)++;
        if (self.again != nullptr) {
            self.again->arm(self, self.again_at);
            self.again = nullptr;
        }
    }
    std::size_t* order;
    std::size_t place = 0;
    int fired = 0;
    time_point deadline{};
    std::int64_t due = 0;    // as a tick
    wheel* again = nullptr;  // arms itself once more inside `fire`
    time_point again_at{};
};

rc::Gen<std::int64_t> lengths() {
    // From under a tick to weeks, with the levels' edges hit often.
    auto ms = std::int64_t{1'000'000};
    return rc::gen::oneOf(
        rc::gen::inRange<std::int64_t>(-5 * ms, 5 * ms), rc::gen::inRange<std::int64_t>(0, 70 * ms),
        rc::gen::inRange<std::int64_t>(0, 5000 * ms),
        rc::gen::inRange<std::int64_t>(0, 3'600'000 * ms),
        rc::gen::inRange<std::int64_t>(0, std::int64_t{40} * 24 * 3'600'000 * ms),
        rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 31), rc::gen::inRange(-2, 3)),
                     [ms](std::pair<int, int> edge) {
                         return ((std::int64_t{1} << edge.first) + edge.second) * ms;
                     }));
}

// The tick at which a timer that is armed at `now` fires: the first one at or after its deadline,
// and never the one that is being handled.
std::int64_t tick_of(time_point deadline, time_point now) {
    auto ms = [](time_point instant) {
        return std::chrono::floor<std::chrono::milliseconds>(instant.time_since_epoch()).count();
    };
    return std::max(ms(deadline + wheel::tick_length - duration{1}), ms(now) + 1);
}

// Checks after `advance` that exactly what was due has fired, and in the order of ticks.
void check_fired(std::vector<std::unique_ptr<probe>>& timers, time_point now, std::size_t& armed) {
    auto by_place = std::map<std::size_t, std::int64_t>{};
    auto reached = tick_of(time_point{}, now) - 1;
    for (auto& each : timers) {
        if (each->fired != 0) {
            RC_ASSERT(each->fired == 1);
            RC_ASSERT(each->due <= reached);
            RC_ASSERT(each->deadline <= now);  // never early
            by_place[each->place] = each->due;
            each->fired = 0;
            if (each->armed()) {
                each->deadline = each->again_at;
                each->due = tick_of(each->again_at, now);
            } else {
                --armed;
            }
        } else if (each->armed()) {
            RC_ASSERT(each->due > reached);  // never later than its tick
        }
    }
    auto last = std::int64_t{0};
    for (auto& [place, due] : by_place) {
        RC_ASSERT(due >= last);
        last = due;
    }
}

RC_GTEST_PROP(wheel, fires_as_a_sorted_map_would, ()) {
    auto now = time_point{std::chrono::seconds{1000}} + duration{*rc::gen::inRange(0, 3'000'000)};
    auto tested = wheel{now};
    std::size_t order = 0;
    auto timers = std::vector<std::unique_ptr<probe>>{};
    std::size_t armed = 0;
    auto steps = *rc::gen::inRange(1, 120);
    for (int step = 0; step < steps; ++step) {
        auto choice = *rc::gen::inRange(0, 6);
        if (choice < 3) {
            auto timer = std::make_unique<probe>(&order);
            timer->deadline = now + duration{*lengths()};
            if (*rc::gen::inRange(0, 4) == 0) {
                timer->again = &tested;
                timer->again_at = timer->deadline + duration{*lengths()};
            }
            timer->due = tick_of(timer->deadline, now);
            tested.arm(*timer, timer->deadline);
            timers.push_back(std::move(timer));
            ++armed;
        } else if (choice == 3 && !timers.empty()) {
            auto& timer = *timers[*rc::gen::inRange<std::size_t>(0, timers.size())];
            if (timer.armed()) {
                --armed;
                timer.again = nullptr;
            }
            tested.cancel(timer);
            RC_ASSERT(!timer.armed());
        } else {
            auto next = tested.next_deadline();
            RC_ASSERT(next.has_value() == (armed != 0));
            auto first = time_point::max();
            for (auto& each : timers) {
                if (each->armed()) {
                    first = std::min(first, each->deadline);
                }
            }
            // The caller sleeps until then, so it must not be after the first timer's last moment.
            if (next) {
                RC_ASSERT(*next <= std::max(first, now) + wheel::tick_length);
            }
            auto jump = std::max<std::int64_t>(0, *lengths());
            now =
                next && *rc::gen::inRange(0, 2) == 0 ? std::max(now, *next) : now + duration{jump};
            // A timer that arms itself again may be due again within the same jump: once is
            // enough here.
            for (auto& each : timers) {
                if (each->armed() && each->again != nullptr && each->again_at <= now) {
                    each->again_at = now + wheel::tick_length * 2;
                }
            }
            tested.advance(now);
            check_fired(timers, now, armed);
        }
        RC_ASSERT(tested.armed() == armed);
    }
    for (auto& each : timers) {
        tested.cancel(*each);
    }
    RC_ASSERT(tested.armed() == 0U);
    RC_ASSERT(!tested.next_deadline().has_value());
}

TEST(wheel, wakes_a_sleeper_at_every_distance_exactly_when_it_is_due) {
    // As an idle core does: sleeps until the wheel's deadline, advances, sleeps again.
    for (std::int64_t ms = 1; ms < 3'000'000'000; ms = ms * 3 + 1) {
        auto now = time_point{std::chrono::seconds{7}};
        auto tested = wheel{now};
        std::size_t order = 0;
        auto timer = probe{&order};
        auto deadline = now + std::chrono::milliseconds{ms} - duration{1};
        tested.arm(timer, deadline);
        int wakes = 0;
        while (timer.armed()) {
            auto next = tested.next_deadline();
            ASSERT_TRUE(next);
            ASSERT_LE(*next, deadline + wheel::tick_length);
            now = std::max(now, *next);
            tested.advance(now);
            ASSERT_LT(++wakes, 200);
        }
        EXPECT_GE(now, deadline);
        EXPECT_LT(now, deadline + wheel::tick_length);
    }
}

TEST(wheel, a_fired_timer_may_cancel_its_neighbours) {
    auto now = time_point{std::chrono::seconds{7}};
    auto tested = wheel{now};
    struct killer : wheel_timer {
        wheel* home = nullptr;
        wheel_timer* victim = nullptr;
    };
    auto victim = wheel_timer{[](wheel_timer&) noexcept { ADD_FAILURE() << "was cancelled"; }};
    auto first = killer{};
    first.home = &tested;
    first.victim = &victim;
    first.fire = [](wheel_timer& timer) noexcept {
        auto& self = static_cast<killer&>(timer);
        self.home->cancel(*self.victim);
    };
    tested.arm(first, now + std::chrono::milliseconds{5});
    tested.arm(victim, now + std::chrono::milliseconds{5});
    tested.advance(now + std::chrono::seconds{1});
    EXPECT_EQ(tested.armed(), 0U);
}

}  // namespace
}  // namespace cohort
