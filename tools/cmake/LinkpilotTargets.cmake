# The helper functions of the build, and the flags every target of ours shares. Flags travel only
# through these INTERFACE targets; a folder's CMakeLists.txt names its files and what it links.

add_library(lp_warnings INTERFACE)
target_compile_options(lp_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual>)

add_library(lp_sanitizers INTERFACE)
if(LINKPILOT_SANITIZE)
  target_compile_options(lp_sanitizers INTERFACE
    -fsanitize=${LINKPILOT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lp_sanitizers INTERFACE -fsanitize=${LINKPILOT_SANITIZE})
  # Asio's fences are not modelled by TSan; g++ says so for every file that includes them.
  target_compile_options(lp_sanitizers INTERFACE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-tsan>)
endif()

if(LINKPILOT_FUZZ)
  # Coverage for libFuzzer in every object; the fuzz targets bring its main().
  target_compile_options(lp_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()

# A program's main.cc reads arguments with CLI11, and UBSan doubles the time such a file compiles.
function(lp_main source)
  if(LINKPILOT_SANITIZE MATCHES "undefined")
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -fno-sanitize=undefined)
  endif()
endfunction()

# What a linter needs before the sources can be read: schemas/ adds its generated code here.
add_custom_target(generated_sources)

# lp_library(NAME SOURCES a.cc b.cc [PUBLIC dep...] [PRIVATE dep...])
# A static library with the alias linkpilot::NAME, including from the root of the repository.
function(lp_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(lp_${name} STATIC ${ARG_SOURCES})
  add_library(linkpilot::${name} ALIAS lp_${name})
  target_include_directories(lp_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(lp_${name} PUBLIC lp_sanitizers ${ARG_PUBLIC} PRIVATE lp_warnings ${ARG_PRIVATE})
endfunction()

# lp_test(NAME LABEL unit SOURCES a_test.cc [LINK dep...])
# One GoogleTest binary, registered with ctest under the label of its kind.
function(lp_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} lp_sanitizers lp_warnings GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT 300)
endfunction()

# lp_fuzz_target(NAME SOURCES body.cc [LINK dep...])
# One body, two programs: with LINKPILOT_FUZZ a libFuzzer binary NAME; without it NAME_replay, a ctest
# that runs the body over the kept corpus in tests/fuzz/corpus/NAME, so that g++ builds see it too.
function(lp_fuzz_target name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  if(LINKPILOT_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name}_replay ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name}_replay COMMAND ${name}_replay ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(${name}_replay PROPERTIES LABELS fuzz TIMEOUT 120)
    set(name ${name}_replay)
  endif()
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} lp_sanitizers lp_warnings)
endfunction()
