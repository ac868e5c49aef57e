#pragma once

#include <memory>

#include <cohort/world/disk.hpp>

namespace cohort {

[[nodiscard]] std::unique_ptr<disk> make_real_disk();

}  // namespace cohort
