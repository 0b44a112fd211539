#include "tools/media/forwarding.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace linkpilot::media {
namespace {

constexpr NodeId kSource(1);
constexpr NodeId kRelay(2);
constexpr NodeId kSecond(3);
constexpr NodeId kTarget(4);
constexpr NodeId kOther(5);

Datagram on_its_way(std::uint8_t index) {
  Datagram datagram;
  datagram.source = kSource;
  datagram.target = kTarget;
  datagram.path = {kRelay, kSecond, kTarget, NodeId{}};
  datagram.path_length = 3;
  datagram.index = index;
  datagram.hop_budget = kHopBudgetAtSource;
  return datagram;
}

Alternate alternate(std::vector<NodeId> path, bool loop_free, bool first_hop_dead) {
  Alternate result;
  for (const NodeId node : path) result.path[result.path_length++] = node;
  result.loop_free = loop_free;
  result.first_hop_dead = first_hop_dead;
  return result;
}

TEST(MediaForwarding, DeliversAtTheEndOfThePath) {
  EXPECT_EQ(advance(on_its_way(2), kTarget).fate, Fate::delivered);
}

TEST(MediaForwarding, DropsWhatIsAddressedToAnotherNode) {
  EXPECT_EQ(advance(on_its_way(0), kSecond).fate, Fate::dropped_not_addressee);
  EXPECT_EQ(advance(on_its_way(1), kTarget).fate, Fate::dropped_not_addressee);
}

TEST(MediaForwarding, SendsOnWithOneHopLessAndItselfInTheTrail) {
  const Action action = advance(on_its_way(0), kRelay);
  EXPECT_EQ(action.fate, Fate::forwarded);
  EXPECT_EQ(action.datagram.addressee(), kSecond);
  EXPECT_EQ(action.datagram.hop_budget, kHopBudgetAtSource - 1);
  ASSERT_EQ(action.datagram.trail_length, 1);
  EXPECT_EQ(action.datagram.trail[0], kRelay);
}

TEST(MediaForwarding, DropsWhenTheBudgetIsSpent) {
  Datagram tired = on_its_way(0);
  tired.hop_budget = 0;
  EXPECT_EQ(advance(tired, kRelay).fate, Fate::dropped_budget);
}

TEST(MediaForwarding, TurnsOnlyToAliveLoopFreeCandidates) {
  const Action advanced = advance(on_its_way(0), kRelay);
  const std::vector<Alternate> candidates = {
      alternate({kSecond, kTarget}, true, true),    // the dead one itself
      alternate({kSource, kTarget}, false, false),  // could come back
      alternate({kOther, kTarget}, true, false),
  };
  const Action turned = turn(advanced.datagram, candidates);
  EXPECT_EQ(turned.fate, Fate::turned_aside);
  EXPECT_EQ(turned.datagram.addressee(), kOther);
  EXPECT_EQ(turned.datagram.hop_budget, kHopBudgetAtSource - 1);
  EXPECT_TRUE(parse(encode(turned.datagram)).has_value());
}

TEST(MediaForwarding, DropsWhenNoCandidateIsLoopFree) {
  const Action advanced = advance(on_its_way(0), kRelay);
  const std::vector<Alternate> candidates = {alternate({kOther, kTarget}, false, false)};
  EXPECT_EQ(turn(advanced.datagram, candidates).fate, Fate::dropped_no_alternate);
  EXPECT_EQ(turn(advanced.datagram, {}).fate, Fate::dropped_no_alternate);
}

TEST(MediaForwarding, DropsWhenTheAlternateIsLongerThanTheBudget) {
  Datagram tired = on_its_way(0);
  tired.hop_budget = 1;
  const Action advanced = advance(tired, kRelay);
  const std::vector<Alternate> longer = {alternate({kOther, kTarget}, true, false)};
  EXPECT_EQ(turn(advanced.datagram, longer).fate, Fate::dropped_no_alternate);
  const std::vector<Alternate> direct = {alternate({kTarget}, true, false)};
  EXPECT_EQ(turn(advanced.datagram, direct).fate, Fate::turned_aside);
}

// Nodes that all turn each datagram to each other cannot keep it for ever.
TEST(MediaForwarding, NoDatagramTravelsFurtherThanItsBudget) {
  Datagram datagram = on_its_way(0);
  std::size_t hops = 0;
  for (; hops < 100; ++hops) {
    const Action advanced = advance(datagram, datagram.addressee());
    if (advanced.fate != Fate::forwarded) break;
    const NodeId back = datagram.addressee() == kRelay ? kSecond : kRelay;
    const std::array<Alternate, 1> candidates = {alternate({back, kTarget}, true, false)};
    const Action turned = turn(advanced.datagram, candidates);
    if (turned.fate != Fate::turned_aside) break;
    datagram = turned.datagram;
  }
  EXPECT_LE(hops, kHopBudgetMax);
}

}  // namespace
}  // namespace linkpilot::media
