// Known impairments against what the report says of them: the right kind, within 50 ms.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "prober/media/playback/verdict.h"
#include "tests/unit/prober/media/playback/stream_feed.h"

namespace linkpilot::prober {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

void expect_near(Duration got, Duration want, Duration by = milliseconds(50)) {
  EXPECT_LE(std::abs((got - want).count()), by.count())
      << format_duration(got) << " instead of " << format_duration(want);
}

PlaybackReport played(const FeedScript& script, Duration end) {
  StreamFeed feed;
  feed.configs(Duration(0));
  run(feed, script);
  return feed.report(end);
}

void expect_one_stall(const PlayerReport& player, Duration length) {
  SCOPED_TRACE(player.rule.name);
  ASSERT_EQ(player.stalls, 1U);
  expect_near(player.stalled, length);
  expect_near(player.longest, length);
  ASSERT_EQ(player.list.size(), 1U);
  EXPECT_FALSE(player.list[0].open);
}

TEST(Ledger, SourcePausedForThreeSecondsIsAStallOfThreeSeconds) {
  const auto report = played(
      {.arrives = [](Duration t) { return t < seconds(10) ? t : t + seconds(3); }}, seconds(33));
  expect_one_stall(report.players[0], seconds(3));
  expect_near(report.players[0].list[0].start - at_time({}).mono, seconds(10));
  expect_one_stall(report.players[1], seconds(3));  // 1 s is left, and 1 s is awaited again
  expect_near(report.players[1].list[0].start - at_time({}).mono, seconds(11));
  expect_one_stall(report.players[2], milliseconds(2200));
  EXPECT_EQ(report.freezes, 0U);
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::stutters);
}

TEST(Ledger, LinkCutForTwoSecondsIsAStallThatBuffersShorten) {
  const auto report =
      played({.arrives =
                  [](Duration t) {
                    return t >= seconds(10) && t < seconds(12) ? Duration(seconds(12)) : t;
                  }},
             seconds(30));
  expect_one_stall(report.players[0], seconds(2));
  expect_one_stall(report.players[1], seconds(1));
  expect_one_stall(report.players[2], milliseconds(1200));
  EXPECT_EQ(report.freezes, 0U);
  EXPECT_EQ(report.video.jumps, 0U);
}

TEST(Ledger, FramesDroppedByTheSourceAreAFreezeAndNoStall) {
  const auto report = played(
      {.dropped = [](Duration t) { return t >= seconds(10) && t < seconds(12); }}, seconds(30));
  EXPECT_EQ(report.freezes, 1U);
  expect_near(report.frozen, seconds(2));
  for (const PlayerReport& player : report.players) EXPECT_EQ(player.stalls, 0U);
  EXPECT_EQ(report.video.jumps, 0U);
  const Verdict verdict = judge_playback(report);
  EXPECT_EQ(verdict.kind, VerdictKind::stutters);
  EXPECT_NE(verdict.sentence.find("dropped frames"), std::string::npos) << verdict.sentence;
}

TEST(Ledger, ATrackThatComesBackAFrameLaterThanTheOtherHasNotStarved) {
  // Sound is away for 1.997 s, the picture for 2.04 s.
  const auto report = played(
      {.dropped = [](Duration t) { return t >= milliseconds(10'010) && t < milliseconds(12'005); }},
      seconds(30));
  EXPECT_EQ(report.video.starvations + report.audio.starvations, 0U);
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::stutters);
}

TEST(Ledger, AGapAndLatenessOfOneFrameAreBothCharged) {
  // 2 s of frames dropped, and what follows comes 700 ms late.
  const auto report =
      played({.arrives = [](Duration t) { return t < seconds(10) ? t : t + milliseconds(700); },
              .dropped = [](Duration t) { return t >= seconds(10) && t < seconds(12); }},
             seconds(30) + milliseconds(700));
  expect_near(report.frozen, seconds(2));
  expect_one_stall(report.players[0], milliseconds(700));
}

