// Dials of servers that do what real ones do not do on command: each ends by itself, with one
// verdict: a stage, a kind, a code and a sentence. All dials of a test run at once on one loop, so
// the many that wait for a deadline wait together.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "prober/media/dial/report_json.h"
#include "tests/support/dial_run.h"
#include "tests/support/rtmp_dial.h"
#include "tests/support/scripted_server.h"
#include "tests/support/scripted_stream.h"

namespace linkpilot::prober {
namespace {

using rtmp::ScriptedPeer;
using rtmp::ScriptedServer;

struct HostileCase {
  const char* name;
  const char* want;
  ScriptedServer::Script script;
  std::function<void(DialRequest&)> change = nullptr;
};

// name -> report of each case.
std::map<std::string, DialReport> dial_all(const std::vector<HostileCase>& cases) {
  DialRun run;
  std::vector<std::unique_ptr<ScriptedServer>> servers;
  std::vector<std::unique_ptr<Dial>> dials;
  for (const HostileCase& one : cases) {
    servers.push_back(std::make_unique<ScriptedServer>(one.script));
    DialRequest request = loopback_request(servers.back()->url());
    if (one.change) one.change(request);
    dials.push_back(make_dial(run.loop(), std::move(request)));
    dials.back()->start();
  }
  const auto all_done = [&dials] {
    return std::all_of(dials.begin(), dials.end(), [](const auto& dial) { return dial->done(); });
  };
  while (!all_done()) run.loop().turn(std::chrono::milliseconds(20));
  std::map<std::string, DialReport> reports;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].name);
    const DialReport report = dials[i]->report();
    EXPECT_EQ(verdict_of(report), cases[i].want) << report.verdict.sentence;
    EXPECT_NE(report.end, DialEnd::running);
    EXPECT_GT(report.verdict.sentence.size(), 20U) << report.verdict.sentence;
    reports.emplace(cases[i].name, report);
  }
  return reports;
}

void as_push(DialRequest& request) {
  request.direction = DialDirection::push;
  request.push.read_back = false;
  request.push.hold = std::chrono::milliseconds(500);
}

TEST(DialOfAHostileServer, EndsAtEachStageOfTheOpening) {
  const std::vector<HostileCase> cases{
      {"silence after accept", "handshake timeout", [](ScriptedPeer& p) { p.ignore(); }},
      {"closes at once", "handshake closed", [](ScriptedPeer&) {}},
      {"resets after C1", "handshake reset",
       [](ScriptedPeer& p) {
         (void)p.send({3});
         // A client that is not woken before sees a connection that was never made.
         (void)p.pause(std::chrono::milliseconds(400));
         p.reset();
       }},
      {"trickles S1", "handshake timeout",
       [](ScriptedPeer& p) { p.trickle(rtmp::joined({{3}, rtmp::filler(1536)})); }},
      {"HTTP", "handshake not_rtmp",
       [](ScriptedPeer& p) { p.send_text("HTTP/1.1 400 Bad Request\r\n\r\n"), p.hold(); }},
      {"TLS alert", "handshake not_rtmp",
       [](ScriptedPeer& p) { p.send({0x15, 3, 1, 0, 2, 2, 70}), p.hold(); }},
      {"RTMPE", "handshake not_rtmp", [](ScriptedPeer& p) { p.send({6, 0, 0}), p.hold(); }},
      {"silence after handshake", "connect timeout",
       [](ScriptedPeer& p) { p.handshake() ? p.hold() : void(); }},
      {"closes after handshake", "connect closed", [](ScriptedPeer& p) { p.handshake(); }},
      {"rejects", "connect rejected NetConnection.Connect.Rejected",
       [](ScriptedPeer& p) {
         if (!p.handshake() || !p.await("connect")) return;
         p.send_status("NetConnection.Connect.Rejected", "error");
         p.hold();
       }},
      {"trickles connect's answer", "connect timeout",
       [](ScriptedPeer& p) {
         if (p.handshake()) p.trickle(rtmp::message({.type = 20, .stream = 0}, rtmp::filler(900)));
       }},
      {"no answer to createStream", "create_stream timeout",
       [](ScriptedPeer& p) { p.handshake() && p.accept_connect() ? p.hold() : void(); }},
      {"no answer to play", "start timeout",
       [](ScriptedPeer& p) { p.open_until("play") ? p.hold() : void(); }},
      {"chunk size 0", "connect protocol",
       [](ScriptedPeer& p) {
         p.handshake() && p.send(rtmp::set_chunk_size(0)) ? p.hold() : void();
       }},
      {"a command of a megabyte", "connect protocol",
       [](ScriptedPeer& p) {
         if (!p.handshake()) return;
         p.send(rtmp::message({.type = 20, .stream = 0}, rtmp::filler(1 << 20)));
         p.hold();
       }},
  };
  dial_all(cases);
}

