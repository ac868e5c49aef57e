#include <cohort/world/result.hpp>

static_assert(cohort::is_result<int>, "the sentence that is expected");
