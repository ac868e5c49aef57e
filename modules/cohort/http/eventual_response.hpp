#pragma once

#include <variant>

#include <cohort/http/response.hpp>
#include <cohort/task/task.hpp>

namespace cohort {

/// A response, or the task that will give it: what a route's handler returns that often need not
/// wait. A response that is there at once costs no task.
using eventual_response = std::variant<response, task<response>>;

}  // namespace cohort
