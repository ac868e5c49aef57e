#pragma once

#include <cohort/world/compiler.hpp>

namespace cohort {

/// Reports a broken invariant (expression, sentence, place, core, actor, stack) and aborts.
///
/// Thread: any.
[[noreturn]] void assertion_failed(const char* expression, const char* sentence, const char* file,
                                   int line) noexcept;

/// Called by `assertion_failed` to print what the process was doing (node, core, actor); installed
/// by the runtime, null when none runs.
using crash_context_printer = void (*)(int descriptor) noexcept;
void set_crash_context_printer(crash_context_printer printer) noexcept;

/// Installs handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT that print node, core, actor
/// and stack to standard error and then let the signal take its course. Idempotent.
void install_crash_handler() noexcept;

}  // namespace cohort

/// An invariant, checked in every build. The sentence says what was promised.
#define COHORT_ASSERT(condition, sentence) \
    (COHORT_LIKELY(condition)              \
         ? static_cast<void>(0)            \
         : ::cohort::assertion_failed(#condition, sentence, __FILE__, __LINE__))
