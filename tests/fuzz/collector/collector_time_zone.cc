// What lies in the system's folder of time zones, or in its place.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "collector/notify/time_zone.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_time_zone, data, size) {
  using namespace linkpilot;
  using namespace linkpilot::collector;
  const UnixNanos now{1'795'271'400'000'000'000};
  const Result<TimeZone> zone = TimeZone::from_tzif("x", std::span(data, size), now);
  if (!zone) return 0;
  for (const std::int64_t second : {0LL, 1'000'000'000LL, 1'795'271'400LL, 4'000'000'000LL}) {
    const UnixNanos at{second * 1'000'000'000};
    for (const char c : zone->text(at) + zone->clock(at)) {
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E) {
        std::abort();
      }
    }
    (void)zone->next_daily(at, 8 * 60);
  }
  return 0;
}
