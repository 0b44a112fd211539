#include "collector/ingest/deaths.h"

#include <gtest/gtest.h>

#include "collector/ingest/damped_links.h"
#include "collector/ingest/link_text.h"
#include "tests/support/sim_clock.h"

namespace linkpilot::collector {
namespace {

using std::chrono::seconds;

constexpr LinkId kLink{{NodeId{1}, PortIndex{0}}, {NodeId{2}, PortIndex{3}}};

Agents two_agents() {
  Agents agents;
  agents[NodeId{1}].name = "tokyo";
  agents[NodeId{2}].name = "paris-2";
  return agents;
}

class Deaths : public testing::Test {
 protected:
  void die(Duration ago, std::string link = "tokyo/0>paris-2/3", std::string name = "link_dead") {
    Event event;
    event.time = clock_.now().wall - ago;
    event.name = std::move(name);
    event.link = std::move(link);
    events_.push_back(std::move(event));
  }
  optimizer::LinkBelief replayed() {
    optimizer::FleetEstimates estimates;
    replay_deaths(events_, two_agents(), estimates, clock_.now());
    return estimates.belief(kLink, clock_.now().mono);
  }

  SimClock clock_;
  std::vector<Event> events_;
};

TEST_F(Deaths, OfAFlappingLinkDampItAfterARestart) {
  for (const int ago : {20, 15, 10}) die(seconds(ago));
  const optimizer::LinkBelief belief = replayed();
  EXPECT_TRUE(belief.damped);
  EXPECT_GT(belief.damped_left, seconds(60));
  EXPECT_EQ(belief.state, LinkState::alive) << "agents say anew what is dead";
}

TEST_F(Deaths, FadeAsIfTheCollectorHadNotBeenAway) {
  for (const int ago : {320, 315, 310}) die(seconds(ago));
  EXPECT_FALSE(replayed().damped);
  for (const int ago : {6'020, 6'015, 6'010}) die(seconds(ago));
  EXPECT_FALSE(replayed().damped);
}

TEST_F(Deaths, OfStrangersAndOtherEventsCountNothing) {
  for (const int ago : {20, 15, 10}) {
    die(seconds(ago), "tokyo/0>nowhere/3");
    die(seconds(ago), "tokyo/0>paris-2/3", "link_suspect");
    die(-seconds(ago));
    die(seconds(ago), "tokyo/0>paris-2/2");
  }
  EXPECT_EQ(replayed().damping, 0.0);
}

TEST(DampedLinks, AreToldWhenDampingBeginsAndWhenItEnds) {
  optimizer::LinkBelief belief;
  belief.link = kLink;
  DampedLinks links;
  EXPECT_TRUE(links.look({&belief, 1}).empty());
  belief.damped = true;
  belief.damped_left = seconds(90);
  std::vector<DampingChange> changes = links.look({&belief, 1});
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].link, kLink);
  EXPECT_TRUE(changes[0].damped);
  EXPECT_EQ(changes[0].left, seconds(90));
  EXPECT_TRUE(links.look({&belief, 1}).empty()) << "once";
  changes = links.look({});
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_FALSE(changes[0].damped);
}

TEST(LinkText, IsReadBack) {
  const Agents agents = two_agents();
  EXPECT_EQ(parse_link_text(link_text(kLink, agents), agents), kLink);
  for (const char* text : {"", ">", "tokyo/0", "tokyo/0>", "tokyo>paris-2", "tokyo/0>paris-2/3x",
                           "tokyo/0>paris-2/300", "tokyo/0>tokyo/1", "#9/0>paris-2/3"}) {
    EXPECT_FALSE(parse_link_text(text, agents)) << text;
  }
}

}  // namespace
}  // namespace linkpilot::collector
