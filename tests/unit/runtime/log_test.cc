#include "base/runtime/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/runtime/log_line.h"

namespace linkpilot {
namespace {

std::string line_of(std::vector<LogField> fields, std::uint64_t suppressed = 0) {
  return format_log_line({1'795'253'400'123'000'000}, LogLevel::warn, "table_refused", fields,
                         suppressed);
}

TEST(LogLine, IsTimeLevelEventAndWords) {
  EXPECT_EQ(line_of({}), "2026-11-21T09:30:00.123Z warn table_refused\n");
  EXPECT_EQ(line_of({{"node", "a"}, {"age_ms", "12"}}),
            "2026-11-21T09:30:00.123Z warn table_refused node=a age_ms=12\n");
}

TEST(LogLine, QuotesWhatIsNotOneWord) {
  EXPECT_EQ(line_of({{"reason", "bad signature"}}),
            "2026-11-21T09:30:00.123Z warn table_refused reason=\"bad signature\"\n");
  EXPECT_EQ(line_of({{"a", ""}, {"b", "say \"x\"\\"}, {"c", "1\n2\x1b[0m"}}),
            "2026-11-21T09:30:00.123Z warn table_refused a=\"\" b=\"say \\\"x\\\"\\\\\" "
            "c=\"1\\n2\\x1b[0m\"\n");
}

TEST(LogLine, SaysHowManyWereHeldBack) {
  EXPECT_EQ(line_of({{"a", "b"}}, 7),
            "2026-11-21T09:30:00.123Z warn table_refused a=b suppressed=7\n");
}

constexpr MonoTime at(std::int64_t ms) { return {ms * 1'000'000}; }

TEST(LogLimiter, HoldsBackTheEleventhLineAndCountsIt) {
  LogLimiter limiter;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limiter.admit("e", at(i)), 0u);
  for (int i = 0; i < 25; ++i) EXPECT_EQ(limiter.admit("e", at(100 + i)), std::nullopt);
  EXPECT_EQ(limiter.admit("other_event", at(200)), 0u);
  EXPECT_EQ(limiter.admit("e", at(10'000)), 25u);
  EXPECT_EQ(limiter.admit("e", at(10'001)), 0u);
}

TEST(LogLimiter, IsBoundedWhateverTheNames) {
  LogLimiter limiter;
  for (std::size_t i = 0; i < LogLimiter::kEventsMax; ++i) {
    EXPECT_EQ(limiter.admit("e" + std::to_string(i), at(0)), 0u);
  }
  std::size_t printed = 0;
  for (int i = 0; i < 100; ++i) printed += limiter.admit("new" + std::to_string(i), at(0)) ? 1 : 0;
  EXPECT_EQ(printed, LogLimiter::kLinesMax);
}

TEST(Log, WritesToStandardErrorFromItsLevelOn) {
  set_log_level(LogLevel::warn);
  ::testing::internal::CaptureStderr();
  log_event(LogLevel::info, "quiet_event");
  log_event(LogLevel::error, "loud_event", {{"why", "test"}});
  const std::string written = ::testing::internal::GetCapturedStderr();
  set_log_level(LogLevel::info);
  EXPECT_EQ(written.find("quiet_event"), std::string::npos);
  EXPECT_NE(written.find(" error loud_event why=test\n"), std::string::npos);
}

}  // namespace
}  // namespace linkpilot
