#include <cohort/world/result.hpp>

static_assert(cohort::is_result<cohort::result<int>>);
