#include "prober/media/playback/verdict.h"

#include <gtest/gtest.h>

#include "tests/unit/prober/media/playback/stream_feed.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

PlaybackReport good_report() {
  StreamFeed feed;
  feed.configs(milliseconds(100));
  run(feed, {.length = seconds(20), .arrives = [](Duration t) { return t + milliseconds(200); }});
  return feed.report(seconds(20));
}

bool says(const Verdict& verdict, std::string_view words) {
  return verdict.sentence.find(words) != std::string::npos;
}

TEST(Verdict, CallsACleanStreamFineAndNamesItsPicture) {
  const Verdict verdict = judge_playback(good_report());
  EXPECT_EQ(verdict.kind, VerdictKind::fine);
  EXPECT_TRUE(says(verdict, "640x360 at 25 frames")) << verdict.sentence;
  EXPECT_TRUE(says(verdict, "200ms")) << verdict.sentence;
  EXPECT_TRUE(verdict.also.empty());
}

TEST(Verdict, SaysHowFarAStreamGotThatCannotOpen) {
  StreamFeed silent;
  Verdict verdict = judge_playback(silent.report(seconds(10)));
  EXPECT_EQ(verdict.kind, VerdictKind::cannot_open);
  EXPECT_TRUE(says(verdict, "sent no media within 10s")) << verdict.sentence;

  StreamFeed headers;
  headers.configs(Duration(0));
  EXPECT_TRUE(says(judge_playback(headers.report(seconds(10))), "Only metadata"));

  StreamFeed no_config;
  for (std::uint32_t i = 0; i < 50; ++i) no_config.video(i * 40, i == 0, milliseconds(i * 40));
  EXPECT_TRUE(says(judge_playback(no_config.report(seconds(2))), "no decoder configuration"));

  StreamFeed no_key;
  no_key.configs(Duration(0));
  for (std::uint32_t i = 0; i < 50; ++i) no_key.video(i * 40, false, milliseconds(i * 40));
  EXPECT_TRUE(says(judge_playback(no_key.report(seconds(2))), "no key frame"));

  StreamFeed refused;
  refused.tag({TagType::video, 0,
               legacy_video_body({.packet = BodyPacket::sequence_start}, from_hex("0142"))},
              Duration(0));
  refused.video(0, true, Duration(0));
  EXPECT_TRUE(says(judge_playback(refused.report(seconds(2))), "cannot be used"));

  verdict = judge_playback(silent.report(seconds(10)), {.failure = "DNS: no such host."});
  EXPECT_EQ(verdict.sentence, "DNS: no such host.");
}

TEST(Verdict, MissesWhatIsAnnouncedOrWanted) {
  StreamFeed mute;
  mute.configs(Duration(0));
  run(mute, {.length = seconds(10), .with_audio = false});
  const PlaybackReport announced = mute.report(seconds(10));
  EXPECT_EQ(judge_playback(announced).kind, VerdictKind::audio_missing);
  EXPECT_EQ(judge_playback(announced, {.audio = TrackWish::unwanted}).kind, VerdictKind::fine);

  PlaybackReport unannounced = announced;
  unannounced.marks.audio_config.reset();
  EXPECT_EQ(judge_playback(unannounced).kind, VerdictKind::fine);
  EXPECT_EQ(judge_playback(unannounced, {.audio = TrackWish::required}).kind,
            VerdictKind::audio_missing);

  StreamFeed blind;
  blind.tag({TagType::audio, 0, legacy_aac_body(BodyPacket::sequence_start, from_hex("1210"))},
            Duration(0));
  for (std::uint32_t i = 0; i < 400; ++i) blind.audio(i * 23, milliseconds(i * 23));
  const PlaybackReport sound_only = blind.report(milliseconds(9'200));
  EXPECT_EQ(judge_playback(sound_only).kind, VerdictKind::fine) << "a radio";
  EXPECT_EQ(judge_playback(sound_only, {.video = TrackWish::required}).kind,
            VerdictKind::video_missing);
}

TEST(Verdict, FindsEachKindByItsFigure) {
  struct Case {
    VerdictKind kind;
    std::function<void(PlaybackReport&)> spoil;
    const char* words;
  };
  const std::vector<Case> cases{
      {VerdictKind::out_of_sync, [](auto& r) { r.sound_early = milliseconds(120); }, "ahead"},
      {VerdictKind::out_of_sync, [](auto& r) { r.sound_early = -milliseconds(200); }, "behind"},
      {VerdictKind::out_of_sync, [](auto& r) { r.audio_drift = milliseconds(300); }, "samples"},
      {VerdictKind::picture_suspect, [](auto& r) { r.picture.broken_frames = 3; }, "damaged"},
      {VerdictKind::picture_suspect, [](auto& r) { r.picture.gaps_without_key = 1; }, "garbage"},
      {VerdictKind::picture_suspect, [](auto& r) { r.picture.longest_collapse = 5; }, "black"},
      {VerdictKind::late, [](auto& r) { r.started = r.started - seconds(4); }, "GOP cache"},
      {VerdictKind::late, [](auto& r) { r.lateness_end = seconds(6); }, "behind"},
      {VerdictKind::late,
       [](auto& r) {
         r.push_delay.samples = 9;
         r.push_delay.median = seconds(8);
       },
       "push to pull"},
      {VerdictKind::fine, [](auto& r) { r.sound_early = milliseconds(80); }, "no stall"},
      {VerdictKind::fine, [](auto& r) { r.sound_early = -milliseconds(180); }, "no stall"},
  };
  for (const Case& one : cases) {
    PlaybackReport report = good_report();
    one.spoil(report);
    const Verdict verdict = judge_playback(report);
    EXPECT_EQ(verdict.kind, one.kind) << one.words;
    EXPECT_TRUE(says(verdict, one.words)) << verdict.sentence;
  }
}

TEST(Verdict, TakesATrackThatCameBackForAStutterAndOneThatDidNotForMissing) {
  PlaybackReport report = good_report();
  report.video.starvations = 1;
  report.video.starved = seconds(3);
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::stutters);
  EXPECT_TRUE(says(judge_playback(report), "video was away 1 times"));
  report.video.starved_at_end = true;
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::video_missing);
}

TEST(Verdict, PutsTheWorstFirstAndKeepsTheRest) {
  PlaybackReport report = good_report();
  report.lateness_end = seconds(9);
  report.picture.broken_frames = 1;
  report.audio.starvations = 1;
  report.audio.starved_at_end = true;
  const Verdict verdict = judge_playback(report);
  EXPECT_EQ(verdict.kind, VerdictKind::audio_missing);
  ASSERT_EQ(verdict.also.size(), 2U);
  EXPECT_EQ(verdict.also[0].kind, VerdictKind::picture_suspect);
  EXPECT_EQ(verdict.also[1].kind, VerdictKind::late);
}

TEST(Verdict, ForgivesThePlainPlayerAShortStall) {
  PlaybackReport report = good_report();
  report.players[0].stalls = 1;
  report.players[0].stalled = milliseconds(210);
  report.players[0].played = seconds(60);
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::fine);
  report.players[1].stalls = 1;
  report.players[1].stalled = milliseconds(210);
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::stutters);
}

}  // namespace
}  // namespace linkpilot::prober
