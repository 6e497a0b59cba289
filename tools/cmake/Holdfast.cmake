# The one place that says how a folder of src/ becomes a library and its tests a binary.
#
#   holdfast_library(folder LINK targets...)      src/FOLDER: library hf_FOLDER and FOLDER_test
#   holdfast_program(name LINK targets...)        an executable from every .cc beside the caller
#   holdfast_suite(suite name SOURCES... )        tests/SUITE: a GoogleTest binary of one suite
#   holdfast_fuzzer(name LINK targets...)         fuzz/NAME.cc, in the fuzz preset only
#
# A suite of `./dev test` is a CTest label: unit, net, db, sim, api, chaos; `slow` is added to what
# only `./dev test slow` runs.
include_guard()
enable_testing()

option(HOLDFAST_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(HOLDFAST_FUZZ "Build the fuzzers (and nothing that they don't need)" OFF)

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
# -ffile-prefix-map: no path of the building machine in a binary, and ccache hits across clones.
target_compile_options(hf_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wno-gnu-zero-variadic-macro-arguments
  -Wno-missing-field-initializers -fno-omit-frame-pointer -fstack-protector-strong -ftrivial-auto-var-init=zero
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_compile_definitions(hf_flags INTERFACE
  _GLIBCXX_ASSERTIONS # bounds of operator[], front(), *optional: checked in production too
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ASIO_SEPARATE_COMPILATION
  BOOST_ASIO_CUSTOM_HANDLER_TRACKING=<net/asio_hooks.h>) # the stall detector of net/loop_watch.h
target_link_options(hf_flags INTERFACE -fuse-ld=lld)
if(HOLDFAST_SANITIZE)
  target_compile_options(hf_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(hf_flags INTERFACE -fsanitize=address,undefined)
endif()
if(HOLDFAST_FUZZ)
  target_compile_options(hf_flags INTERFACE -fsanitize=fuzzer-no-link)
  add_custom_target(fuzzers)
endif()

# GoogleTest, GoogleMock and rapidcheck for a test binary. What it tests is optimized as usual; the
# tests themselves run once and take three times as long to optimize as to run unoptimized.
function(holdfast_link_tests target)
  target_compile_options(${target} PRIVATE -O0)
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main rapidcheck)
endfunction()

# CTest runs `command` as SUITE/NAME; GoogleTest writes its cases to reports/SUITE/NAME.json, from
# which tools/dev/test.py counts.
function(holdfast_add_test suite name)
  cmake_parse_arguments(ARG "SLOW" "TIMEOUT" "COMMAND" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${suite}/${name} COMMAND ${ARG_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set(labels ${suite})
  if(ARG_SLOW)
    list(APPEND labels slow)
  endif()
  set_tests_properties(${suite}/${name} PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "GTEST_OUTPUT=json:${CMAKE_BINARY_DIR}/reports/${suite}/${name}.json")
endfunction()

# holdfast_library(<folder> [LINK targets...] [TEST_LINK targets...]): library hf_<folder> from
# every .cc beside the caller except *_test.cc, and one test binary <folder>_test from those. A
# main.cc is left for holdfast_program.
function(holdfast_library folder)
  cmake_parse_arguments(ARG "" "" "LINK;TEST_LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  add_library(hf_${folder} STATIC ${sources})
  target_link_libraries(hf_${folder} PUBLIC hf_flags ${ARG_LINK})
  if(tests)
    add_executable(${folder}_test ${tests})
    target_link_libraries(${folder}_test PRIVATE hf_${folder} ${ARG_TEST_LINK})
    holdfast_link_tests(${folder}_test)
    holdfast_add_test(unit ${folder} TIMEOUT 120 COMMAND ${folder}_test)
  endif()
endfunction()

# holdfast_program(<name> [LINK targets...]): build/<preset>/<name> from main.cc beside the caller.
function(holdfast_program name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} main.cc)
  target_link_libraries(${name} PRIVATE hf_flags ${ARG_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

# holdfast_suite(<suite> <name> SOURCES files... [LINK targets...] [ARGS arguments...]
#                [TIMEOUT seconds] [SLOW]): a GoogleTest binary that needs servers, files or time,
# run as <suite>/<name>. $<TARGET_FILE:holdfast> in ARGS makes it depend on the product.
function(holdfast_suite suite name)
  cmake_parse_arguments(ARG "SLOW" "TIMEOUT" "SOURCES;LINK;ARGS" ${ARGN})
  set(target ${suite}_${name}_test)
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE hf_flags ${ARG_LINK})
  holdfast_link_tests(${target})
  set(options)
  if(ARG_TIMEOUT)
    list(APPEND options TIMEOUT ${ARG_TIMEOUT})
  endif()
  if(ARG_SLOW)
    list(APPEND options SLOW)
  endif()
  holdfast_add_test(${suite} ${name} ${options} COMMAND ${target} ${ARG_ARGS})
endfunction()

# holdfast_fuzzer(<name> [LINK targets...]): fuzz/<name>.cc defines LLVMFuzzerTestOneInput; its
# seeds are in fuzz/corpus/<name>/.
function(holdfast_fuzzer name)
  if(NOT HOLDFAST_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(fuzz_${name} ${CMAKE_CURRENT_SOURCE_DIR}/${name}.cc)
  target_link_libraries(fuzz_${name} PRIVATE hf_flags ${ARG_LINK})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  add_dependencies(fuzzers fuzz_${name})
endfunction()