TEST(DialOfAHostileServer, EndsBehindThePlayThatWasAccepted) {
  const auto small = [](DialRequest& request) { request.policy.ceilings.octets = Bytes{300'000}; };
  const std::vector<HostileCase> cases{
      {"Play.Start, then silence", "media no_media",
       [](ScriptedPeer& p) { start_play(p) ? p.hold() : void(); }},
      {"Play.Start, then close", "media dropped", [](ScriptedPeer& p) { start_play(p); }},
      {"Play.Start, then reset", "media dropped",
       [](ScriptedPeer& p) {
         if (start_play(p)) p.reset();
       }},
      {"half close", "media dropped",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         p.finish_sending();
         p.hold();
       }},
      {"a key frame that trickles for ever", "media no_media",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         p.trickle(rtmp::message({.chunk_stream = 6, .type = 9}, rtmp::filler(60'000, 0x17)));
       },
       [](DialRequest& request) { request.deadlines.first_media = std::chrono::seconds(4); }},
      {"sound behind a script that never ends", "media no_media",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         rtmp::Bytes script =
             rtmp::message({.chunk_stream = 5, .type = 18}, rtmp::filler(1000, 0x02));
         script.resize(12 + 128);  // its first chunk
         p.send(script);
         p.send(rtmp::message({.chunk_stream = 4, .type = 8}, {0xaf, 1, 2, 3}));
         p.hold();
       }},
      {"unpublished before any media", "media no_media NetStream.Play.UnpublishNotify",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         p.send_status("NetStream.Play.UnpublishNotify");
         p.hold();
       },
       [](DialRequest& request) { request.deadlines.first_media = std::chrono::seconds(9); }},
      {"never a key frame", "media not_decodable",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         const rtmp::Bytes inter{0x27, 1, 0, 0, 0, 0, 0, 0, 3, 0x41, 0x9a, 0x80};
         while (p.send(rtmp::message({.chunk_stream = 6, .type = 9}, inter)) &&
                p.pause(std::chrono::milliseconds(40))) {
         }
       }},
      {"media without Play.Start", "opened",
       [](ScriptedPeer& p) {
         if (p.open_until("play")) play(p, std::chrono::seconds(30));
       }},
      {"pings without end", "media no_media",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         rtmp::Bytes flood;
         for (int i = 0; i < 2000; ++i) {
           rtmp::append(flood, rtmp::message({.chunk_stream = 2, .type = 4, .stream = 0},
                                             {0, 6, 0, 0, 0, 1}));
         }
         while (p.send(flood)) {
         }
       }},
      {"more than the ceiling of octets", "media limit",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         while (p.send(rtmp::message({.chunk_stream = 6, .type = 9}, rtmp::filler(20'000, 0x27)))) {
         }
       },
       small},
      {"breaks off", "media closed",
       [](ScriptedPeer& p) {
         if (start_play(p)) play(p, std::chrono::milliseconds(2600));
       },
       [](DialRequest& request) { request.length = std::chrono::seconds(30); }},
      {"says that the stream ended", "opened",
       [](ScriptedPeer& p) {
         if (!start_play(p)) return;
         play(p, std::chrono::milliseconds(2600));
         p.send_status("NetStream.Play.UnpublishNotify");
         p.hold();
       },
       [](DialRequest& request) { request.length = std::chrono::seconds(30); }},
  };
  const auto reports = dial_all(cases);
  EXPECT_EQ(reports.at("breaks off").verdict.kind, VerdictKind::stutters);
  EXPECT_TRUE(reports.at("breaks off").success) << "it did open";
  EXPECT_EQ(reports.at("says that the stream ended").end, DialEnd::stream_ended);
  EXPECT_EQ(reports.at("says that the stream ended").end_code, "NetStream.Play.UnpublishNotify");
}

TEST(DialOfAHostileServer, CountsThePauseOfASourceAsTheStallItIs) {
  const auto pause_at_two = [](Duration at) {
    static constexpr Duration kAt = std::chrono::seconds(2);
    return at >= kAt && at < kAt + std::chrono::milliseconds(15) ? std::chrono::seconds(3)
                                                                 : std::chrono::seconds(0);
  };
  const std::vector<HostileCase> cases{
      {"pause", "opened",
       [&](ScriptedPeer& p) {
         bool paused = false;
         if (start_play(p)) {
           play(p, std::chrono::seconds(30), [&](Duration at) {
             const bool now = !paused && pause_at_two(at) > Duration(0);
             paused = paused || now;
             return now ? Duration(std::chrono::seconds(3)) : Duration(0);
           });
         }
       },
       [](DialRequest& request) { request.length = std::chrono::seconds(8); }},
  };
  const DialReport report = dial_all(cases).at("pause");
  EXPECT_EQ(report.verdict.kind, VerdictKind::stutters) << report.verdict.sentence;
  EXPECT_GE(report.playback.players[0].longest, std::chrono::milliseconds(2'800));
  EXPECT_EQ(report.playback.freezes, 0U);
}

TEST(DialOfAHostileServer, TellsTheEndsOfAPushApart) {
  const std::vector<HostileCase> cases{
      {"Publish.Start, then close", "media dropped",
       [](ScriptedPeer& p) { p.open_until("publish") && p.send_status("NetStream.Publish.Start"); },
       as_push},
      {"BadName, socket left open", "start busy NetStream.Publish.BadName",
       [](ScriptedPeer& p) {
         p.open_until("publish") && p.send_status("NetStream.Publish.BadName", "error") ? p.hold()
                                                                                        : void();
       },
       as_push},
      {"Denied", "start denied NetStream.Publish.Denied",
       [](ScriptedPeer& p) {
         p.open_until("publish") && p.send_status("NetStream.Publish.Denied", "error") ? p.hold()
                                                                                       : void();
       },
       as_push},
      {"no answer to publish", "start timeout",
       [](ScriptedPeer& p) { p.open_until("publish") ? p.hold() : void(); }, as_push},
      {"takes nothing any more", "media stuck",
       [](ScriptedPeer& p) {
         p.open_until("publish") && p.send_status("NetStream.Publish.Start") ? p.ignore() : void();
       },
       [](DialRequest& request) {
         as_push(request);
         request.length = std::chrono::seconds(60);
         request.push.stream.video_rate = BitsPerSecond{80'000'000};
       }},
      {"echoes our media", "opened",
       [](ScriptedPeer& p) {
         if (!p.open_until("publish") || !p.send_status("NetStream.Publish.Start")) return;
         play(p, std::chrono::seconds(1));
         p.hold();
       },
       as_push},
      {"takes it slowly", "opened",
       [](ScriptedPeer& p) {
         p.open_until("publish") && p.send_status("NetStream.Publish.Start")
             ? p.sip(20'000, std::chrono::milliseconds(100))
             : void();
       },
       [](DialRequest& request) {
         as_push(request);
         request.length = std::chrono::seconds(5);
         request.push.stream.video_rate = BitsPerSecond{8'000'000};
       }},
  };
  const DialReport slow = dial_all(cases).at("takes it slowly");
  EXPECT_EQ(slow.verdict.kind, VerdictKind::stutters) << slow.verdict.sentence;
  EXPECT_NE(slow.verdict.sentence.find("more slowly than it was paced"), std::string::npos);
}

// Pushes begin behind whatever a server says before, all of it in one read.
TEST(DialOfAHostileServer, BeginsAPushBehindAFloodOfStatuses) {
  const std::vector<HostileCase> cases{
      {"a flood", "opened",
       [](ScriptedPeer& p) {
         if (!p.open_until("publish")) return;
         rtmp::Bytes flood;
         const auto say = [&flood](std::string_view code) {
           rtmp::Bytes body;
           rtmp::AmfWriter writer(body);
           writer.text("onStatus").number(0).null().object();
           writer.name("level").text("status").name("code").text(code).end();
           rtmp::append(flood, rtmp::message({.chunk_stream = 3, .type = 20, .stream = 1}, body));
         };
         for (int i = 0; i < 400; ++i) say("NetStream.Some.Notice");
         say("NetStream.Publish.Start");
         (void)p.send(flood);
         p.hold();
       },
       as_push}};
  const DialReport report = dial_all(cases).at("a flood");
  EXPECT_TRUE(report.push && report.push->held);
  EXPECT_GT(report.push->tags, 10U);
}

TEST(DialOfAHostileServer, EndsWithinItsOpeningAndItsWholeAndSaysWhereItWas) {
  const auto silent = [](ScriptedPeer& p) { p.handshake() ? p.hold() : void(); };
  const std::vector<HostileCase> cases{
      {"opening", "connect timeout", silent,
       [](DialRequest& request) { request.deadlines.opening = std::chrono::milliseconds(400); }},
      {"whole", "connect timeout", silent,
       [](DialRequest& request) { request.deadlines.whole = std::chrono::milliseconds(400); }},
      {"whole of a stream that runs", "opened",
       [](ScriptedPeer& p) {
         if (start_play(p)) play(p, std::chrono::seconds(60));
       },
       [](DialRequest& request) {
         request.length = std::chrono::seconds(60);
         request.deadlines.whole = std::chrono::seconds(3);
       }},
  };
  const auto reports = dial_all(cases);
  EXPECT_NE(reports.at("opening").failure->sentence.find("as a whole"), std::string::npos);
  EXPECT_NE(reports.at("whole").failure->sentence.find("the time for the dial"), std::string::npos);
  EXPECT_EQ(reports.at("whole of a stream that runs").end, DialEnd::watched);
}

TEST(DialOfAHostileServer, SaysWhereItWasWhenItIsStopped) {
  const ScriptedServer server([](ScriptedPeer& p) { p.handshake() ? p.hold() : void(); });
  DialRun run;
  DialRequest request = patient(loopback_request(server.url()));
  const DialReport report = run.run(request, [](Dial& dial) {
    if (dial.progress().newest == DialPhase::handshake) dial.stop();
  });
  EXPECT_EQ(verdict_of(report), "connect stopped");
  EXPECT_EQ(report.end, DialEnd::stopped);
}

TEST(DialOfAHostileServer, MovesOnWhenTheServerAsksForItAndKeepsItsOpening) {
  const ScriptedServer second([](ScriptedPeer& p) {
    if (start_play(p)) play(p, std::chrono::seconds(60));
  });
  const std::string app = second.url("live");
  const ScriptedServer first([&app](ScriptedPeer& p) {
    if (!start_play(p)) return;
    play(p, std::chrono::milliseconds(1500));
    p.send_status("NetStream.Play.UnpublishNotify");
    p.send_command([&](rtmp::AmfWriter& writer) {
      writer.text("onStatus").number(0).null().object();
      writer.name("level").text("status");
      writer.name("code").text("NetConnection.Connect.ReconnectRequest");
      writer.name("tcUrl").text(app).end();
    });
    p.hold();  // it does not close
  });
  DialRun run;
  DialRequest request = patient(loopback_request(first.url(), std::chrono::seconds(5)));
  request.policy.allowed = parse_ranges("loopback").value();
  const DialReport report = run.run(request);
  EXPECT_EQ(verdict_of(report), "opened") << report.verdict.sentence;
  ASSERT_EQ(report.hops.size(), 2U);
  EXPECT_EQ(report.hops[1].why, "reconnect request");
  EXPECT_EQ(report.end, DialEnd::watched) << "what the first server said of its stream is over";
  EXPECT_EQ(opening_hop(report), &report.hops.front());
  for (const PhaseSpan& span : phase_spans(report)) EXPECT_LE(span.from, span.to);
}

bool send_redirect(ScriptedPeer& peer, const std::string& target) {
  if (!peer.handshake()) return false;
  const auto call = peer.await("connect");
  return call && peer.send_command([&](rtmp::AmfWriter& writer) {
    writer.text("_error").number(call->transaction).null().object();
    writer.name("level").text("error").name("code").text("NetConnection.Connect.Rejected");
    writer.name("ex").object().name("code").number(302).name("redirect").text(target).end().end();
  });
}

TEST(DialOfAHostileServer, FollowsRedirectsWithinItsPolicy) {
  const ScriptedServer target([](ScriptedPeer& p) {
    if (start_play(p)) play(p, std::chrono::seconds(30));
  });
  const std::string app = target.url("live");
  const auto to_target = [app](ScriptedPeer& p) {
    send_redirect(p, app);
    p.hold();
  };
  const auto allow = [](DialRequest& request) {
    request.policy.allowed = parse_ranges("loopback").value();
  };
  const std::vector<HostileCase> cases{
      {"to loopback, which is not allowed", "policy forbidden", to_target},
      {"to loopback, allowed", "opened", to_target, allow},
      {"to a cloud's metadata", "policy forbidden",
       [](ScriptedPeer& p) { send_redirect(p, "rtmp://169.254.169.254/latest"), p.hold(); }, allow},
      {"to nowhere", "connect redirected NetConnection.Connect.Rejected",
       [](ScriptedPeer& p) { send_redirect(p, "http://somewhere/"), p.hold(); }, allow},
  };
  const auto reports = dial_all(cases);
  const DialReport& followed = reports.at("to loopback, allowed");
  ASSERT_EQ(followed.hops.size(), 2U);
  EXPECT_EQ(followed.hops[1].why, "redirect");
  EXPECT_LE(followed.hops[0].ended, followed.hops[1].began);
  EXPECT_TRUE(followed.since_start(DialPhase::key_frame));
}

TEST(DialOfAHostileServer, LeavesACircleOfRedirects) {
  std::string self;
  const ScriptedServer server([&self](ScriptedPeer& p) {
    send_redirect(p, self);
    p.hold();
  });
  self = server.url("live");
  DialRequest request = loopback_request(server.url());
  request.policy.allowed = parse_ranges("loopback").value();
  DialRun run;
  const DialReport report = run.run(request);
  EXPECT_EQ(verdict_of(report), "connect redirected NetConnection.Connect.Rejected");
  EXPECT_LE(server.connections(), 6);
}

TEST(DialOfNobody, NamesWhatIsWrongWithTheAddress) {
  DialRun run;
  const std::uint16_t closed = rtmp::free_port();
  const DialReport refused =
      run.run(loopback_request(fmt::format("rtmp://127.0.0.1:{}/live/x", closed)));
  EXPECT_EQ(verdict_of(refused), "tcp refused Connection refused");
  for (const char* url : {"rtmp://127.0.0.1/", "ftp://host/app/stream", "rtmp://h:0/a/b", "",
                          "rtmp://user:topsecret@[::1/app/stream?key=topsecret"}) {
    SCOPED_TRACE(url);
    const DialReport report = run.run(loopback_request(url));
    EXPECT_EQ(verdict_of(report), "url bad_url");
    EXPECT_EQ(dial_report_json(report).find("topsecret"), std::string::npos);
  }
  DialRequest untrusted = loopback_request("rtmp://127.0.0.1/live/x");
  untrusted.policy.trust_given_target = false;
  EXPECT_EQ(verdict_of(run.run(untrusted)), "policy forbidden");
}

// A listener whose queue is full drops SYNs, as a firewall does.
TEST(DialOfNobody, GivesUpWhereSynsVanish) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = rtmp::loopback(0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    (void)::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  DialRun run;
  const DialReport report =
      run.run(loopback_request(fmt::format("rtmp://127.0.0.1:{}/live/x", ntohs(address.sin_port))));
  EXPECT_EQ(verdict_of(report), "tcp timeout Connection timed out");
  for (const int fd : fillers) ::close(fd);
  ::close(listener);
}

TEST(DialLoopOfManyDials, KeepsEachDialsFiguresToItself) {
  const ScriptedServer server([](ScriptedPeer& p) {
    if (start_play(p)) play(p, std::chrono::seconds(30));
  });
  DialRun run;
  std::vector<std::unique_ptr<Dial>> dials;
  for (int i = 0; i < 20; ++i) {
    dials.push_back(make_dial(run.loop(), loopback_request(server.url())));
    dials.back()->start();
  }
  dials.resize(15);  // five are given up in the middle of things
  const auto all_done = [&dials] {
    return std::all_of(dials.begin(), dials.end(), [](const auto& dial) { return dial->done(); });
  };
  while (!all_done()) run.loop().turn(std::chrono::milliseconds(20));
  for (const auto& dial : dials) {
    const DialReport report = dial->report();
    EXPECT_TRUE(report.success) << dial_report_json(report);
    EXPECT_EQ(report.end, DialEnd::watched);
  }
}

}  // namespace
}  // namespace linkpilot::prober
