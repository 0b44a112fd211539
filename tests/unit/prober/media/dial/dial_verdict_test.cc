#include "prober/media/dial/dial_verdict.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "prober/media/dial/report_json.h"

namespace linkpilot::prober {
namespace {

constexpr MonoTime at_ms(std::int64_t ms) { return MonoTime{1'000'000'000 + ms * 1'000'000}; }

DialReport opened() {
  DialReport report;
  report.started = at_ms(0);
  report.ended = at_ms(20'000);
  report.end = DialEnd::watched;
  DialHop& hop = report.hops.emplace_back();
  hop.url = "rtmp://host/app/name";
  hop.began = at_ms(0);
  report.hops.back().phases = {{DialPhase::dns, at_ms(3)}, {DialPhase::tcp, at_ms(10)}};
  report.phases = report.hops.back().phases;
  report.phases.push_back({DialPhase::key_frame, at_ms(100)});
  report.playback.started = at_ms(0);
  report.playback.ended = at_ms(20'000);
  report.playback.marks.first_tag = report.playback.marks.video_frame =
      report.playback.marks.key_frame = at_ms(100);
  report.playback.video.frames = 500;
  report.playback.players[0].played = std::chrono::seconds(20);
  return report;
}

DialFailure failure(DialStage stage, DialFault kind) {
  return {.stage = stage, .kind = kind, .code = "Its.Own.Word", .sentence = "because it did"};
}

TEST(DialVerdict, IsFineOnlyByADecodableKeyFrame) {
  DialReport report = opened();
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::fine);
  EXPECT_TRUE(report.success);
  report.playback.marks.key_frame.reset();
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::cannot_open);
  EXPECT_FALSE(report.success);
}

TEST(DialVerdict, DoesNotMissTheSoundThatADialOfTheFirstFrameDidNotWaitFor) {
  DialReport report = opened();
  report.playback.marks.audio_config = at_ms(90);
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::audio_missing);
  DialRequest request;
  request.stop_at_key_frame = true;
  judge_dial(report, request);
  EXPECT_EQ(report.verdict.kind, VerdictKind::fine);
}

TEST(DialVerdict, NamesStageAndKindOfWhatFailed) {
  DialReport report;
  report.failure = failure(DialStage::tls, DialFault::certificate_expired);
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::cannot_open);
  EXPECT_EQ(report.verdict.sentence, "At tls (certificate_expired): because it did.");
}

TEST(DialVerdict, TakesAConnectionThatBreaksOffForAStutterAndNoFailureToOpen) {
  DialReport report = opened();
  report.failure = failure(DialStage::media, DialFault::reset);
  judge_dial(report, {});
  EXPECT_TRUE(report.success);
  EXPECT_EQ(report.verdict.kind, VerdictKind::stutters);
  EXPECT_NE(report.verdict.sentence.find("broke off"), std::string::npos);
}

TEST(DialVerdict, NeverTakesTheEndOfAStreamForAFault) {
  DialReport report = opened();
  report.end = DialEnd::stream_ended;
  report.end_code = "NetStream.Play.UnpublishNotify";
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::fine);
  ASSERT_EQ(report.verdict.also.size(), 1U);
  EXPECT_NE(report.verdict.also[0].sentence.find("UnpublishNotify"), std::string::npos);
}

TEST(DialVerdict, WarnsWhenTheProbeItselfWasLate) {
  DialReport report = opened();
  report.health.overloaded = true;
  judge_dial(report, {});
  ASSERT_FALSE(report.verdict.also.empty());
  EXPECT_NE(report.verdict.also.back().sentence.find("overloaded"), std::string::npos);
}

TEST(DialVerdict, TakesAPushForGoodOnlyWhenItWasReadBack) {
  DialRequest request;
  request.direction = DialDirection::push;
  DialReport report;
  report.push.emplace();
  report.push->accepted = report.push->held = true;
  judge_dial(report, request);
  EXPECT_FALSE(report.success) << "never read back";
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->stage, DialStage::read_back);
  report.failure.reset();
  report.read_back.push_back({});
  report.read_back[0].verdict = {
      .kind = VerdictKind::cannot_open, .sentence = "Nothing.", .also = {}};
  judge_dial(report, request);
  EXPECT_EQ(report.verdict.kind, VerdictKind::cannot_open);
  EXPECT_NE(report.verdict.sentence.find("cannot be read back"), std::string::npos);
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->stage, DialStage::read_back);
  EXPECT_EQ(report.failure->kind, DialFault::no_media);
  report.failure.reset();
  report.read_back[0] = opened();
  report.read_back[0].playback.push_delay = {.samples = 9, .median = std::chrono::milliseconds(7)};
  judge_dial(report.read_back[0], {});
  judge_dial(report, request);
  EXPECT_TRUE(report.success);
  EXPECT_NE(report.verdict.sentence.find("push to pull 7ms"), std::string::npos)
      << report.verdict.sentence;
  EXPECT_NE(report.verdict.sentence.find("too long by at most"), std::string::npos);
  request.push.read_back = false;
  report.read_back.clear();
  judge_dial(report, request);
  EXPECT_TRUE(report.success) << "held was enough";
}

