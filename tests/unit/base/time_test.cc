#include "base/time.h"

#include <gtest/gtest.h>

namespace linkpilot {
namespace {

TEST(Time, FormatsUtc) {
  EXPECT_EQ(format_utc({1'795'253'400'123'000'000}), "2026-11-21T09:30:00.123Z");
  EXPECT_EQ(format_utc({0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_utc({-1'000'000}), "1969-12-31T23:59:59.999Z");
}

TEST(Time, FormatsDurationsInTheUnitAReaderExpects) {
  using namespace std::chrono_literals;
  EXPECT_EQ(format_duration(0ns), "0s");
  EXPECT_EQ(format_duration(250ms), "250ms");
  EXPECT_EQ(format_duration(1500ms), "1.5s");
  EXPECT_EQ(format_duration(42us), "42us");
  EXPECT_EQ(format_duration(-3ms), "-3ms");
}

TEST(Time, MonotonicClockNeverGoesBack) {
  SystemClock clock;
  const Now first = clock.now();
  const Now second = clock.now();
  EXPECT_GE(second.mono, first.mono);
}

}  // namespace
}  // namespace linkpilot
