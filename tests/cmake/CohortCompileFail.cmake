# cohort_compile_fail_test(name SOURCE file EXPECT regex): a ctest case that passes when the compiler refuses
# the file and its words match the regex. The file is compiled with -fsyntax-only, as a consumer of every
# library of the project would compile it.
function(cohort_compile_fail_test name)
  cmake_parse_arguments(arg "" "SOURCE;EXPECT" "" ${ARGN})
  if(NOT arg_SOURCE OR NOT arg_EXPECT)
    message(FATAL_ERROR "cohort_compile_fail_test(${name}) needs SOURCE and EXPECT")
  endif()
  get_filename_component(source ${arg_SOURCE} ABSOLUTE)
  # Collects what a consumer compiles with; it is never built itself.
  if(NOT TARGET cohort_consumer_flags)
    get_property(libraries GLOBAL PROPERTY cohort_libraries)
    add_library(cohort_consumer_flags OBJECT EXCLUDE_FROM_ALL ${source})
    target_link_libraries(cohort_consumer_flags PRIVATE ${libraries})
  endif()
  set(includes $<TARGET_PROPERTY:cohort_consumer_flags,INCLUDE_DIRECTORIES>)
  set(defines $<TARGET_PROPERTY:cohort_consumer_flags,COMPILE_DEFINITIONS>)
  add_test(NAME compile_fail.${name}
    COMMAND ${CMAKE_COMMAND} -DEXPECT=${arg_EXPECT}
      -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/compile_fail.cmake --
      ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only
      "$<$<BOOL:${includes}>:-I$<JOIN:${includes},;-I>>"
      "$<$<BOOL:${defines}>:-D$<JOIN:${defines},;-D>>"
      ${source}
    COMMAND_EXPAND_LISTS)
  set_tests_properties(compile_fail.${name} PROPERTIES TIMEOUT 120)
endfunction()
