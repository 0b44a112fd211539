// chaos_reader TABLE MARKS TARGET COUNTERS: a media process of which only the look-ups are left. It
// looks one target up without end and counts in a mapped file, so that a SIGKILL takes no count
// with it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "agent/route_client/linkpilot_routes.h"
#include "tests/component/agent/chaos_counters.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int fd = ::open(argv[4], O_RDWR | O_CLOEXEC);
  void* const page = ::mmap(nullptr, sizeof(linkpilot::test::ChaosCounters), PROT_READ | PROT_WRITE,
                            MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) return 3;
  auto& counters = *static_cast<linkpilot::test::ChaosCounters*>(page);
  const char* reason = nullptr;
  lpr_client* const client = lpr_open(argv[1], argv[2], &reason);
  lpr_reader* const reader = client == nullptr ? nullptr : lpr_reader_new(client);
  if (reader == nullptr) {
    std::fprintf(stderr, "chaos_reader: %s\n", reason == nullptr ? "no memory" : reason);
    return 4;
  }
  for (;;) {
    if (lpr_poll(client) < 0) {
      counters.torn = counters.torn + 1;
      std::fprintf(stderr, "chaos_reader: %s\n", lpr_refusal(client));
    }
    for (int i = 0; i < 100; ++i) {
      lpr_route route;
      const lpr_direction direction = i % 2 == 0 ? LPR_PUSH : LPR_PULL;
      const lpr_status status = lpr_lookup(reader, direction, argv[3], LPR_TIME_COARSE, &route);
      counters.lookups = counters.lookups + 1;
      if (status == LPR_OK) {
        counters.found = counters.found + 1;
      } else if (status != LPR_DROPPED && counters.found > 0) {
        counters.failed = counters.failed + 1;
      }
    }
    ::usleep(1'000);
  }
}
