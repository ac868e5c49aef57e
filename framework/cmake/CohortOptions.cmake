# Flags live on one interface target that every target of the project links privately.
add_library(cohort_options INTERFACE)
target_compile_features(cohort_options INTERFACE cxx_std_20)
target_compile_options(cohort_options INTERFACE
  -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Wno-missing-field-initializers
  # GCC's -Wshadow also refuses a member that is called like a type of the namespace around it.
  $<IF:$<CXX_COMPILER_ID:GNU>,-Wshadow=compatible-local,-Wshadow>
  $<$<BOOL:${COHORT_WERROR}>:-Werror>
  -fno-omit-frame-pointer)
if(COHORT_SANITIZE)
  target_compile_options(cohort_options INTERFACE -fsanitize=${COHORT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(cohort_options INTERFACE -fsanitize=${COHORT_SANITIZE})
endif()
if(COHORT_BUILD_FUZZ)
  # The libraries are instrumented too: a fuzzer that cannot see into a decoder finds nothing in it.
  target_compile_options(cohort_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# A library of the project: cohort_<name>, alias and export name cohort::<name>.
function(cohort_library name)
  add_library(cohort_${name} STATIC)
  add_library(cohort::${name} ALIAS cohort_${name})
  set_target_properties(cohort_${name} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ON)
  target_compile_features(cohort_${name} PUBLIC cxx_std_20)
  target_link_libraries(cohort_${name} PRIVATE $<BUILD_INTERFACE:cohort_options>)
  set_property(GLOBAL APPEND PROPERTY cohort_libraries cohort_${name})
endfunction()
