// The detectors of all links: what waits is counted in full, and what is forgotten is gone.
#include "collector/evidence/link_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace linkpilot::collector {
namespace {

LinkId link_between(std::uint16_t from, std::uint16_t to) {
  return {{NodeId{from}, PortIndex{0}}, {NodeId{to}, PortIndex{0}}};
}

// Both ends of one link, a sample a second each.
class OneLink {
 public:
  struct Second {
    double rtt_ms = 40.0;
    std::uint32_t lost = 0;  // on the way there
  };
  void pass(Second second) {
    now.mono += std::chrono::seconds(1);
    now.wall += std::chrono::seconds(1);
    for (const LinkId each : {link, link.reversed()}) {
      LinkSample sample;
      sample.link = each;
      sample.length = std::chrono::seconds(1);
      sample.sent = 10;
      (each == link ? sample.lost_forward : sample.lost_backward) = second.lost;
      sample.answered = sample.sent - second.lost;
      const Duration rtt(static_cast<std::int64_t>(second.rtt_ms * 1e6));
      sample.rtt_min = sample.rtt_max = rtt;
      sample.rtt_sum = rtt * sample.answered;
      for (std::uint32_t i = 0; i < sample.answered; ++i) sample.rtt.add(rtt);
      (void)book.add(book.find_or_create(each), sample, now);
    }
  }
  void pass(Second second, int times) {
    for (int i = 0; i < times; ++i) pass(second);
  }
  [[nodiscard]] LinkHealth health() const { return book.outlook(link, now.mono).health; }
  // Seconds of this until the link is told to be degraded; 0: not in so many.
  int until_degraded(Second second, int most) {
    for (int i = 1; i <= most; ++i) {
      pass(second);
      if (health() == LinkHealth::degraded) return i;
    }
    return 0;
  }

  LinkId link = link_between(1, 2);
  LinkBook book;
  Now now{MonoTime{1'000'000'000'000}, UnixNanos{1'800'000'000'000'000'000}};
};

TEST(LinkBook, SecondsThatWaitKeepALinkFineAndFresh) {
  OneLink one;
  for (int second = 1; second <= 300; ++second) {
    one.pass({40.0 + second % 3 * 0.1, 0});
    ASSERT_EQ(one.health(), LinkHealth::fine) << second;
    ASSERT_TRUE(one.book.find_odd().empty()) << second;
  }
  one.now.mono += LinkBook::kFresh;
  EXPECT_EQ(one.health(), LinkHealth::fine);
  one.now.mono += std::chrono::seconds(1);
  EXPECT_EQ(one.health(), LinkHealth::unknown);
}

TEST(LinkBook, ASlowerLinkIsNoticedAtOnceHoweverManyWait) {
  for (int waiting = 0; waiting < 2 * LinkBook::kGathered; ++waiting) {
    OneLink one;
    one.pass({}, 100 + waiting);
    const int after = one.until_degraded({60.0, 0}, 10);
    EXPECT_GE(after, 1) << waiting;
    EXPECT_LE(after, 4) << waiting;
  }
}

TEST(LinkBook, SingleSlowSecondsAmongQuietOnesAreNoSlowerLink) {
  for (int each = 3; each < 30; ++each) {
    OneLink one;
    one.pass({}, 100);
    for (int second = 0; second < 300; ++second) {
      one.pass({second % each == 0 ? 70.0 : 40.0, 0});
      ASSERT_EQ(one.health(), LinkHealth::fine) << "each " << each << ", second " << second;
    }
  }
}

// Whatever waited, what is lost afterwards counts in full.
TEST(LinkBook, LossIsFoundAsSoonAfterALongQuietAsAfterAShortOne) {
  std::vector<int> found_after;
  for (int waiting = 0; waiting < LinkBook::kGathered; ++waiting) {
    OneLink one;
    one.pass({}, 200 + waiting);
    found_after.push_back(one.until_degraded({40.0, 1}, 60));
  }
  EXPECT_THAT(found_after, testing::Each(found_after.front()));
  EXPECT_GE(found_after.front(), 2);
  EXPECT_LE(found_after.front(), 10);
}

TEST(LinkBook, WhatIsLostNowAndThenIsCountedAgainstAllThatWasSent) {
  OneLink one;
  one.pass({}, 200);
  // One of 400 each way: fine.
  for (int i = 0; i < 50; ++i) {
    one.pass({40.0, 1});
    one.pass({}, 39);
    ASSERT_EQ(one.health(), LinkHealth::fine) << i;
  }
}

TEST(LinkBook, AnAlarmEndsTheWaitAndItsOutageIsNoLoss) {
  OneLink one;
  one.pass({}, 125);
  one.book.note_state(one.link, LinkState::dead, one.now);
  EXPECT_EQ(one.health(), LinkHealth::dead);
  one.pass({40.0, 9}, 20);
  EXPECT_EQ(one.health(), LinkHealth::dead);
  one.book.note_state(one.link, LinkState::alive, one.now);
  one.pass({}, 3);
  EXPECT_EQ(one.health(), LinkHealth::fine);
  one.pass({}, 30);
  EXPECT_TRUE(one.book.find_odd().empty());
}

TEST(LinkBook, HoldsNoMorePairsThanItMay) {
  LinkBook book(3);
  for (std::uint16_t peer = 2; peer < 100; ++peer) {
    const bool held = book.find_or_create(link_between(1, peer)) != LinkBook::kNone;
    EXPECT_EQ(held, peer < 5);
  }
  EXPECT_EQ(book.pairs(), 3u);
  EXPECT_EQ(book.refused(), 95u);
}

TEST(LinkBook, PlacesOfANodeThatLeftAreUsedAgainAndKnowNothingOfIt) {
  OneLink one;
  one.pass({}, 100);
  ASSERT_NE(one.book.find_or_create(link_between(2, 3)), LinkBook::kNone);
  ASSERT_NE(one.book.find_or_create(link_between(1, 3)), LinkBook::kNone);
  ASSERT_GE(one.until_degraded({40.0, 3}, 60), 1);
  const std::uint64_t generation = one.book.generation();
  one.book.forget(NodeId{1});
  EXPECT_GT(one.book.generation(), generation);
  EXPECT_EQ(one.book.pairs(), 1u);
  EXPECT_EQ(one.health(), LinkHealth::unknown);
  EXPECT_TRUE(one.book.find_odd().empty());
  EXPECT_TRUE(one.book.pairs_of(NodeId{1}).empty());
  EXPECT_EQ(one.book.pairs_of(NodeId{2}).size(), 1u);
  for (LinkBook::Place place = 0; place < one.book.places(); ++place) {
    EXPECT_FALSE(one.book.fresh(place, one.now.mono));
  }

  one.link = link_between(4, 5);
  one.pass({}, 2);
  EXPECT_EQ(one.book.places(), 3u);
  EXPECT_EQ(one.book.pairs(), 2u);
  const LinkOutlook outlook = one.book.outlook(one.link, one.now.mono);
  EXPECT_EQ(outlook.health, LinkHealth::fine);
  EXPECT_LT(outlook.usual_rtt_ms, 0);  // not known yet
  EXPECT_EQ(outlook.loss_ratio, 0);
}

}  // namespace
}  // namespace linkpilot::collector
