// Sessions that go as they should, and what the client says and answers in them.
#include "prober/media/rtmp/rtmp_client.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/prober/media/rtmp/scripted_session.h"

namespace linkpilot::rtmp {
namespace {

using Names = std::vector<std::string>;

constexpr const char* kUrl = "rtmp://host.example/live/name?sign=topsecret";

TEST(RtmpClient, PullsAStreamThroughEveryPhaseInOrder) {
  ScriptedSession session(options_for(kUrl));
  session.reach_media();
  session.give(message({.chunk_stream = 5, .type = 18}, filler(20)));
  session.give(message({.chunk_stream = 4, .time = 3, .type = 8}, filler(10)));
  session.give(message({.chunk_stream = 6, .time = 4, .type = 9}, filler(300)));
  EXPECT_EQ(session.phases(), (Names{"server_hello", "handshake", "connected", "stream_created",
                                     "started", "first_script", "first_audio", "first_video"}));
  EXPECT_EQ(session.sent_names(), (Names{"connect", "createStream", "play"}));
  ASSERT_EQ(session.sink.tags().size(), 3U);
  EXPECT_EQ(session.sink.tags()[2].body, filler(300));
  EXPECT_EQ(session.sink.tags()[2].header.timestamp_ms, 4U);
  EXPECT_EQ(session.client.counters().tags_in, 3U);
  EXPECT_FALSE(session.client.next_wakeup());
  session.client.end(session.now());
  session.collect();
  EXPECT_EQ(session.verdict(), "ended");
  EXPECT_EQ(session.sent_names().back(), "deleteStream");
}

TEST(RtmpClient, GivesEachPhaseTheTimeAtWhichItWasReached) {
  ScriptedSession session(options_for(kUrl));
  session.pass(std::chrono::milliseconds(10));
  session.give(joined({{3}, filler(kHandshakeOctets)}));
  session.pass(std::chrono::milliseconds(20));
  session.give(filler(kHandshakeOctets));
  const auto hello = session.client.take_event();
  const auto handshake = session.client.take_event();
  EXPECT_EQ(hello->at.mono.ns, 1'010'000'000);
  EXPECT_EQ(handshake->at.mono.ns, 1'030'000'000);
}

TEST(RtmpClient, TellsTheServerItsUrlVerbatimAndWhatItCanReceive) {
  ScriptedSession session(options_for("rtmp://u:p@h:1936/live?vhost=v.example/name?sign=a/b=="));
  session.reach_start();
  const Command connect = session.sent("connect");
  ASSERT_EQ(connect.arguments.size(), 1U);
  const AmfValue& object = connect.arguments[0];
  EXPECT_EQ(connect.transaction, 1);
  EXPECT_EQ(object.text_of("app"), "live?vhost=v.example");
  EXPECT_EQ(object.text_of("tcUrl"), "rtmp://h:1936/live?vhost=v.example");
  EXPECT_EQ(object.find("objectEncoding")->number, 0);
  EXPECT_EQ(object.find("capabilities")->number, 15);
  EXPECT_EQ(object.find("audioCodecs")->number, 4071);
  EXPECT_EQ(object.find("videoCodecs")->number, 252);
  EXPECT_EQ(object.find("fourCcList")->members.size(), 12U);
  EXPECT_EQ(object.find("videoFourCcInfoMap")->find("hvc1")->number, 1);
  EXPECT_EQ(object.find("audioFourCcInfoMap")->find("Opus")->number, 1);
  EXPECT_EQ(object.find("capsEx")->number, 15);
  EXPECT_EQ(object.find("type"), nullptr);
  const Command play = session.sent("play");
  EXPECT_EQ(play.arguments.at(1).text, "name?sign=a/b==");
  const Bytes buffer = session.sent_of(MessageType::user_control).at(0);
  EXPECT_EQ(buffer, joined({big(3, 2), big(1, 4), big(3000, 4)}));
}

TEST(RtmpClient, PublishesWithoutWaitingForReleaseStreamAndFcPublish) {
  ScriptedSession session(options_for(kUrl, Direction::push));
  session.shake_hands();
  session.accept_connect();
  EXPECT_EQ(session.sent_names(), (Names{"connect", "releaseStream", "FCPublish", "createStream"}));
  EXPECT_EQ(session.sent("connect").arguments[0].text_of("type"), "nonprivate");
  session.accept_create(7);
  EXPECT_EQ(session.sent("publish").arguments.at(1).text, "name?sign=topsecret");
  EXPECT_EQ(session.messages.back().header.stream, 7U);
  EXPECT_EQ(session.client.publish_tag({}, {}), PublishResult::not_publishing);
  session.give(status("status", "NetStream.Publish.Start"));
  EXPECT_TRUE(session.client.is_publishing());
  const Bytes video = filler(9000);
  EXPECT_EQ(session.client.publish_tag({.type = prober::TagType::video, .timestamp_ms = 40}, video),
            PublishResult::accepted);
  session.collect();
  EXPECT_EQ(session.messages.back().body, video);
  EXPECT_EQ(session.messages.back().header.stream, 7U);
  session.pass(std::chrono::seconds(2));
  EXPECT_TRUE(session.has_phase("held"));
  session.client.end(session.now());
  session.collect();
  const Names names = session.sent_names();
  EXPECT_EQ(names[names.size() - 2], "FCUnpublish");
  EXPECT_EQ(names.back(), "deleteStream");
  EXPECT_EQ(session.sent("deleteStream").arguments.at(1).number, 7);
  EXPECT_EQ(session.verdict(), "ended");
}

TEST(RtmpClient, MarksMetadataForTheServerOnce) {
  ScriptedSession session(options_for(kUrl, Direction::push));
  session.reach_media();
  Bytes plain;
  AmfWriter(plain).text("onMetaData").null();
  Bytes marked;
  AmfWriter(marked).text("@setDataFrame").text("onMetaData").null();
  for (const Bytes& body : {plain, marked}) {
    EXPECT_EQ(session.client.publish_tag({.type = prober::TagType::script}, body),
              PublishResult::accepted);
    session.collect();
    EXPECT_EQ(session.messages.back().body, marked);
  }
}

TEST(RtmpClient, SaysFullWhenAServerNeverReads) {
  RtmpClientOptions options = options_for(kUrl, Direction::push);
  options.output_octets_max = 100'000;
  ScriptedSession session(options);
  session.reach_media();
  const Bytes frame = filler(30'000);
  int accepted = 0;
  while (session.client.publish_tag({.type = prober::TagType::video}, frame) ==
         PublishResult::accepted) {
    ++accepted;
  }
  EXPECT_EQ(accepted, 3);
  EXPECT_LE(session.client.output().size(), options.output_octets_max);
}

TEST(RtmpClient, IgnoresWhatAServerSendsBackToAPublisher) {
  ScriptedSession session(options_for(kUrl, Direction::push));
  session.reach_media();
  session.give(message({.type = 9}, filler(300)));
  EXPECT_TRUE(session.sink.tags().empty());
  EXPECT_EQ(session.verdict(), "open");
}

TEST(RtmpClient, TakesMediaBeforePlayStartOnAnyMessageStream) {
  ScriptedSession session(options_for(kUrl));
  session.reach_start();
  session.give(message({.type = 9, .stream = 0}, filler(30)));
  EXPECT_EQ(session.client.stage(), Stage::media);
  EXPECT_FALSE(session.client.next_wakeup());
  session.give(status("status", "NetStream.Play.Start"));
  EXPECT_TRUE(session.has_phase("started"));
  EXPECT_FALSE(session.client.next_wakeup());
}

TEST(RtmpClient, ReadsAmf3DataAggregatesAndInterleavedMessages) {
  ScriptedSession session(options_for(kUrl));
  session.reach_media();
  session.give(message({.chunk_stream = 5, .type = 15}, {0, 2, 0, 1, 'x'}));
  EXPECT_EQ(session.sink.tags().back().body, (Bytes{2, 0, 1, 'x'}));
  const Bytes inner = joined({{8}, big(3, 3), big(500, 3), big(0, 4), filler(3), big(14, 4)});
  session.give(message({.chunk_stream = 5, .time = 77, .type = 22}, inner));
  EXPECT_EQ(session.sink.tags().back().header.timestamp_ms, 77U);
  EXPECT_TRUE(session.has_phase("first_audio"));
  session.give(joined({chunk(0, {.chunk_stream = 6, .octets = 200, .type = 9}, filler(128)),
                       message({.chunk_stream = 4, .type = 8}, filler(9)),
                       chunk(3, {.chunk_stream = 6}, filler(72))}));
  ASSERT_EQ(session.sink.tags().size(), 4U);
  EXPECT_EQ(session.sink.tags()[2].header.type, prober::TagType::video);
  EXPECT_EQ(session.sink.tags()[3].header.type, prober::TagType::audio);
  EXPECT_EQ(session.client.counters().tags_in, 4U);
}

TEST(RtmpClient, GivesUpAnAbortedMessageAndReadsOn) {
  ScriptedSession session(options_for(kUrl));
  session.sink.allow_lost_ends();
  session.reach_media();
  session.give(joined({chunk(0, {.octets = 200, .type = 9}, filler(128)), abort_message(4),
                       message({.type = 9}, filler(5)),
                       chunk(0, {.chunk_stream = 3, .octets = 200, .type = 20}, filler(128)),
                       abort_message(3), status("status", "NetStream.Play.Reset")}));
  EXPECT_EQ(session.client.counters().aborted_messages, 2U);
  EXPECT_TRUE(session.sink.tags().back().complete);
  EXPECT_EQ(session.verdict(), "open");
}

TEST(RtmpClient, AcknowledgesAtAFractionOfTheWindowWithoutAStorm) {
  struct Case {
    std::uint32_t window;
    std::size_t acknowledgements_min;
    std::size_t acknowledgements_max;
  };
  // 4 MB in calls of 10 kB.
  for (const Case& c :
       {Case{2'500'000, 10, 20}, Case{1, 200, 260}, Case{0, 0, 0}, Case{0xffffffff, 3, 4}}) {
    ScriptedSession session(options_for(kUrl));
    session.reach_media();
    session.give(control(5, big(c.window, 4)));
    session.give(set_chunk_size(10'000));
    const std::size_t before = session.sent_of(MessageType::acknowledgement).size();
    for (int i = 0; i < 400; ++i) session.give(message({.type = 9}, filler(10'000), 10'000));
    const auto sent = session.sent_of(MessageType::acknowledgement);
    EXPECT_GE(sent.size() - before, c.acknowledgements_min) << c.window;
    EXPECT_LE(sent.size() - before, c.acknowledgements_max) << c.window;
  }
}

TEST(RtmpClient, AnswersPingsAndBoundsWhatItOwesAPeerThatDoesNotRead) {
  ScriptedSession session(options_for(kUrl));
  session.reach_media();
  session.give(control(4, joined({big(6, 2), big(0xdeadbeef, 4)})));
  EXPECT_EQ(session.sent_of(MessageType::user_control).back(),
            joined({big(7, 2), big(0xdeadbeef, 4)}));
  const Bytes ping = control(4, joined({big(6, 2), big(1, 4)}));
  for (int i = 0; i < 10'000; ++i) session.client.on_bytes(ping, session.now());
  EXPECT_LT(session.client.output().size(), kReplyOctetsMax + 100);
  EXPECT_GT(session.client.counters().replies_left_out, 1000U);
  EXPECT_EQ(session.client.counters().pings, 10'001U);
}

TEST(RtmpClient, AnswersSetPeerBandwidthOncePerValueWhateverItsLimitType) {
  ScriptedSession session(options_for(kUrl));
  session.reach_media();
  const std::size_t before = session.sent_of(MessageType::window_ack_size).size();
  for (int i = 0; i < 3; ++i) session.give(control(6, joined({big(5'000'000, 4), {9}})));
  EXPECT_EQ(session.sent_of(MessageType::window_ack_size).size(), before + 1);
  EXPECT_EQ(session.sent_of(MessageType::window_ack_size).back(), big(5'000'000, 4));
}

TEST(RtmpClient, SurvivesShortUnknownAndEnormousControlMessages) {
  ScriptedSession session(options_for(kUrl));
  session.reach_media();
  for (const int type : {3, 4, 5, 6}) {
    for (const std::size_t octets : {0, 1, 3, 5, 64, 65, 5000}) {
      session.give(control(type, filler(octets)));
    }
  }
  for (const std::uint32_t event : {0, 1, 2, 4, 26, 31, 32, 999}) {
    session.give(control(4, joined({big(event, 2), big(1, 4)})));
  }
  session.give(message({.type = 99}, filler(400)));
  EXPECT_EQ(session.verdict(), "open");
}

TEST(RtmpClient, IgnoresOrAnswersTheOldCallsOfMediaServers) {
  ScriptedSession session(options_for(kUrl));
  session.shake_hands();
  session.give(
      joined({command("onBWDone", 0, {null_value()}), command("onFCPublish", 0, {null_value()}),
              command("_onbwcheck", 42, {null_value()}), command("close", 0, {})}));
  session.accept_connect();
  EXPECT_EQ(session.sent("_result").transaction, 42);
  session.accept_create();
  session.give(message({.chunk_stream = 5, .type = 18}, filler(9)));
  EXPECT_EQ(session.verdict(), "open");
}

TEST(RtmpClient, MatchesResultsByTheirTransaction) {
  ScriptedSession session(options_for(kUrl, Direction::push));
  session.give(Bytes{});
  session.shake_hands();
  session.give(command("_result", 3, {null_value(), number_value(9)}));
  session.give(command("_result", -1, {null_value(), number_value(9)}));
  session.give(command("_result", std::numeric_limits<double>::quiet_NaN(), {null_value()}));
  session.give(command("_result", std::numeric_limits<double>::infinity(), {null_value()}));
  EXPECT_EQ(session.client.stage(), Stage::connect);
  EXPECT_EQ(session.client.counters().unmatched_replies, 4U);
  session.accept_connect();
  session.give(command("_result", 2, {null_value(), number_value(99)}));  // releaseStream's
  session.give(command("_error", 3, {null_value()}));                     // FCPublish's
  EXPECT_EQ(session.client.stage(), Stage::create_stream);
  session.accept_create(1);
  session.accept_create(2);
  EXPECT_EQ(session.messages.back().header.stream, 1U);
  EXPECT_EQ(session.client.stage(), Stage::start);
}

TEST(RtmpClient, TellsTheEndOfAStreamAndTakesACloseAfterItForNoFailure) {
  const Bytes eof = control(4, joined({big(1, 2), big(1, 4)}));
  for (const Bytes& end :
       {eof, status("status", "NetStream.Play.UnpublishNotify"),
        status("status", "NetStream.Play.Stop"), status("status", "NetStream.Play.Complete")}) {
    ScriptedSession session(options_for(kUrl));
    session.give({});
    session.reach_media();
    session.give(message({.type = 9}, filler(30)));
    session.give(end);
    EXPECT_EQ(session.phases().back().substr(0, 13), "stream_ended ");
    session.close();
    EXPECT_EQ(session.verdict(), "ended");
  }
}

TEST(RtmpClient, TakesACloseAfterThePublisherCameBackForAFailure) {
  for (const Bytes& back :
       {status("status", "NetStream.Play.PublishNotify"), message({.type = 9}, filler(30))}) {
    ScriptedSession session(options_for(kUrl));
    session.reach_media();
    session.give(message({.type = 9}, filler(30)));
    session.give(status("status", "NetStream.Play.UnpublishNotify"));
    session.give(back);
    EXPECT_EQ(session.phases().back().substr(0, 14), "stream_resumed");
    session.close();
    EXPECT_EQ(session.verdict(), "media closed");
  }
}

TEST(RtmpClient, AsksForNoFirstTagAfterPlayStartIfMediaCameLongBefore) {
  ScriptedSession session(options_for(kUrl));
  session.shake_hands();
  session.give(message({.type = 9}, filler(30)));
  session.accept_connect();
  session.accept_create();
  session.give(status("status", "NetStream.Play.Start"));
  EXPECT_FALSE(session.client.next_wakeup());
}

TEST(RtmpClient, BoundsItsEventsAndCountsTheRest) {
  ScriptedSession session(options_for(kUrl));
  session.reach_media();
  (void)session.phases();  // five milestones, taken
  for (int i = 0; i < 200; ++i) session.give(status("status", "NetStream.Play.Reset"));
  EXPECT_EQ(session.phases().size(), 5 + kEventsMax);
  EXPECT_EQ(session.client.counters().events_left_out, 200 - kEventsMax);
}

// All of it may come in one read, before anybody has looked.
TEST(RtmpClient, LosesNoMilestoneAndNotTheLastWordBehindAFloodOfNotices) {
  for (const Direction direction : {Direction::pull, Direction::push}) {
    const bool push = direction == Direction::push;
    ScriptedSession session(options_for(kUrl, direction));
    session.reach_start();
    Bytes flood;
    for (int i = 0; i < 500; ++i) append(flood, status("status", "NetStream.Some.Notice"));
    append(flood, status("status", push ? "NetStream.Publish.Start" : "NetStream.Play.Start"));
    append(flood, message({.chunk_stream = 6, .type = 9}, filler(30)));
    append(flood, status("status", "NetStream.Play.UnpublishNotify"));
    session.give(flood);
    session.pass(std::chrono::seconds(2));
    EXPECT_TRUE(session.has_phase("server_hello"));
    EXPECT_TRUE(session.has_phase("stream_created"));
    EXPECT_TRUE(session.has_phase("started"));
    EXPECT_EQ(session.has_phase("first_video"), !push);
    EXPECT_EQ(session.has_phase("held"), push);
    EXPECT_TRUE(session.has_phase("stream_ended NetStream.Play.UnpublishNotify"));
    EXPECT_EQ(session.client.counters().events_left_out, 501 - kEventsMax);
  }
}

TEST(RtmpClient, CarriesAudioThroughWhateverTheCutsOfItsInput) {
  const Bytes stream = joined({command("_result", 1, {null_value()}),
                               command("_result", 2, {null_value(), number_value(1)}),
                               status("status", "NetStream.Play.Start"), set_chunk_size(1000),
                               message({.time = 40, .type = 9}, filler(3000), 1000)});
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{500}}) {
    ScriptedSession session(options_for(kUrl));
    const Bytes all = joined({{3}, filler(2 * kHandshakeOctets), stream});
    for (std::size_t at = 0; at < all.size(); at += step) {
      const std::size_t to = std::min(all.size(), at + step);
      session.give(Bytes(all.begin() + static_cast<std::ptrdiff_t>(at),
                         all.begin() + static_cast<std::ptrdiff_t>(to)));
    }
    ASSERT_EQ(session.sink.tags().size(), 1U);
    EXPECT_EQ(session.sink.tags()[0].body, filler(3000));
  }
}

}  // namespace
}  // namespace linkpilot::rtmp
