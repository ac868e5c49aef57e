# simdjson's own CMake package turns on a hidden thread, so the library is found by hand. This file is used by
# the build and, installed, by consumers: no path of the build machine is written down.
if(NOT TARGET cohort_simdjson)
  find_library(COHORT_SIMDJSON simdjson REQUIRED)
  mark_as_advanced(COHORT_SIMDJSON)
  add_library(cohort_simdjson UNKNOWN IMPORTED)
  set_target_properties(cohort_simdjson PROPERTIES IMPORTED_LOCATION "${COHORT_SIMDJSON}")
endif()
