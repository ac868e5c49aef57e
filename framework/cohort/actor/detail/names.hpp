#pragma once

#include <string>

#include <cohort/runtime/handle.hpp>
#include <cohort/task/promise.hpp>

namespace cohort::detail {

/// The bare name of a coroutine's function, out of its full signature.
[[nodiscard]] std::string function_of(const promise_base& coroutine);
/// `core.slot.generation`.
[[nodiscard]] std::string address_text(handle address);

}  // namespace cohort::detail
