#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/lab/topology_file.h"

namespace linkpilot::lab {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const std::string kSmall = R"(name = "small"
[defaults]
local_delay = "1ms"
hops = 3
[[regions]]
name = "east"
one_way_ms = [0, 20.5]
[[regions]]
name = "west"
one_way_ms = [21, 0]
[[nodes]]
name = "a"
region = "east"
[[nodes]]
name = "b"
region = "west"
[[nodes]]
name = "collector"
region = "west"
kind = "collector"
)";

TEST(LabTopology, TakesDelaysFromTheRegionsOfBothEnds) {
  const auto topology = parse_topology(kSmall, "small.toml");
  ASSERT_TRUE(topology) << topology.error().message;
  EXPECT_EQ(topology->pair(0, 1).delay, 20'500us);
  EXPECT_EQ(topology->pair(1, 0).delay, 21ms);
  EXPECT_EQ(topology->pair(0, 1).hops, 3);
  EXPECT_EQ(topology->pair(0, 2).delay, 21'500us);  // the collector: a little more
  EXPECT_EQ(topology->pair(1, 2).delay, 1ms);       // same region
  EXPECT_EQ(topology->nodes[2].kind, LabNodeKind::collector);
  EXPECT_EQ(topology->nodes[1].v4.to_string(), "10.77.2.1");
}

TEST(LabTopology, ALinkTableOverridesOneDirectionOrBoth) {
  const std::string link = "[[links]]\nfrom = \"a\"\nto = \"b\"\nloss = 0.25\ndelay = \"3ms\"\n";
  const auto one = parse_topology(kSmall + link, "small.toml");
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->pair(0, 1).delay, 3ms);
  EXPECT_EQ(one->pair(0, 1).loss, 0.25);
  EXPECT_EQ(one->pair(1, 0).delay, 21ms);
  const auto both = parse_topology(kSmall + link + "both_ways = true\n", "small.toml");
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->pair(1, 0), both->pair(0, 1));
}

struct TopologyMistake {
  const char* name;
  std::string was;
  std::string is;
  const char* line;
  const char* words;
};

TEST(LabTopology, NamesEveryMistakeWithItsLine) {
  const std::vector<TopologyMistake> mistakes = {
      {"key with a typo", "hops = 3", "hopz = 3", ":4", "hopz"},
      {"unknown region", "region = \"east\"", "region = \"eest\"", ":13", "eest"},
      {"short row", "[0, 20.5]", "[0]", ":7", "one_way_ms"},
      {"negative delay", "[21, 0]", "[-21, 0]", ":10", "one_way_ms"},
      {"wrong type", "name = \"b\"", "name = 5", ":15", "name"},
      {"node twice", "name = \"b\"", "name = \"a\"", ":15", "twice"},
      {"bad name", "name = \"b\"", "name = \"B!\"", ":15", "name"},
      {"bad kind", "kind = \"collector\"", "kind = \"boss\"", ":20", "collector"},
      {"too many hops", "hops = 3", "hops = 300", ":4", "hops"},
      {"no unit", "local_delay = \"1ms\"", "local_delay = \"1\"", ":3", "local_delay"},
  };
  for (const TopologyMistake& mistake : mistakes) {
    SCOPED_TRACE(mistake.name);
    std::string text = kSmall;
    text.replace(text.find(mistake.was), mistake.was.size(), mistake.is);
    const auto topology = parse_topology(text, "small.toml");
    ASSERT_FALSE(topology);
    EXPECT_THAT(topology.error().message, HasSubstr("small.toml"));
    EXPECT_THAT(topology.error().message, HasSubstr(mistake.line));
    EXPECT_THAT(topology.error().message, HasSubstr(mistake.words));
  }
}

TEST(LabTopology, AMissingFileIsNamed) {
  const auto topology = read_topology("/nonexistent/lab.toml");
  ASSERT_FALSE(topology);
  EXPECT_THAT(topology.error().message, HasSubstr("/nonexistent/lab.toml"));
}

// With 3 ms for the hop: the promise in the shipped file's own words.
std::size_t better_relayed(const Topology& topology) {
  std::size_t found = 0;
  const std::size_t nodes = topology.nodes.size() - 1;  // without the collector
  for (NodeIndex a = 0; a < nodes; ++a) {
    for (NodeIndex b = 0; b < nodes; ++b) {
      if (a == b) continue;
      const Duration direct = topology.pair(a, b).delay;
      const Duration margin = std::max<Duration>(direct / 10, 5ms);
      for (NodeIndex k = 0; k < nodes; ++k) {
        if (k == a || k == b) continue;
        if (topology.pair(a, k).delay + 3ms + topology.pair(k, b).delay >= direct - margin)
          continue;
        ++found;
        break;
      }
    }
  }
  return found;
}

TEST(LabTopology, TheShippedFilesAreReadAndHoldWhatTheySay) {
  const auto triangle = read_topology("tools/lab/topology/triangle-3.toml");
  ASSERT_TRUE(triangle) << triangle.error().message;
  EXPECT_EQ(triangle->nodes.size(), 4U);
  EXPECT_EQ(better_relayed(*triangle), 2U);
  const auto regions = read_topology("tools/lab/topology/regions-12.toml");
  ASSERT_TRUE(regions) << regions.error().message;
  EXPECT_EQ(regions->nodes.size(), 13U);
  EXPECT_EQ(regions->nodes.back().kind, LabNodeKind::collector);
  EXPECT_GE(better_relayed(*regions), 24U);
}

}  // namespace
}  // namespace linkpilot::lab
