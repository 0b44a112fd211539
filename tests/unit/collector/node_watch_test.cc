#include "collector/ingest/node_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/sim_clock.h"

namespace linkpilot::collector {
namespace {

using std::chrono::milliseconds;

class NodeWatch : public testing::Test {
 protected:
  NodeWatch() {
    for (std::uint16_t id = 1; id <= 4; ++id) {
      AgentRecord& agent = agents_[NodeId{id}];
      agent.id = NodeId{id};
      agent.enrolled = true;
      agent.state = AgentState::connected;
      agent.last_heard = now_.mono;
      agent.last_heard_at = now_.wall;
      for (std::uint16_t to = 1; to <= 4; ++to) {
        if (to == id) continue;
        optimizer::LinkBelief belief;
        belief.link = {{NodeId{id}, PortIndex{0}}, {NodeId{to}, PortIndex{0}}};
        beliefs_.push_back(belief);
      }
    }
  }

  void say_dead(std::uint16_t from, std::uint16_t to) {
    for (optimizer::LinkBelief& belief : beliefs_) {
      if (belief.link.from.node == NodeId{from} && belief.link.to.node == NodeId{to}) {
        belief.state = LinkState::dead;
      }
    }
  }
  void quiet(std::uint16_t node) {
    agents_[NodeId{node}].last_heard = now_.mono - kQuietAfter;
    agents_[NodeId{node}].last_heard_at = now_.wall - kQuietAfter;
  }
  std::vector<NodeVerdict> judge() {
    return judge_nodes(
        agents_, beliefs_,
        [this](LinkId link) {
          return (all_fast_ || link.from.node.value == 1) && link.from.node.value != slow_peer_;
        },
        now_);
  }

  Now now_ = SimClock().now();
  Agents agents_;
  std::vector<optimizer::LinkBelief> beliefs_;
  bool all_fast_ = true;
  std::uint16_t slow_peer_ = 0;
};

TEST_F(NodeWatch, TheCollectorsSilenceAloneKillsNobody) {
  quiet(4);
  EXPECT_TRUE(judge().empty());
}

TEST_F(NodeWatch, OneDeadLinkKillsNobody) {
  quiet(4);
  say_dead(1, 4);
  EXPECT_TRUE(judge().empty());
}

TEST_F(NodeWatch, AQuietNodeThatNoFastPeerReachesIsDead) {
  quiet(4);
  all_fast_ = false;  // only node 1 probes it fast; the others cannot know yet
  say_dead(1, 4);
  const std::vector<NodeVerdict> verdicts = judge();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].node, NodeId{4});
  EXPECT_TRUE(verdicts[0].dead);
  EXPECT_THAT(verdicts[0].reason, testing::HasSubstr("node silent since 2027"));
}

TEST_F(NodeWatch, ANodeThatTwoFastPeersLoseIsDeadUntilItSpeaksAgain) {
  slow_peer_ = 3;
  agents_[NodeId{4}].last_heard = now_.mono - milliseconds(300);
  say_dead(1, 4);
  EXPECT_TRUE(judge().empty()) << "one peer may be wrong";
  say_dead(2, 4);
  const std::vector<NodeVerdict> verdicts = judge();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_TRUE(verdicts[0].dead);

  agents_[NodeId{4}].dead = true;
  now_.mono += milliseconds(200);
  agents_[NodeId{4}].last_heard = now_.mono;
  ASSERT_EQ(judge().size(), 1u);
  EXPECT_FALSE(judge()[0].dead) << "it speaks: its slow links may live";
  agents_[NodeId{4}].dead = false;
  now_.mono += milliseconds(900);
  EXPECT_TRUE(judge().empty()) << "and it is not called dead again between two of its words";
}

TEST_F(NodeWatch, ANodeThatTalksButNobodyReachesIsDeadToo) {
  for (std::uint16_t peer = 1; peer <= 3; ++peer) say_dead(peer, 4);
  const std::vector<NodeVerdict> verdicts = judge();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_THAT(verdicts[0].reason, testing::HasSubstr("no peer reaches"));
}

TEST_F(NodeWatch, DeadPeersAreNoWitnesses) {
  for (const std::uint16_t dead : {std::uint16_t{3}, std::uint16_t{4}}) {
    quiet(dead);
    say_dead(1, dead);
    say_dead(2, dead);
  }
  EXPECT_EQ(judge().size(), 2u);
  // And what the dead ones said of the living kills nobody.
  for (const std::uint16_t dead : {std::uint16_t{3}, std::uint16_t{4}}) {
    say_dead(dead, 1);
    say_dead(dead, 2);
  }
  EXPECT_EQ(judge().size(), 2u);
}

TEST_F(NodeWatch, ADeadNodeReturnsWhenItIsHeardAndReached) {
  AgentRecord& agent = agents_[NodeId{4}];
  agent.dead = true;
  quiet(4);
  EXPECT_TRUE(judge().empty()) << "links that look alive do not raise a silent node";
  agent.last_heard = now_.mono;
  const std::vector<NodeVerdict> verdicts = judge();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_FALSE(verdicts[0].dead);
}

}  // namespace
}  // namespace linkpilot::collector
