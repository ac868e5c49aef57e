include(CMakePackageConfigHelpers)
get_property(cohort_libraries GLOBAL PROPERTY cohort_libraries)
install(TARGETS ${cohort_libraries} EXPORT cohort-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT cohort-targets NAMESPACE cohort:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cohort)
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/cohort-config.cmake.in ${PROJECT_BINARY_DIR}/cohort-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cohort)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cohort-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cohort-config.cmake ${PROJECT_BINARY_DIR}/cohort-config-version.cmake
  ${CMAKE_CURRENT_LIST_DIR}/CohortSimdjson.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cohort)