TEST(Ledger, ACleanHourHasNoStallNoFreezeAndNoFault) {
  StreamFeed feed;
  feed.configs(Duration(0));
  std::mt19937 random(7);
  std::uniform_int_distribution<std::int64_t> jitter(0, 60'000'000);  // a usual path's
  run(feed, {.length = hours(1),
             .first_timestamp = 0xffff'0000,  // wraps within the first minute and a bit
             .arrives = [&](Duration t) { return t + Duration(jitter(random)); }});
  const PlaybackReport report = feed.report(hours(1));
  for (const PlayerReport& player : report.players) {
    EXPECT_EQ(player.stalls, 0U) << player.rule.name;
  }
  EXPECT_EQ(report.freezes, 0U);
  EXPECT_EQ(report.video.jumps + report.audio.jumps, 0U);
  EXPECT_EQ(report.video.wraps, 1U);
  EXPECT_EQ(report.audio.wraps, 1U);
  EXPECT_EQ(report.video.frames, 90'000U);
  EXPECT_NEAR(report.video.rate_by_time, 25.0, 0.001);
  EXPECT_NEAR(report.video.rate_by_arrival, 25.0, 0.01);
  EXPECT_NEAR(report.video.realtime_ratio, 1.0, 0.001);
  EXPECT_NEAR(report.audio.realtime_ratio, 1.0, 0.001);
  EXPECT_EQ(report.video.missing_ratio, 0.0);
  EXPECT_EQ(report.gop.mean, Duration(seconds(2)));
  EXPECT_EQ(report.gop.frames_mean, 50.0);
  expect_near(report.audio_drift, Duration(0), milliseconds(2));
  EXPECT_LE(report.windows.size(), StreamAnalyzer::kWindowsMax);
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::fine);
}

TEST(Ledger, AStallStillOpenAtTheEndIsCountedAndFlagged) {
  StreamFeed feed;
  feed.configs(Duration(0));
  run(feed, {.length = seconds(10)});
  const PlaybackReport report = feed.report(seconds(14));
  const std::vector<std::pair<std::size_t, int>> lengths{{0, 4000}, {1, 3000}, {2, 3200}};
  for (const auto& [player, length] : lengths) {
    const PlayerReport& one = report.players[player];
    ASSERT_EQ(one.list.size(), 1U);
    EXPECT_TRUE(one.list[0].open);
    expect_near(one.stalled, milliseconds(length));
  }
  EXPECT_EQ(feed.report(seconds(10)).players[0].stalls, 0U) << "ended in time, nothing is open";
  EXPECT_NE(judge_playback(report).sentence.find("still going on"), std::string::npos);
}

// A live-edge player takes its first two seconds for start-up, so they are left calm.
constexpr std::int64_t kCalmFrames = 60;

// An independent player: looks at each millisecond whether the frame it needs is there.
struct Arrival {
  std::int64_t arrived_ms;
  std::int64_t at_ms;
};
std::int64_t ticked_stall(const std::vector<Arrival>& frames, const PlayerRule& rule) {
  std::int64_t begin = frames[0].arrived_ms + rule.start / milliseconds(1);
  std::int64_t first = frames[0].at_ms;
  if (rule.live_edge) {
    std::int64_t least = frames[0].arrived_ms - frames[0].at_ms;
    for (const Arrival& frame : frames) {
      if (frame.arrived_ms - frames[0].arrived_ms < 2000) {
        least = std::min(least, frame.arrived_ms - frame.at_ms);
      }
    }
    begin = first + least + rule.margin / milliseconds(1);
  }
  std::int64_t position = first;
  std::int64_t stalled = 0;
  std::size_t next = 0;     // the frame that must be there to go on
  std::size_t arrived = 0;  // how many have come
  bool waiting = false;
  for (std::int64_t now = begin; next < frames.size(); ++now) {
    while (arrived < frames.size() && frames[arrived].arrived_ms <= now) ++arrived;
    const std::int64_t frontier = arrived == 0 ? first : frames[arrived - 1].at_ms;
    if (waiting && next < arrived &&
        frontier - frames[next].at_ms >= rule.resume / milliseconds(1)) {
      waiting = false;
    }
    while (!waiting && next < frames.size() && frames[next].at_ms <= position) {
      if (next >= arrived) {
        waiting = true;
      } else {
        ++next;
      }
    }
    if (waiting) {
      ++stalled;
      if (arrived == frames.size()) return stalled;  // the end cut the refill short
    } else {
      ++position;
    }
  }
  return stalled;
}

