#pragma once

// Consumers compile coroutines too, so the lowest public header refuses what miscompiles them.
// clang-format off
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 14
#error "Cohort refuses GCC before 14: it silently miscompiles coroutines (`if (co_await f())` without a local skips the body; an aggregate temporary or capturing lambda inside an awaited expression is destroyed twice). Use clang 17 or newer, or GCC 14 or newer."
#elif defined(__clang__) && __clang_major__ < 17
#error "Cohort needs clang 17 or newer: older ones write to a coroutine frame after it was suspended."
#endif
// clang-format on

#define COHORT_LIKELY(...) __builtin_expect(static_cast<bool>(__VA_ARGS__), 1)
#define COHORT_NOINLINE __attribute__((noinline))
#define COHORT_ALWAYS_INLINE inline __attribute__((always_inline))