TEST(DialVerdict, GivesAStageToEveryDialThatShowedNothing) {
  DialReport report = opened();
  report.playback.marks.key_frame.reset();
  report.end = DialEnd::watched;
  judge_dial(report, {});
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->stage, DialStage::media);
  EXPECT_EQ(report.failure->kind, DialFault::not_decodable) << "never a key frame";
  report = {};
  report.end = DialEnd::stream_ended;
  report.end_code = "NetStream.Play.UnpublishNotify";
  judge_dial(report, {});
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->kind, DialFault::no_media);
  EXPECT_EQ(report.failure->code, "NetStream.Play.UnpublishNotify");
  EXPECT_TRUE(report.verdict.sentence.ends_with("is it being published?"))
      << report.verdict.sentence;
}

TEST(DialVerdict, NeverCallsOurOwnCeilingAStutter) {
  DialReport report = opened();
  report.end = DialEnd::ceiling;
  report.failure = failure(DialStage::media, DialFault::limit);
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::probe_limited);
  EXPECT_TRUE(report.success);
  report.playback.freezes = 1;
  report.playback.longest_freeze = std::chrono::seconds(2);
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::stutters) << "what was seen before counts";
  ASSERT_FALSE(report.verdict.also.empty());
  EXPECT_EQ(report.verdict.also[0].kind, VerdictKind::probe_limited);
  report.playback.marks.key_frame.reset();
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::probe_limited);
}

TEST(DialVerdict, BlamesItselfForStallsThatItsOwnLoopExplains) {
  DialReport report = opened();
  report.playback.players[1].stalls = 1;
  report.playback.players[1].stalled = report.playback.players[1].longest =
      std::chrono::milliseconds(400);
  report.playback.players[1].rule.start = std::chrono::seconds(1);
  report.health = {.loop_lag_p99 = std::chrono::milliseconds(90),
                   .loop_lag_max = std::chrono::milliseconds(300),
                   .overloaded = true};
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::stutters) << "longer than the loop was late";
  report.health.loop_lag_max = std::chrono::milliseconds(500);
  judge_dial(report, {});
  EXPECT_EQ(report.verdict.kind, VerdictKind::probe_limited);
  ASSERT_FALSE(report.verdict.also.empty());
  EXPECT_EQ(report.verdict.also[0].kind, VerdictKind::stutters);
}

TEST(DialVerdict, SaysThatAServerTookAPushSlowly) {
  DialRequest request;
  request.direction = DialDirection::push;
  request.push.read_back = false;
  DialReport report;
  report.push.emplace();
  report.push->accepted = report.push->held = true;
  report.push->queue_max = std::chrono::milliseconds(900);
  judge_dial(report, request);
  EXPECT_EQ(report.verdict.kind, VerdictKind::fine);
  report.push->queue_max = std::chrono::milliseconds(2'500);
  judge_dial(report, request);
  EXPECT_EQ(report.verdict.kind, VerdictKind::stutters);
  EXPECT_NE(report.verdict.sentence.find("more slowly than it was paced"), std::string::npos);
  EXPECT_TRUE(report.success) << "it was held";
}

TEST(DialPhases, AreThoseOfTheConnectionOnWhichTheMediaBegan) {
  DialReport report = opened();
  DialHop later;  // the server asked to move on after a minute
  later.began = at_ms(60'000);
  later.phases = {{DialPhase::tcp, at_ms(60'010)}};
  report.hops.push_back(later);
  EXPECT_EQ(opening_hop(report), &report.hops.front());
  for (const PhaseSpan& span : phase_spans(report)) EXPECT_LE(span.from, span.to);
}

TEST(DialPhases, TakeTheirTimesFromTheMarkBeforeAndFromTheLastConnection) {
  DialReport report = opened();
  report.hops.back().began = at_ms(2);  // an earlier hop took the first two milliseconds
  const auto spans = phase_spans(report);
  ASSERT_EQ(spans.size(), 3U);
  EXPECT_EQ(spans[0].from, std::chrono::milliseconds(2));
  EXPECT_EQ(spans[0].to, std::chrono::milliseconds(3));
  EXPECT_EQ(spans[2].from, std::chrono::milliseconds(10));
  EXPECT_EQ(report.since_start(DialPhase::tcp), std::chrono::milliseconds(10));
  EXPECT_FALSE(report.since_start(DialPhase::tls));
}

TEST(DialJson, HoldsEachPhaseAndTheVerdictAndSurvivesOctetsThatAreNoText) {
  DialReport report = opened();
  report.notices.push_back("caf\xe9");
  judge_dial(report, {});
  const auto json = nlohmann::json::parse(dial_report_json(report));
  EXPECT_EQ(json["phases"].size(), 3U);
  EXPECT_EQ(json["phases"][1]["name"], "tcp");
  EXPECT_EQ(json["phases"][1]["took_ms"], 7.0);
  EXPECT_EQ(json["verdict"]["kind"], "fine");
  EXPECT_EQ(json["probe"]["probe_overloaded"], false);
}

}  // namespace
}  // namespace linkpilot::prober
