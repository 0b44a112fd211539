// Sessions that fail: each has one verdict of stage, kind and code, and a sentence without secrets.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/prober/media/rtmp/scripted_session.h"

namespace linkpilot::rtmp {
namespace {

constexpr const char* kTarget = "rtmp://host.example/live/name?sign=topsecret";

bool says(const ScriptedSession& session, std::string_view words) {
  const std::string& sentence = session.failure().sentence;
  EXPECT_EQ(sentence.find("topsecret"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find(words), std::string::npos) << sentence;
  return sentence.find(words) != std::string::npos;
}

TEST(RtmpRefusal, TimesOutEachStageAbsolutelyHoweverTheOctetsTrickle) {
  RtmpClientOptions options = options_for(kTarget);
  options.handshake_max = std::chrono::seconds(3);
  ScriptedSession hello(options);
  hello.give({3});
  for (int i = 0; i < 29; ++i) {
    hello.pass(std::chrono::milliseconds(100));
    hello.give({7});
  }
  EXPECT_EQ(hello.verdict(), "open");
  EXPECT_EQ(hello.client.next_wakeup()->ns, 4'000'000'000);
  hello.pass(std::chrono::milliseconds(100));
  hello.give({7});
  EXPECT_EQ(hello.verdict(), "handshake timeout");
  EXPECT_TRUE(says(hello, "within 3.0 s (30 octets came)"));

  ScriptedSession connect(options_for(kTarget));
  connect.shake_hands();
  for (int i = 0; i < 60; ++i) {
    connect.pass(std::chrono::milliseconds(100));
    connect.give(control(4, joined({big(6, 2), big(1, 4)})));
  }
  EXPECT_EQ(connect.verdict(), "connect timeout");

  ScriptedSession create(options_for(kTarget));
  create.shake_hands();
  create.accept_connect();
  create.pass(std::chrono::seconds(5));
  EXPECT_EQ(create.verdict(), "create_stream timeout");

  ScriptedSession play(options_for(kTarget));
  play.reach_start();
  play.pass(std::chrono::seconds(5));
  EXPECT_EQ(play.verdict(), "start timeout");
}

TEST(RtmpRefusal, TellsAnAcceptedPlayWithoutMediaFromAStream) {
  ScriptedSession session(options_for(kTarget));
  session.reach_media();
  session.give(message({.chunk_stream = 5, .type = 18}, filler(9)));
  session.pass(std::chrono::seconds(10));
  EXPECT_EQ(session.verdict(), "media no_media");
  EXPECT_TRUE(says(session, "not being published"));
}

TEST(RtmpRefusal, NamesTheStageAtWhichTheServerCloses) {
  ScriptedSession hello(options_for(kTarget));
  hello.close();
  EXPECT_EQ(hello.verdict(), "handshake closed");
  ScriptedSession connect(options_for(kTarget));
  connect.shake_hands();
  connect.close();
  EXPECT_EQ(connect.verdict(), "connect closed");
  EXPECT_TRUE(says(connect, "application most likely does not exist"));
  ScriptedSession create(options_for(kTarget));
  create.shake_hands();
  create.accept_connect();
  create.close(PeerClose::reset);
  EXPECT_EQ(create.verdict(), "create_stream reset");
  ScriptedSession play(options_for(kTarget));
  play.reach_start();
  play.close();
  EXPECT_EQ(play.verdict(), "start closed");
  ScriptedSession dropped(options_for(kTarget));
  dropped.reach_media();
  dropped.pass(std::chrono::milliseconds(1));
  dropped.close();
  EXPECT_EQ(dropped.verdict(), "media dropped");
  EXPECT_TRUE(says(dropped, "1.0 ms later; playing is denied"));
  ScriptedSession later(options_for(kTarget));
  later.reach_media();
  later.give(message({.type = 8}, filler(9)));
  later.pass(std::chrono::seconds(60));
  later.close();
  EXPECT_EQ(later.verdict(), "media closed");
  EXPECT_TRUE(says(later, "60.0 s after the start"));
}

TEST(RtmpRefusal, TellsAPublishThatIsDroppedAtOnceFromOneThatHolds) {
  ScriptedSession dropped(options_for(kTarget, Direction::push));
  dropped.reach_media();
  dropped.close();
  EXPECT_EQ(dropped.verdict(), "media dropped");
  EXPECT_TRUE(says(dropped, "denied, or the name is busy"));
  ScriptedSession held(options_for(kTarget, Direction::push));
  held.reach_media();
  held.pass(std::chrono::seconds(3));
  held.close();
  EXPECT_EQ(held.verdict(), "media closed");
}

TEST(RtmpRefusal, MapsTheCodesOfServersAndKeepsThemVerbatim) {
  struct Case {
    Direction direction;
    const char* level;
    const char* code;
    const char* verdict;
  };
  const Case cases[] = {
      {Direction::pull, "error", "NetStream.Play.StreamNotFound", "start not_found"},
      {Direction::pull, "error", "NetStream.Play.Failed", "start rejected"},
      {Direction::pull, "error", "Vendor.Quota.Exceeded", "start rejected"},
      {Direction::pull, "error", "NetConnection.Connect.AppShutdown", "start rejected"},
      {Direction::push, "error", "NetStream.Publish.BadName", "start busy"},
      {Direction::push, "status", "NetStream.Publish.BadName", "start busy"},
      {Direction::push, "error", "NetStream.Publish.Denied", "start denied"},
  };
  for (const Case& c : cases) {
    ScriptedSession session(options_for(kTarget, c.direction));
    session.reach_start();
    session.give(
        status(c.level, c.code, {text_member("description", "because of topsecret\x01 and so")}));
    EXPECT_EQ(session.verdict(), std::string(c.verdict) + " " + c.code);
    EXPECT_TRUE(says(session, "because of ***? and so"));
  }
}

TEST(RtmpRefusal, KeepsUnknownStatusesThatAreNoErrorsAsNotices) {
  ScriptedSession session(options_for(kTarget));
  session.reach_start();
  session.give(status("status", "Vendor.Something.New"));
  session.give(status("warning", "NetStream.Play.InsufficientBW"));
  session.give(command("onStatus", 0, {null_value()}));
  session.give(command("onStatus", 0, {}));
  EXPECT_TRUE(session.has_phase("notice Vendor.Something.New"));
  EXPECT_TRUE(session.has_phase("notice NetStream.Play.InsufficientBW"));
  EXPECT_TRUE(session.has_phase("notice a status without a code"));
  EXPECT_EQ(session.verdict(), "open");
}

TEST(RtmpRefusal, TakesRejectionsOfConnectInEachForm) {
  const auto info = info_of("error", "NetConnection.Connect.InvalidApp");
  for (const Bytes& answer :
       {command("_error", 1, {null_value(), info}), command("_result", 1, {null_value(), info}),
        command("_error", 0, {null_value(), info}),
        status("error", "NetConnection.Connect.InvalidApp")}) {
    ScriptedSession session(options_for(kTarget));
    session.shake_hands();
    session.give(answer);
    EXPECT_EQ(session.verdict(), "connect not_found NetConnection.Connect.InvalidApp");
  }
  ScriptedSession bare(options_for(kTarget));
  bare.shake_hands();
  bare.give(command("_error", 1, {null_value()}));
  EXPECT_EQ(bare.verdict(), "connect rejected");
  ScriptedSession create(options_for(kTarget));
  create.shake_hands();
  create.accept_connect();
  create.give(command("_error", create.sent("createStream").transaction, {}));
  EXPECT_EQ(create.verdict(), "create_stream rejected");
}

TEST(RtmpRefusal, RefusesAStreamNumberThatIsNone) {
  for (const double id : {std::nan(""), -1.0, 1e300, std::numeric_limits<double>::infinity()}) {
    ScriptedSession session(options_for(kTarget));
    session.shake_hands();
    session.accept_connect();
    session.accept_create(id);
    EXPECT_EQ(session.verdict(), "create_stream protocol");
  }
  ScriptedSession zero(options_for(kTarget));
  zero.shake_hands();
  zero.accept_connect();
  zero.accept_create(0);
  EXPECT_EQ(zero.verdict(), "open");
}

TEST(RtmpRefusal, FailsOnAnswersThatCannotBeReadAndCountsOtherCommands) {
  ScriptedSession other(options_for(kTarget));
  other.shake_hands();
  Bytes broken = command_body("onTextData", 0, {});
  append(broken, {3, 0, 4, 'c'});
  other.give(message({.chunk_stream = 3, .type = 20}, broken));
  other.give(message({.chunk_stream = 3, .type = 20}, {}));
  other.give(message({.chunk_stream = 3, .type = 17}, {9, 9}));
  EXPECT_EQ(other.verdict(), "open");
  EXPECT_EQ(other.client.counters().malformed_commands, 3U);
  ScriptedSession answer(options_for(kTarget));
  answer.shake_hands();
  broken = command_body("_result", 1, {});
  append(broken, {10, 0xff, 0xff, 0xff, 0xff});
  answer.give(message({.chunk_stream = 3, .type = 20}, broken));
  EXPECT_EQ(answer.verdict(), "connect protocol");
}

TEST(RtmpRefusal, ReadsCommandsInAnAmf3Envelope) {
  ScriptedSession session(options_for(kTarget));
  session.shake_hands();
  Bytes body{0};
  append(body, command_body("_result", 1, {null_value()}));
  session.give(message({.chunk_stream = 3, .type = 17}, body));
  EXPECT_EQ(session.client.stage(), Stage::create_stream);
}

TEST(RtmpRefusal, BoundsWhatAServerCanMakeItKeep) {
  ScriptedSession large(options_for(kTarget));
  large.shake_hands();
  large.give(chunk(0, {.chunk_stream = 3, .octets = 70'000, .type = 20}, filler(128)));
  EXPECT_EQ(large.verdict(), "connect protocol");
  ScriptedSession many(options_for(kTarget));
  many.shake_hands();
  many.give(set_chunk_size(0xffff));
  for (std::uint32_t i = 0; i < 5; ++i) {
    many.give(chunk(0, {.chunk_stream = 10 + i, .octets = 65536, .type = 20}, filler(65535)));
  }
  EXPECT_EQ(many.verdict(), "connect protocol");
  ScriptedSession held(options_for(kTarget));
  held.reach_media();
  held.give(chunk(0, {.chunk_stream = 9, .octets = 0xffffff, .type = 9}, filler(128)));
  held.give(set_chunk_size(0xffff));
  for (int i = 0; i < 20 && held.verdict() == "open"; ++i) {
    held.give(message({.chunk_stream = 10, .type = 8}, filler(65535), 65535));
  }
  EXPECT_EQ(held.verdict(), "media protocol");
}

TEST(RtmpRefusal, FailsOnBrokenChunksWithTheWordsOfTheReader) {
  ScriptedSession session(options_for(kTarget));
  session.reach_media();
  session.give(set_chunk_size(0));
  EXPECT_EQ(session.verdict(), "media protocol");
  EXPECT_TRUE(says(session, "Set Chunk Size 0x0"));
}

TEST(RtmpRefusal, SaysWhatAnsweredInsteadOfAnRtmpServer) {
  ScriptedSession session(options_for(kTarget));
  session.give(bytes_of("HTTP/1.1 400 Bad Request\r\n\r\n"));
  EXPECT_EQ(session.verdict(), "handshake not_rtmp");
  EXPECT_TRUE(says(session, "HTTP"));
}

TEST(RtmpRefusal, OffersTheDigestHandshakeWhenTheSimpleOneIsClosed) {
  RtmpClientOptions options = options_for(kTarget);
  for (const HandshakeForm form :
       {HandshakeForm::digest_schema_0, HandshakeForm::digest_schema_1}) {
    ScriptedSession session(options);
    session.close();
    ASSERT_TRUE(session.client.outcome()->next);
    options = following(options, *session.client.outcome()->next);
    EXPECT_EQ(options.handshake, form);
  }
  ScriptedSession last(options);
  last.close();
  EXPECT_FALSE(last.client.outcome()->next);
}

TEST(RtmpRefusal, FollowsBothFormsOfARedirect) {
  ScriptedSession fms(options_for(kTarget));
  fms.shake_hands();
  fms.give(command("_error", 1,
                   {null_value(), info_of("error", "NetConnection.Connect.Rejected",
                                          {redirect_member("rtmp://edge/live", "")})}));
  EXPECT_EQ(fms.verdict(), "connect redirected NetConnection.Connect.Rejected");
  ASSERT_TRUE(fms.client.outcome()->next);
  EXPECT_EQ(fms.client.outcome()->next->url.text(), "rtmp://edge/live/name?sign=topsecret");
  EXPECT_TRUE(says(fms, "rtmp://edge/live/name?sign=***"));

  for (const char* redirect : {"rtmp://edge/live", ""}) {
    ScriptedSession srs(options_for(kTarget));
    srs.reach_start();
    srs.give(status("error", "NetConnection.Connect.Rejected",
                    {redirect_member(redirect, "rtmp://edge/live/other")}));
    EXPECT_EQ(srs.verdict(), "start redirected NetConnection.Connect.Rejected");
    EXPECT_EQ(srs.client.outcome()->next->url.text(), "rtmp://edge/live/other");
  }
}

TEST(RtmpRefusal, FollowsNoRedirectToItselfInACircleOrToNowhere) {
  const auto redirected = [](const RtmpClientOptions& options, std::string to) {
    ScriptedSession session(options);
    session.reach_start();
    session.give(
        status("error", "NetConnection.Connect.Rejected", {redirect_member("", std::move(to))}));
    EXPECT_EQ(session.failure().kind, FailureKind::redirected);
    return *session.client.outcome();
  };
  const RtmpClientOptions first = options_for("rtmp://a/live/s");
  EXPECT_FALSE(redirected(first, "rtmp://a/live/s").next);
  EXPECT_FALSE(redirected(first, "").next);
  EXPECT_FALSE(redirected(first, "http://a/live/s").next);
  EXPECT_FALSE(redirected(first, "rtmp://a/" + std::string(10'000, 'x') + "/s").next);
  RtmpClientOptions options = following(first, *redirected(first, "rtmp://b/live/s").next);
  EXPECT_FALSE(redirected(options, "rtmp://a/live/s").next);
  for (const char* hop : {"rtmp://c/l/s", "rtmp://d/l/s", "rtmp://e/l/s", "rtmp://f/l/s"}) {
    const auto next = redirected(options, hop).next;
    ASSERT_TRUE(next) << hop;
    options = following(options, *next);
  }
  const Outcome last = redirected(options, "rtmp://g/l/s");
  EXPECT_FALSE(last.next);
  EXPECT_NE(last.failure->sentence.find("more than 5 redirects"), std::string::npos);
}

// From TLS to none, what the URL holds would be readable on the way.
TEST(RtmpRefusal, FollowsNoRedirectFromTlsToNoneUnlessAllowed) {
  RtmpClientOptions options = options_for("rtmps://host.example/live/name?sign=topsecret");
  const auto redirected = [](const RtmpClientOptions& with) {
    ScriptedSession session(with);
    session.reach_start();
    session.give(status("error", "NetConnection.Connect.Rejected",
                        {redirect_member("", "rtmp://edge/live/name?sign=topsecret")}));
    EXPECT_EQ(session.verdict(), "start redirected NetConnection.Connect.Rejected");
    return *session.client.outcome();
  };
  const Outcome refused = redirected(options);
  EXPECT_FALSE(refused.next);
  EXPECT_NE(refused.failure->sentence.find("from rtmps to rtmp"), std::string::npos);
  EXPECT_EQ(refused.failure->sentence.find("topsecret"), std::string::npos);
  ScriptedSession asked(options);
  asked.reach_media();
  asked.give(status("status", "NetConnection.Connect.ReconnectRequest",
                    {text_member("tcUrl", "rtmp://edge/live")}));
  EXPECT_EQ(asked.verdict(), "open") << "the old server goes on serving";
  EXPECT_TRUE(asked.has_phase("notice a ReconnectRequest leads from rtmps to rtmp"));
  options.allow_clear_redirects = true;
  EXPECT_TRUE(redirected(options).next);
}

TEST(RtmpRefusal, FollowsAReconnectRequestOnceTheTagThatIsComingIsComplete) {
  const Bytes request = status("status", "NetConnection.Connect.ReconnectRequest",
                               {text_member("tcUrl", "//edge/live")});
  ScriptedSession session(options_for(kTarget));
  session.reach_media();
  session.give(chunk(0, {.chunk_stream = 6, .octets = 200, .type = 9}, filler(128)));
  session.give(joined({request, message({.chunk_stream = 4, .type = 8}, filler(9))}));
  EXPECT_EQ(session.verdict(), "open") << "in the midst of a video tag";
  EXPECT_TRUE(session.has_phase("reconnect_requested rtmp://edge/live/name?sign=***"));
  session.give(chunk(3, {.chunk_stream = 6}, filler(72)));
  EXPECT_EQ(session.verdict(), "ended");
  EXPECT_EQ(session.sink.tags().size(), 2U) << "with the sound between its parts";
  ASSERT_TRUE(session.client.outcome()->next);
  EXPECT_EQ(session.client.outcome()->next->why, Reconnect::Why::request);
  EXPECT_EQ(session.client.outcome()->next->url.host, "edge");
  EXPECT_EQ(session.sent_names().back(), "deleteStream");
  EXPECT_EQ(session.client.counters().reconnect_requests, 1U);

  ScriptedSession cut(options_for(kTarget));
  cut.sink.allow_lost_ends();
  cut.reach_media();
  cut.give(joined({chunk(0, {.chunk_stream = 6, .octets = 200, .type = 9}, filler(128)), request}));
  cut.close();
  EXPECT_EQ(cut.verdict(), "ended") << "a server that does not wait";
  EXPECT_TRUE(cut.client.outcome()->next);

  ScriptedSession publisher(options_for(kTarget, Direction::push));
  publisher.reach_media();
  publisher.give(request);
  EXPECT_EQ(publisher.verdict(), "ended");
  EXPECT_TRUE(publisher.client.outcome()->next);
  const auto names = publisher.sent_names();
  EXPECT_EQ(names[names.size() - 2], "FCUnpublish");
}

TEST(RtmpRefusal, IgnoresReconnectRequestsThatLeadInACircle) {
  RtmpClientOptions options = options_for(kTarget);
  options.visited = {"rtmp://edge/live/name?sign=topsecret", options.url.text()};
  ScriptedSession session(options);
  session.reach_media();
  for (int i = 0; i < 300; ++i) {
    session.give(status("status", "NetConnection.Connect.ReconnectRequest",
                        {text_member("tcUrl", "rtmp://edge/live")}));
  }
  EXPECT_EQ(session.verdict(), "open");
  EXPECT_EQ(session.client.counters().reconnect_requests, 300U);
}

TEST(RtmpRefusal, AuthenticatesByConnectingAgain) {
  RtmpClientOptions options = options_for("rtmp://alice:wonderland@h/live/name", Direction::push);
  const auto rejected = [](const RtmpClientOptions& o, std::string description) {
    ScriptedSession session(o);
    session.shake_hands();
    session.give(
        command("_error", 1,
                {null_value(), info_of("error", "NetConnection.Connect.Rejected",
                                       {text_member("description", std::move(description))})}));
    EXPECT_EQ(session.verdict(), "connect authentication NetConnection.Connect.Rejected");
    return *session.client.outcome();
  };
  const Outcome first =
      rejected(options, "[ AccessManager.Reject ] : [ authmod=adobe ] : [ code=403 need auth; ]");
  ASSERT_TRUE(first.next);
  options = following(options, *first.next);
  const Outcome second = rejected(
      options,
      "[ authmod=adobe ] : ?reason=needauth&user=alice&salt=Ab==&challenge=Cd&opaque=Ef==");
  ASSERT_TRUE(second.next);
  options = following(options, *second.next);
  ScriptedSession third(options);
  third.shake_hands();
  const std::string app(third.sent("connect").arguments[0].text_of("app"));
  EXPECT_EQ(app.find("live?authmod=adobe&user=alice&challenge="), 0U);
  EXPECT_EQ(third.sent("connect").arguments[0].text_of("tcUrl"), "rtmp://h/" + app);
  const Outcome wrong = rejected(options, "[ authmod=adobe ] : ?reason=authfailed&opaque=Ef==");
  EXPECT_FALSE(wrong.next);
  EXPECT_NE(wrong.failure->sentence.find("password"), std::string::npos);
  EXPECT_EQ(wrong.failure->sentence.find("wonderland"), std::string::npos);
}

TEST(RtmpRefusal, StaysSilentAfterItsVerdict) {
  ScriptedSession session(options_for(kTarget));
  session.give(bytes_of("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const std::string verdict = session.verdict();
  session.shake_hands();
  session.close();
  session.pass(std::chrono::hours(1));
  session.client.end(session.now());
  EXPECT_EQ(session.verdict(), verdict);
  EXPECT_FALSE(session.client.next_wakeup());
}

}  // namespace
}  // namespace linkpilot::rtmp
