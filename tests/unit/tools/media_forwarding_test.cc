#include "tools/media/forwarding.h"

#include <gtest/gtest.h>

#include <array>

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

TEST(MediaForwarding, TurnsToThePathOfItsOwnTable) {
  const Action advanced = advance(on_its_way(0), kRelay);
  const std::array<NodeId, 2> path = {kOther, kTarget};
  const Action turned = turn(advanced.datagram, path);
  EXPECT_EQ(turned.fate, Fate::turned_aside);
  EXPECT_EQ(turned.datagram.addressee(), kOther);
  EXPECT_EQ(turned.datagram.hop_budget, kHopBudgetAtSource - 1);
  const auto read = parse(encode(turned.datagram));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, turned.datagram);
}

TEST(MediaForwarding, DropsWithoutAnAlternate) {
  const Action advanced = advance(on_its_way(0), kRelay);
  EXPECT_EQ(turn(advanced.datagram, {}).fate, Fate::dropped_no_alternate);
}

TEST(MediaForwarding, DropsWhenTheAlternateIsLongerThanTheBudget) {
  Datagram tired = on_its_way(0);
  tired.hop_budget = 1;
  const Action advanced = advance(tired, kRelay);
  EXPECT_EQ(hops_left(advanced.datagram), 1U);
  const std::array<NodeId, 2> longer = {kOther, kTarget};
  EXPECT_EQ(turn(advanced.datagram, longer).fate, Fate::dropped_no_alternate);
  const std::array<NodeId, 1> direct = {kTarget};
  EXPECT_EQ(turn(advanced.datagram, direct).fate, Fate::turned_aside);
}

TEST(MediaForwarding, DoesNotTurnToANodeItHasBeenAt) {
  Datagram once = advance(on_its_way(0), kRelay).datagram;
  const std::array<NodeId, 2> onward = {kOther, kTarget};
  const Datagram at_other = advance(turn(once, onward).datagram, kOther).datagram;
  const std::array<NodeId, 2> back = {kRelay, kTarget};
  EXPECT_EQ(turn(at_other, back).fate, Fate::dropped_no_alternate);
  const std::array<NodeId, 3> round = {kSecond, kRelay, kTarget};
  EXPECT_EQ(turn(at_other, round).fate, Fate::dropped_no_alternate);
  const std::array<NodeId, 2> fresh = {kSecond, kTarget};
  EXPECT_EQ(turn(at_other, fresh).fate, Fate::turned_aside);
}

// Nodes that all turn each datagram to each other cannot keep it for ever.
TEST(MediaForwarding, NoDatagramTravelsFurtherThanItsBudget) {
  Datagram datagram = on_its_way(0);
  std::size_t hops = 0;
  for (; hops < 100; ++hops) {
    const Action advanced = advance(datagram, datagram.addressee());
    if (advanced.fate != Fate::forwarded) break;
    const std::array<NodeId, 2> back = {datagram.addressee() == kRelay ? kSecond : kRelay, kTarget};
    const Action turned = turn(advanced.datagram, back);
    if (turned.fate != Fate::turned_aside) break;
    datagram = turned.datagram;
  }
  EXPECT_LE(hops, kHopBudgetMax);
}

}  // namespace
}  // namespace linkpilot::media
