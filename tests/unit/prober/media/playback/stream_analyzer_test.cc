#include "prober/media/playback/stream_analyzer.h"

#include <gtest/gtest.h>

#include "prober/media/flv/synthetic_stream.h"
#include "tests/unit/prober/media/playback/stream_feed.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

MonoTime mono(Duration since) { return at_time(since).mono; }

TEST(StreamAnalyzer, MarksEachFirstThingOfAnOpening) {
  StreamFeed feed;
  feed.configs(milliseconds(10));
  feed.audio(0, milliseconds(20));
  feed.video(0, false, milliseconds(30));
  feed.video(40, true, milliseconds(70));
  feed.video(80, true, milliseconds(110));
  const PlaybackMarks& marks = feed.analyzer.marks();
  EXPECT_EQ(marks.metadata, mono(milliseconds(10)));
  EXPECT_EQ(marks.video_config, mono(milliseconds(10)));
  EXPECT_EQ(marks.audio_frame, mono(milliseconds(20)));
  EXPECT_EQ(marks.video_frame, mono(milliseconds(30)));
  EXPECT_EQ(marks.key_frame, mono(milliseconds(70)));
  EXPECT_EQ(marks.gop, mono(milliseconds(110)));
  EXPECT_EQ(feed.report(seconds(1)).video.undecodable_frames, 1U);
}

