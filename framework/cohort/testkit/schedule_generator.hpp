#pragma once

#include <ostream>

#include <rapidcheck.h>

#include <cohort/testkit/schedule.hpp>

namespace cohort {

inline void showValue(const schedule& value, std::ostream& out) { out << value.text(); }

/// Schedules for a rapidcheck property, with their own shrinker.
///
///     RC_GTEST_PROP(service, keeps_its_promises, ()) {
///         auto given = *cohort::schedules({.nodes_max = 5});
///         RC_ASSERT(!run_schedule(given, make_service_workload).failure);
///     }
[[nodiscard]] inline rc::Gen<schedule> schedules(schedule_limits limits = {}) {
    return [limits](const rc::Random& random, int) {
        auto source = random;
        return rc::shrinkable::shrinkRecur(
            make_schedule(source.next(), limits),
            [](const schedule& whole) { return rc::seq::fromContainer(shrinks_of(whole)); });
    };
}

}  // namespace cohort
