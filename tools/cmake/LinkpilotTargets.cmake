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

# For the one file that wraps a library of templates: UBSan doubles the time such a file compiles.
function(lp_compiled_lightly source)
  if(LINKPILOT_SANITIZE MATCHES "undefined")
    set_source_files_properties(${source} PROPERTIES
      COMPILE_OPTIONS "-O0;-fno-sanitize=undefined" SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()

# What a linter needs before the sources can be read: schemas/ adds its generated code here.
add_custom_target(generated_sources)

# What nearly every source includes of the standard library, parsed once for all libraries (tests
# have their own, which knows GoogleTest, too). It fits only code that is compiled the same way.
if(LINKPILOT_PRECOMPILED)
  file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cc "// stands for the headers\n")
  add_library(lp_headers OBJECT ${CMAKE_BINARY_DIR}/precompiled.cc)
  target_link_libraries(lp_headers PRIVATE lp_sanitizers lp_warnings)
  foreach(header algorithm array chrono filesystem fstream functional map memory mutex optional set
                 span string thread unordered_map variant vector)
    target_precompile_headers(lp_headers PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:<${header}$<ANGLE-R>>")
  endforeach()
endif()

# To check every pointer for null and alignment as well costs a quarter of the build. Code that lays
# no struct over foreign bytes does without: AddressSanitizer stops on its null pointers anyhow.
add_library(lp_pointers_unchecked INTERFACE)
if(LINKPILOT_SANITIZE MATCHES "undefined")
  target_compile_options(lp_pointers_unchecked INTERFACE -fno-sanitize=null,alignment)
endif()

# lp_library(NAME [POINTERS_UNCHECKED] SOURCES a.cc b.cc [PUBLIC dep...] [PRIVATE dep...])
# A static library with the alias linkpilot::NAME, including from the root of the repository.
function(lp_library name)
  cmake_parse_arguments(ARG "POINTERS_UNCHECKED" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(lp_${name} STATIC ${ARG_SOURCES})
  add_library(linkpilot::${name} ALIAS lp_${name})
  target_include_directories(lp_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(lp_${name} PUBLIC lp_sanitizers ${ARG_PUBLIC} PRIVATE lp_warnings ${ARG_PRIVATE})
  if(ARG_POINTERS_UNCHECKED)  # the last word: it takes back some of the sanitizers' options
    target_link_libraries(lp_${name} PRIVATE lp_pointers_unchecked)
  endif()
  if(TARGET lp_headers AND NOT "${ARG_SOURCES}" MATCHES "\\.c(;|$)")
    target_precompile_headers(lp_${name} REUSE_FROM lp_headers)
  endif()
endfunction()

# Test code is compiled once and run once: most of its time is the compiler's.
add_library(lp_test_options INTERFACE)
target_compile_options(lp_test_options INTERFACE $<$<CONFIG:Debug>:-O0>)
target_link_libraries(lp_test_options INTERFACE lp_pointers_unchecked)
add_library(lp_test_code INTERFACE)
target_link_libraries(lp_test_code INTERFACE  # the options last: they take back some of the others
  lp_sanitizers lp_warnings fmt::fmt nlohmann_json::nlohmann_json GTest::gmock GTest::gtest
  lp_test_options)
target_include_directories(lp_test_code INTERFACE ${CMAKE_SOURCE_DIR})

# lp_test(NAME LABEL unit SOURCES a_test.cc [LINK dep...] [SHARDS n])
# One GoogleTest binary, registered with ctest under the label of its kind. With SHARDS its tests are
# dealt to n runs, NAME.1 to NAME.n, which start first: for those that wait more than they compute.
function(lp_test name)
  cmake_parse_arguments(ARG "" "LABEL;SHARDS" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} lp_test_code GTest::gtest_main)
  if(TARGET lp_test_headers)
    target_precompile_headers(${name} REUSE_FROM lp_test_headers)
  endif()
  set(runs ${name})
  if(ARG_SHARDS)
    set(runs)
    foreach(shard RANGE 1 ${ARG_SHARDS})
      list(APPEND runs ${name}.${shard})
    endforeach()
  endif()
  foreach(run ${runs})
    add_test(NAME ${run} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${run} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT 300)
    if(ARG_SHARDS)
      list(FIND runs ${run} index)
      set_tests_properties(${run} PROPERTIES
        COST 1000 ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}")
    endif()
  endforeach()
endfunction()

# lp_fuzz_targets(MODULE BODIES a b [LINK dep...])
# The bodies a.cc and b.cc, each under two drivers: with LINKPILOT_FUZZ a libFuzzer program each;
# without it one program MODULE_fuzz_replay, and a ctest a body that runs it over the kept corpus in
# tests/fuzz/corpus/BODY, so that g++ builds see it too.
function(lp_fuzz_targets module)
  cmake_parse_arguments(ARG "" "" "BODIES;LINK" ${ARGN})
  if(LINKPILOT_FUZZ)
    foreach(body ${ARG_BODIES})
      add_executable(${body} ${body}.cc)
      target_compile_definitions(${body} PRIVATE LINKPILOT_LIBFUZZER)
      target_link_options(${body} PRIVATE -fsanitize=fuzzer)
      list(APPEND programs ${body})
    endforeach()
  else()
    set(programs ${module}_fuzz_replay)
    list(TRANSFORM ARG_BODIES APPEND .cc OUTPUT_VARIABLE sources)
    add_executable(${programs} ${sources} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    foreach(body ${ARG_BODIES})
      add_test(NAME ${body}_replay
        COMMAND ${programs} ${body} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${body})
      set_tests_properties(${body}_replay PROPERTIES LABELS fuzz TIMEOUT 120)
    endforeach()
  endif()
  foreach(program ${programs})
    target_include_directories(${program} PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${program} PRIVATE ${ARG_LINK} lp_sanitizers lp_warnings)
    if(NOT LINKPILOT_FUZZ)
      target_link_libraries(${program} PRIVATE lp_test_code)
    endif()
  endforeach()
endfunction()
