#include "collector/ingest/report_dedup.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace linkpilot::collector {
namespace {

using Verdict = ReportDedup::Verdict;
constexpr MonoTime kStart{1'000'000'000};

// Judges and takes; true if it was fresh.
bool offer(ReportDedup& dedup, std::uint64_t sequence, std::uint64_t dropped = 0,
           MonoTime now = kStart) {
  if (dedup.judge({1, sequence}, dropped, now) != Verdict::fresh) return false;
  dedup.take({1, sequence}, dropped, now);
  return true;
}

TEST(ReportDedup, TakesEachReportOnce) {
  ReportDedup dedup;
  EXPECT_TRUE(offer(dedup, 1));
  EXPECT_TRUE(offer(dedup, 2));
  EXPECT_FALSE(offer(dedup, 1));
  EXPECT_FALSE(offer(dedup, 2));
  EXPECT_EQ(dedup.mark(1)->high, 2u);
}

TEST(ReportDedup, AcknowledgesNothingBeyondAGap) {
  ReportDedup dedup;
  EXPECT_TRUE(offer(dedup, 1));
  EXPECT_TRUE(offer(dedup, 3));
  EXPECT_EQ(dedup.mark(1)->high, 1u);
  EXPECT_TRUE(offer(dedup, 2));
  EXPECT_EQ(dedup.mark(1)->high, 3u);
}

TEST(ReportDedup, AGapTheAgentDeclaredIsClosedAtOnce) {
  ReportDedup dedup;
  EXPECT_TRUE(offer(dedup, 1));
  EXPECT_TRUE(offer(dedup, 5, 3));
  EXPECT_EQ(dedup.mark(1)->high, 5u);
  EXPECT_EQ(dedup.mark(1)->skipped, 3u);
  // The same word does not cover a second gap.
  EXPECT_TRUE(offer(dedup, 7, 3));
  EXPECT_EQ(dedup.mark(1)->high, 5u);
}

TEST(ReportDedup, WhatWasDroppedBeforeTheFirstReportCoversNoLaterGap) {
  ReportDedup dedup;
  EXPECT_TRUE(offer(dedup, 100, 99));
  EXPECT_TRUE(offer(dedup, 102, 99));
  EXPECT_EQ(dedup.mark(1)->high, 100u);
}

TEST(ReportDedup, AGapNobodyFillsIsGivenUpAfterPatienceAndTold) {
  ReportDedup dedup;
  EXPECT_TRUE(offer(dedup, 1));
  EXPECT_TRUE(offer(dedup, 4));
  const MonoTime later = kStart + ReportDedup::kGapPatience;
  ASSERT_EQ(dedup.judge({1, 5}, 0, later), Verdict::fresh);
  const ReportDedup::Judgement judgement = dedup.take({1, 5}, 0, later);
  EXPECT_EQ(judgement.gap_lost, 2u);
  EXPECT_EQ(judgement.mark.high, 5u);
}

TEST(ReportDedup, AReportThatHadNoRoomIsStillWaitedFor) {
  ReportDedup dedup;
  EXPECT_EQ(dedup.judge({1, 440}, 0, kStart), Verdict::fresh);  // not taken: no room
  EXPECT_TRUE(offer(dedup, 441));
  EXPECT_EQ(dedup.mark(1)->high, 439u);
  EXPECT_TRUE(offer(dedup, 440));
  EXPECT_EQ(dedup.mark(1)->high, 441u);
}

TEST(ReportDedup, EarlyReportsAreBounded) {
  ReportDedup dedup;
  EXPECT_TRUE(offer(dedup, 1));
  for (std::uint64_t i = 0; i < ReportDedup::kAheadMax; ++i) EXPECT_TRUE(offer(dedup, 10 + i));
  EXPECT_EQ(dedup.judge({1, 10 + ReportDedup::kAheadMax}, 0, kStart), Verdict::too_far_ahead);
  EXPECT_EQ(dedup.judge({1, 2}, 0, kStart), Verdict::fresh);
}

TEST(ReportDedup, ARestoredStateKnowsWhatWasTaken) {
  ReportDedup dedup;
  dedup.restore({1, 10, 0}, {12, 13}, kStart);
  EXPECT_FALSE(offer(dedup, 10));
  EXPECT_FALSE(offer(dedup, 12));
  EXPECT_TRUE(offer(dedup, 11));
  EXPECT_EQ(dedup.mark(1)->high, 13u);
}

RC_GTEST_PROP(ReportDedup, CountsEachSequenceOnceInAnyOrderAndEndsComplete, ()) {
  const auto count = *rc::gen::inRange<std::uint64_t>(1, 60);
  std::vector<std::uint64_t> sent;
  for (std::uint64_t i = 2; i <= count; ++i) {
    for (int copies = *rc::gen::inRange(1, 4); copies > 0; --copies) sent.push_back(i);
  }
  for (std::size_t i = sent.size(); i > 1; --i) {
    std::swap(sent[i - 1], sent[*rc::gen::inRange<std::size_t>(0, i)]);
  }
  ReportDedup dedup;
  RC_ASSERT(offer(dedup, 1));
  std::set<std::uint64_t> taken{1};
  std::uint64_t high = 1;
  for (const std::uint64_t sequence : sent) {
    const bool fresh = offer(dedup, sequence);
    RC_ASSERT(fresh == taken.insert(sequence).second);
    RC_ASSERT(dedup.mark(1)->high >= high);
    high = dedup.mark(1)->high;
    for (std::uint64_t i = 1; i <= high; ++i) RC_ASSERT(taken.contains(i));
  }
  RC_ASSERT(high == count);
}

TEST(ReportDedup, AGapThatTheAgentGaveUpIsClosedAtOnce) {
  ReportDedup dedup;
  const MonoTime now{1};
  EXPECT_EQ(dedup.take({7, 1}, 0, now).mark.high, 1U);
  EXPECT_EQ(dedup.take({7, 12}, 0, now).mark.high, 1U);
  EXPECT_EQ(dedup.take({7, 5}, 0, now).mark.high, 1U);
  dedup.give_up({7, 10}, 0, now);  // 2 to 4 and 6 to 10 will not come
  EXPECT_EQ(dedup.mark(7)->high, 10U);
  EXPECT_EQ(dedup.mark(7)->skipped, 8U);
  EXPECT_EQ(dedup.judge({7, 5}, 0, now), ReportDedup::Verdict::duplicate);
  dedup.give_up({7, 11}, 0, now);
  EXPECT_EQ(dedup.mark(7)->high, 12U);
  dedup.give_up({7, 3}, 0, now);  // an old word
  EXPECT_EQ(dedup.mark(7)->high, 12U);
}

TEST(ReportDedup, AnEpochMayBeginWithWhatWasGivenUp) {
  ReportDedup dedup;
  dedup.give_up({7, 1'024}, 0, MonoTime{1});
  const auto judged = dedup.take({7, 1'025}, 0, MonoTime{2});
  EXPECT_EQ(judged.mark.high, 1'025U);
  EXPECT_EQ(judged.gap_lost, 0U);
}

}  // namespace
}  // namespace linkpilot::collector
