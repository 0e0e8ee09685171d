# Certificates, and the folders that init and add-sensor make. Included by the CMakeLists.txt beside.
set(template ${PROJECT_SOURCE_DIR}/deploy/config/collector.toml)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${template})
file(READ ${template} PARALLAX_COLLECTOR_TOML)
configure_file(${CMAKE_CURRENT_LIST_DIR}/templates.cc.in
               ${CMAKE_CURRENT_BINARY_DIR}/authority_templates.cc @ONLY)

add_library(parallax_collector_authority STATIC
  ${CMAKE_CURRENT_LIST_DIR}/authority.cc
  ${CMAKE_CURRENT_LIST_DIR}/authority_files.cc
  ${CMAKE_CURRENT_LIST_DIR}/ca_folder.cc
  ${CMAKE_CURRENT_LIST_DIR}/ca_rotation.cc
  ${CMAKE_CURRENT_LIST_DIR}/identity_keeper.cc
  ${CMAKE_CURRENT_LIST_DIR}/init.cc
  ${CMAKE_CURRENT_LIST_DIR}/operator_files.cc
  ${CMAKE_CURRENT_LIST_DIR}/staged_folder.cc
  ${CMAKE_CURRENT_BINARY_DIR}/authority_templates.cc)
target_include_directories(parallax_collector_authority PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(parallax_collector_authority
  PUBLIC parallax_common
  PRIVATE parallax_flags parallax_host parallax_collector_config OpenSSL::Crypto)
