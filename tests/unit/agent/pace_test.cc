#include "agent/plan/pace.h"

#include <gtest/gtest.h>

#include <vector>

namespace linkpilot::agent {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<PlannedLink> links_every(std::initializer_list<Duration> intervals) {
  std::vector<PlannedLink> links;
  for (const Duration interval : intervals) {
    links.emplace_back();
    links.back().interval = interval;
  }
  return links;
}

TEST(Pace, FastLinksGetTheConfiguredTick) {
  EXPECT_EQ(tick_for(links_every({seconds(1), milliseconds(50)}), milliseconds(5)),
            milliseconds(5));
  EXPECT_EQ(tick_for(links_every({milliseconds(10), seconds(1)}), milliseconds(5)),
            milliseconds(5));
}

TEST(Pace, IsATenthOfTheFastestInterval) {
  EXPECT_EQ(tick_for(links_every({seconds(1), milliseconds(100)}), milliseconds(5)),
            milliseconds(10));
  EXPECT_EQ(tick_for(links_every({milliseconds(125)}), milliseconds(5)), microseconds(12'500));
}

TEST(Pace, NeverExceedsFourConfiguredTicks) {
  EXPECT_EQ(tick_for(links_every({seconds(1)}), milliseconds(5)), milliseconds(20));
  EXPECT_EQ(tick_for({}, milliseconds(5)), milliseconds(20));
  EXPECT_EQ(tick_for(links_every({seconds(1)}), milliseconds(50)), milliseconds(100));
}

}  // namespace
}  // namespace linkpilot::agent
