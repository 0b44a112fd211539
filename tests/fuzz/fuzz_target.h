// A fuzz body under two drivers: libFuzzer, one program a body, and replay_main.cc, one program a
// module that runs the kept corpora of all its bodies.
//
//   FUZZ_TARGET(route_file_parse, data, size) {
//     require(...);
//     return 0;
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using FuzzBody = int (*)(const std::uint8_t* data, std::size_t size);

// A body that replay_main.cc can find by its name: one of a list that lives as long as the program.
struct FuzzReplay {
  FuzzReplay(const char* body_name, FuzzBody body_run)
      : name(body_name), run(body_run), next(first()) {
    first() = this;
  }
  static const FuzzReplay*& first() {
    static const FuzzReplay* head = nullptr;
    return head;
  }

  const char* name;
  FuzzBody run;
  const FuzzReplay* next;
};

#ifdef LINKPILOT_LIBFUZZER
#define FUZZ_TARGET(name, data, size) \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
#else
#define FUZZ_TARGET(name, data, size)                                 \
  static int name##_body(const std::uint8_t* data, std::size_t size); \
  static const FuzzReplay name##_replay(#name, name##_body);          \
  static int name##_body(const std::uint8_t* data, std::size_t size)
#endif

// What must hold for every input.
inline void require(bool condition) {
  if (!condition) std::abort();
}
