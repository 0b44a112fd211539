#include "collector/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace linkpilot::collector {
namespace {

using testing::HasSubstr;

TEST(CollectorConfigFile, TheShippedFileIsTheDefaults) {
  const Result<CollectorConfig> config = load_config("collector/collector.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(*config, CollectorConfig{});
}

TEST(CollectorConfigFile, AnEmptyFileIsTheDefaultsToo) {
  const Result<CollectorConfig> config = parse_config("", "test");
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, CollectorConfig{});
}

TEST(CollectorConfigFile, MistakesAreNamedWithTheirKey) {
  struct Case {
    const char* text;
    const char* says;
  };
  const Case cases[] = {
      {"[probing]\nfast_intervall = \"50ms\"", "fast_interval"},
      {"[probing]\nfast_interval = 50", "fast_interval"},
      {"[probing]\nfast_interval = \"2s\"", "slow_interval"},
      {"[probing]\ncross_isp = \"maybe\"", "never, penalty, free"},
      {"[routing]\nsoft_expiry = \"2h\"", "hard_expiry"},
      {"[routing]\nquorum = 1.5", "quorum"},
      {"[listen]\nagents = \"udp://x\"", "tcp://"},
      {"[log]\nlevel = \"loud\"", "debug, info, warn, error"},
      {"[stoer]\npath = \"x\"", "store"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.text);
    const Result<CollectorConfig> config = parse_config(each.text, "test");
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().message, HasSubstr(each.says));
  }
}

}  // namespace
}  // namespace linkpilot::collector
