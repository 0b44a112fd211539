#include "base/runtime/config_values.h"

#include <gtest/gtest.h>

namespace linkpilot {
namespace {

using namespace std::chrono_literals;

TEST(ConfigValues, ReadsDurationsWithTheirUnit) {
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(*parse_duration("0s"), 0ns);
  EXPECT_EQ(*parse_duration("42us"), 42us);
  EXPECT_EQ(*parse_duration("5min"), 5min);
  EXPECT_EQ(*parse_duration("2d"), 48h);
  EXPECT_EQ(*parse_duration("10 ms"), 10ms);
  EXPECT_EQ(*parse_duration("-3ms"), -3ms);
}

TEST(ConfigValues, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "ms", "250", "1s2", "1 s s", "1.2.3s", "1e3s", "--1s", "1S", "inf s",
                           "99999999999999999999s", "9999999999999d", "1000000000.5d", " 1s"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(parse_duration(text));
  }
}

TEST(ConfigValues, ReadsRatesSizesAndBitRates) {
  EXPECT_EQ(*parse_rate_per_second("20pps"), 20.0);
  EXPECT_EQ(*parse_rate_per_second("0.5/s"), 0.5);
  EXPECT_EQ(parse_bytes("64KiB")->value, 65'536u);
  EXPECT_EQ(parse_bytes("1.5MB")->value, 1'500'000u);
  EXPECT_EQ(parse_bits_per_second("2.5Gbit/s")->value, 2'500'000'000u);
  EXPECT_FALSE(parse_rate_per_second("20"));
  EXPECT_FALSE(parse_bytes("-1B"));
  EXPECT_FALSE(parse_bytes("64K"));
  EXPECT_FALSE(parse_bits_per_second("10Mbps"));
}

TEST(ConfigValues, FindsTheWordThatWasMeant) {
  const std::vector<std::string> known{"interval", "timeout", "flows"};
  EXPECT_EQ(nearest_word("intervall", known), "interval");
  EXPECT_EQ(nearest_word("flow", known), "flows");
  EXPECT_EQ(nearest_word("timoeut", known), "timeout");
  EXPECT_EQ(nearest_word("address", known), std::nullopt);
  EXPECT_EQ(nearest_word(std::string(10'000, 'x'), known), std::nullopt);
}

}  // namespace
}  // namespace linkpilot
