#pragma once

#include <memory>

#include <cohort/world/network.hpp>

namespace cohort {

/// The clock of the real world: CLOCK_BOOTTIME, which counts suspend.
[[nodiscard]] time_point asio_now() noexcept;

/// A reactor over an `asio::io_context` of its own.
[[nodiscard]] std::unique_ptr<reactor> make_asio_reactor();

}  // namespace cohort