TEST(StreamAnalyzer, KeepsSequenceHeadersAndMetadataOffTheTimeline) {
  // As node-media-server does: both headers at 0 while the media are at 16 s.
  StreamFeed feed;
  feed.configs(Duration(0), 0);
  run(feed, {.length = seconds(10), .first_timestamp = 16'023});
  feed.configs(seconds(10), 0);
  const PlaybackReport report = feed.report(seconds(10));
  EXPECT_EQ(report.video.jumps + report.audio.jumps, 0U);
  EXPECT_EQ(report.burst_media, Duration(0));
  EXPECT_EQ(report.video.config_changes, 0U);
}

TEST(StreamAnalyzer, MeasuresTheBurstOfAGopCache) {
  StreamFeed feed;
  feed.configs(Duration(0));
  // 690 ms of media wait in the cache and come at once.
  run(feed, {.length = seconds(20),
             .arrives = [](Duration t) { return std::max(Duration(0), t - milliseconds(690)); }});
  const PlaybackReport report = feed.report(seconds(20) - milliseconds(690));
  EXPECT_NEAR(static_cast<double>(report.burst_media.count()) / 1e6, 690, 41);
  EXPECT_GT(report.burst_rate.value, report.steady_rate.value);
  // 25 x 1009 octets of video and 43 x 102 of audio a second.
  EXPECT_NEAR(static_cast<double>(report.steady_rate.value), (25.0 * 1009 + 43.066 * 102) * 8,
              4000);
}

TEST(StreamAnalyzer, CountsAJumpAndMakesNoStallOfIt) {
  StreamFeed feed;
  feed.configs(Duration(0));
  run(feed, {.stamped = [](Duration t) { return t < seconds(10) ? t : t + seconds(3600); }});
  const PlaybackReport report = feed.report(seconds(30));
  EXPECT_EQ(report.video.jumps, 1U);
  EXPECT_EQ(report.audio.jumps, 1U);
  EXPECT_EQ(report.jump_list.size(), 2U);
  EXPECT_EQ(report.players[0].stalls, 0U);
  EXPECT_EQ(report.freezes, 0U);
  EXPECT_LT(report.sound_early, milliseconds(50)) << "both jumped alike";
  EXPECT_GT(report.sound_early, milliseconds(-50));
}

TEST(StreamAnalyzer, StillCountsAnArrivalGapAcrossAJump) {
  StreamFeed feed;
  feed.configs(Duration(0));
  run(feed, {.arrives = [](Duration t) { return t < seconds(10) ? t : t + seconds(2); },
             .stamped = [](Duration t) { return t < seconds(10) ? t : t - seconds(9); }});
  const PlaybackReport report = feed.report(seconds(32));
  EXPECT_EQ(report.video.jumps, 1U);
  EXPECT_EQ(report.players[0].stalls, 1U);
  EXPECT_NEAR(static_cast<double>(report.players[0].stalled.count()), 2e9, 5e7);
}

TEST(StreamAnalyzer, TellsByHowFarAJumpOfOneTrackMovesTheSound) {
  StreamFeed feed;
  feed.configs(Duration(0));
  for (std::uint32_t i = 0; i < 500; ++i) {
    feed.video(i * 40, i % 50 == 0, milliseconds(i * 40));
    feed.audio(i < 250 ? i * 40 : i * 40 + 12'000, milliseconds(i * 40));
  }
  const PlaybackReport report = feed.report(seconds(20));
  EXPECT_EQ(report.audio.jumps, 1U);
  EXPECT_EQ(report.sound_early, -milliseconds(12'000)) << "its sound is played 12 s later";
}

TEST(StreamAnalyzer, ReportsStartOffsetAndInterleave) {
  StreamFeed feed;
  feed.configs(Duration(0));
  for (std::uint32_t i = 0; i < 250; ++i) {
    feed.video(0xffffff00 + i * 40, i % 50 == 0, milliseconds(i * 40));
    feed.audio(0xffffff00 + i * 40 + 300, milliseconds(i * 40));
  }
  const PlaybackReport report = feed.report(seconds(10));
  EXPECT_EQ(report.start_offset, milliseconds(300));
  EXPECT_NEAR(static_cast<double>(report.interleave_p95.count()), 260e6, 5e6);
}

TEST(StreamAnalyzer, FindsDriftBetweenSamplesAndTimestamps) {
  StreamFeed feed;
  feed.configs(Duration(0));
  // 44.1 kHz frames last 23.22 ms; these are stamped one percent further apart.
  for (std::int64_t i = 0; i < 2000; ++i) {
    const auto ms = static_cast<std::uint32_t>(static_cast<double>(i) * 23.2199 * 1.01);
    feed.audio(ms, milliseconds(ms));
  }
  const PlaybackReport report = feed.report(seconds(47));
  EXPECT_NEAR(static_cast<double>(report.audio_drift.count()) / 1e6, -464, 5);
}

TEST(StreamAnalyzer, PlaysTheSoundWhereThereIsNoPicture) {
  StreamFeed feed;
  feed.configs(Duration(0));
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::uint32_t at = i * 23;
    feed.audio(at, milliseconds(i < 500 ? at : at + 1500));
  }
  const PlaybackReport report = feed.report(milliseconds(23'000 + 1500));
  EXPECT_EQ(report.played_track, TrackKind::audio);
  EXPECT_EQ(report.players[0].stalls, 1U);
  EXPECT_NEAR(static_cast<double>(report.players[0].stalled.count()), 1.5e9, 5e7);
}

TEST(StreamAnalyzer, NoticesATrackThatStarves) {
  StreamFeed feed;
  feed.configs(Duration(0));
  for (std::uint32_t i = 0; i < 1000; ++i) {
    feed.video(i * 40, i % 50 == 0, milliseconds(i * 40));
    if (i < 200 || (i > 400 && i < 800)) feed.audio(i * 40, milliseconds(i * 40));
  }
  const PlaybackReport report = feed.report(seconds(40));
  EXPECT_EQ(report.audio.starvations, 2U);
  EXPECT_TRUE(report.audio.starved_at_end);
  EXPECT_NEAR(static_cast<double>(report.audio.starved.count()), 16.1e9, 2e8);
  EXPECT_EQ(report.video.starvations, 0U);
}

TEST(StreamAnalyzer, ScalesTheThresholdForSlides) {
  StreamFeed feed;
  feed.configs(Duration(0));
  for (std::uint32_t i = 0; i < 30; ++i) {
    feed.video(i * 1000, i % 5 == 0, milliseconds(i * 1000 + (i % 2) * 700));
  }
  const PlaybackReport report = feed.report(seconds(30));
  EXPECT_NEAR(static_cast<double>(report.stall_threshold.count()), 3e9, 5e7);
  EXPECT_EQ(report.players[0].stalls, 0U);
  EXPECT_EQ(report.freezes, 0U);
}

TEST(StreamAnalyzer, SeesSignsOfASuspectPicture) {
  StreamFeed feed;
  feed.configs(Duration(0));
  for (std::uint32_t i = 0; i < 1000; ++i) {
    if (i >= 300 && i < 320) continue;  // the next is no key frame
    const bool black = i >= 500 && i < 700;
    feed.video(i * 40, i % 250 == 0, milliseconds(i * 40), black ? 12 : 2000);
  }
  const PictureSigns signs = feed.report(seconds(40)).picture;
  EXPECT_EQ(signs.gaps_without_key, 1U);
  EXPECT_GE(signs.longest_collapse, 6U);
  EXPECT_LE(signs.longest_collapse, 8U);
  EXPECT_EQ(signs.broken_frames, 0U);
}

TEST(StreamAnalyzer, ToleratesAClockOfZeros) {
  StreamFeed feed;
  feed.configs(Duration(0));
  for (std::uint32_t i = 0; i < 100; ++i) feed.video(0, i == 0, milliseconds(i * 40));
  const PlaybackReport report = feed.report(seconds(4));
  EXPECT_EQ(report.video.jumps, 0U);
  EXPECT_EQ(report.video.typical_step, Duration(0));
}

TEST(StreamAnalyzer, KeepsItsListsAndWindowsBounded) {
  StreamFeed feed;
  feed.configs(Duration(0));
  feed.video(0, true, Duration(0));
  for (std::uint32_t i = 1; i < 3000; ++i) {
    const std::uint32_t at = i * 100'000;  // a jump each
    feed.video(at, false, seconds(i * 5));
  }
  const PlaybackReport report = feed.report(seconds(15'000));
  EXPECT_EQ(report.jump_list.size(), StreamAnalyzer::kEventsMax);
  EXPECT_EQ(report.video.jumps, 2999U);
  EXPECT_LT(report.windows.size(), StreamAnalyzer::kWindowsMax);
  EXPECT_EQ(report.window, seconds(32));
  EXPECT_EQ(report.players[0].list.size(), PlayerReport::kStallsMax);
  EXPECT_GT(report.players[0].stalls, 2000U);
}

TEST(StreamAnalyzer, ReadsThePushDelayOfOurOwnStream) {
  auto stream = SyntheticStream::create({});
  ASSERT_TRUE(stream);
  StreamFeed feed;
  for (const OwnedTag& tag : stream->headers()) feed.tag(tag, Duration(0));
  while (stream->due() < seconds(20)) {
    const Duration due = stream->due();
    const bool lost = stream->video_frames() == 110;
    const OwnedTag tag = stream->next(at_time(due).wall);
    if (!(lost && tag.type == TagType::video)) feed.tag(tag, due + milliseconds(130));
  }
  const PlaybackReport report = feed.report(seconds(20));
  EXPECT_EQ(report.push_delay.samples, 499U);
  EXPECT_EQ(report.push_delay.missed, 1U);
  EXPECT_EQ(report.push_delay.least, milliseconds(130));
  EXPECT_EQ(report.push_delay.most, milliseconds(130));
  EXPECT_NEAR(static_cast<double>(report.push_delay.median.count()), 130e6, 1e6);
  EXPECT_EQ(report.video_config->width, 640U);
  EXPECT_EQ(report.video_config->height, 360U);
  EXPECT_EQ(report.gop.mean, Duration(seconds(2)));
  // 600 kbit/s of video and 64 of audio, less what 2 s at the edges leave out.
  EXPECT_NEAR(static_cast<double>(report.steady_rate.value), 664'000, 10'000);
  EXPECT_EQ(report.picture.broken_frames, 0U);
  EXPECT_EQ(report.picture.longest_collapse, 0U);
}

}  // namespace
}  // namespace linkpilot::prober