TEST(Ledger, FivePercentLossAsDelaysAgreesWithAPlayerThatTicks) {
  std::mt19937 random(20261121);
  std::uniform_real_distribution<double> chance(0, 1);
  std::uniform_int_distribution<std::int64_t> timeout(200, 900);
  std::vector<Arrival> frames;
  StreamFeed feed;
  feed.configs(Duration(0));
  std::int64_t arrived = 0;
  for (std::int64_t i = 0; i < 25 * 300; ++i) {
    // A lost segment holds up what is behind it until it is sent again.
    const std::int64_t delay = i > kCalmFrames && chance(random) < 0.05 ? timeout(random) : 0;
    arrived = std::max(arrived, i * 40 + delay);
    frames.push_back({arrived, i * 40});
    feed.video(static_cast<std::uint32_t>(i * 40), i % 50 == 0, milliseconds(arrived));
  }
  const PlaybackReport report = feed.report(milliseconds(arrived));
  EXPECT_EQ(report.freezes, 0U);
  EXPECT_GE(report.players[0].stalls, 1U);
  EXPECT_EQ(report.players[1].stalls, 0U) << "a second of buffer rides over 900 ms";
  for (const PlayerReport& player : report.players) {
    SCOPED_TRACE(player.rule.name);
    expect_near(player.stalled + player.short_total,
                milliseconds(ticked_stall(frames, player.rule)));
  }
}

TEST(LedgerProperty, EachPlayerAgreesWithOneThatTicks) {
  EXPECT_TRUE(rc::check([] {
    std::vector<Arrival> frames;
    std::int64_t arrived = 0;
    const auto count = *rc::gen::inRange(60, 300);
    for (std::int64_t i = 0; i < count; ++i) {
      const bool held = i > kCalmFrames && *rc::gen::inRange(0, 20) == 0;
      const std::int64_t delay = held ? *rc::gen::inRange(0, 4000) : *rc::gen::inRange(0, 30);
      arrived = std::max(arrived, i * 40 + delay);
      frames.push_back({arrived, i * 40});
    }
    for (const PlayerRule& rule : {kPlainPlayer, kBufferedPlayer, kLiveEdgePlayer}) {
      VirtualPlayer player(rule);
      for (std::size_t i = 0; i < frames.size(); ++i) {
        const MonoTime when{frames[i].arrived_ms * 1'000'000};
        const Duration at = milliseconds(frames[i].at_ms);
        if (i == 0) {
          player.start(when, at);
        } else {
          player.arrive(when, at, kStallThreshold);
        }
      }
      const PlayerReport report =
          player.report(MonoTime{arrived * 1'000'000}, milliseconds(40), kStallThreshold);
      if (rule.live_edge && frames.back().arrived_ms - frames[0].arrived_ms < 2000) continue;
      const std::int64_t got = (report.stalled + report.short_total) / milliseconds(1);
      RC_ASSERT(std::abs(got - ticked_stall(frames, rule)) <= 50);
    }
  }));
}

TEST(LedgerProperty, ThePlainPlayersStallsAddUpToTheGreatestLateness) {
  EXPECT_TRUE(rc::check([] {
    VirtualPlayer player(kPlainPlayer);
    Duration first{};
    Duration worst{};
    MonoTime arrived;
    Duration at;
    const auto count = *rc::gen::inRange(1, 200);
    for (int i = 0; i < count; ++i) {
      at += milliseconds(*rc::gen::inRange(1, 100));
      arrived += milliseconds(*rc::gen::inRange(0, 150));
      const Duration late = (arrived - MonoTime{}) - at;
      if (i == 0) {
        first = late;
        player.start(arrived, at);
      } else {
        player.arrive(arrived, at, kStallThreshold);
      }
      worst = std::max(worst, late - first);
    }
    const PlayerReport report = player.report(arrived, milliseconds(1), kStallThreshold);
    RC_ASSERT(report.stalled + report.short_total == worst);
    RC_ASSERT(report.longest <= report.stalled);
  }));
}

}  // namespace
}  // namespace linkpilot::prober
