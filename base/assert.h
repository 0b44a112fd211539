// LP_ASSERT: a programming mistake ends the process at once, in every build type; the service
// manager restarts it. Never for input: bad input is a Result.
#pragma once

#include <cstdio>
#include <cstdlib>

#define LP_ASSERT(condition)                                                                 \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: assertion failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
