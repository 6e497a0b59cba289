# The one place that says how a folder of src/ becomes a library and its tests a binary.
include_guard()
enable_testing()

option(HOLDFAST_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)

add_library(hf_flags INTERFACE)
target_include_directories(hf_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(hf_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wno-gnu-zero-variadic-macro-arguments
  -Wno-missing-field-initializers -fno-omit-frame-pointer -fstack-protector-strong -ftrivial-auto-var-init=zero)
target_compile_definitions(hf_flags INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION)
target_link_options(hf_flags INTERFACE -fuse-ld=lld)
if(HOLDFAST_SANITIZE)
  target_compile_options(hf_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(hf_flags INTERFACE -fsanitize=address,undefined)
endif()

# holdfast_library(<folder> [LINK targets...]): library hf_<folder> from every .cc beside the caller
# except *_test.cc, and one test binary <folder>_test from those.
function(holdfast_library folder)
  cmake_parse_arguments(ARG "" "" "LINK;TEST_LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  add_library(hf_${folder} STATIC ${sources})
  target_link_libraries(hf_${folder} PUBLIC hf_flags ${ARG_LINK})
  if(tests)
    add_executable(${folder}_test ${tests})
    target_link_libraries(${folder}_test PRIVATE hf_${folder} ${ARG_TEST_LINK} GTest::gmock GTest::gtest_main rapidcheck)
    add_test(NAME unit/${folder} COMMAND ${folder}_test)
    set_tests_properties(unit/${folder} PROPERTIES LABELS unit TIMEOUT 120)
  endif()
endfunction()
