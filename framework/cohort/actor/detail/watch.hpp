#pragma once

#include <cohort/actor/cold.hpp>

namespace cohort::detail {

/// Whether an actor that is ending may begin again, so that what arrives meanwhile is kept for it.
[[nodiscard]] bool may_come_back(const cell& actor) noexcept;
/// The last news of an actor, and the end of its own watches.
void tell_watchers(core& here, cell& actor) noexcept;

}  // namespace cohort::detail
