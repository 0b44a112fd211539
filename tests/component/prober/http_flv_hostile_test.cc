// HTTP-FLV dials against servers that do what servers should not: each ends with one verdict, in
// its stage, whatever trickles.
#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/http_flv_fixture.h"
#include "tests/support/scripted_http_server.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n";

std::string chunk(std::string_view text) {
  return fmt::format("{:x}\r\n{}\r\n", text.size(), text);
}

const std::string& body() {
  static const std::string flv = flv_body(seconds(1));
  return flv;
}

// What the dial finds when each connection gets `answer` and is then closed.
DialReport answered(const std::string& answer,
                    const std::function<void(DialRequest&)>& tweak = nullptr) {
  ScriptedHttpServer server([&answer](HttpPeer& peer) {
    peer.read_request();
    peer.send(answer);
  });
  DialRequest request = http_request(server.url());
  if (tweak) tweak(request);
  return run_dial(std::move(request));
}

// The same for a server that then keeps the connection and is silent.
DialReport answered_and_kept(const std::string& answer, Duration DialDeadlines::* stage) {
  ScriptedHttpServer server([&answer](HttpPeer& peer) {
    peer.read_request();
    peer.send(answer);
    peer.stay();
  });
  DialRequest request = http_request(server.url());
  request.deadlines.*stage = milliseconds(300);
  return run_dial(std::move(request));
}

TEST(HttpFlvHostile, AWholeFileIsAStreamThatEnded) {
  for (const std::string& answer :
       {fmt::format("{}Content-Length: {}\r\n\r\n{}", kOk, body().size(), body()),
        fmt::format("{}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", kOk, chunk(body())),
        fmt::format("{}\r\n{}", kOk, body()), fmt::format("HTTP/1.0 200 OK\r\n\r\n{}", body())}) {
    const DialReport report = answered(answer);
    EXPECT_EQ(failure_of(report), "ok");
    EXPECT_EQ(report.end, DialEnd::stream_ended);
    EXPECT_TRUE(report.success);
    EXPECT_EQ(report.carrier, "http-flv");
    EXPECT_TRUE(has_phase(report, DialPhase::tcp));
    EXPECT_TRUE(has_phase(report, DialPhase::response));
    EXPECT_TRUE(has_phase(report, DialPhase::flv_header));
    EXPECT_TRUE(has_phase(report, DialPhase::key_frame));
    EXPECT_FALSE(has_phase(report, DialPhase::dns));
    EXPECT_TRUE(report.tcp);
    EXPECT_GT(report.playback.video.frames, 20U);
  }
}

TEST(HttpFlvHostile, SaysHowAStreamEnded) {
  EXPECT_EQ(
      answered(fmt::format("{}Content-Length: {}\r\n\r\n{}", kOk, body().size(), body())).end_code,
      "content length reached");
  EXPECT_EQ(
      answered(fmt::format("{}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", kOk, chunk(body())))
          .end_code,
      "last chunk");
  EXPECT_EQ(answered(fmt::format("{}\r\n{}", kOk, body())).end_code, "connection closed");
}

TEST(HttpFlvHostile, AStreamThatBreaksOffSaysSo) {
  EXPECT_EQ(answered(fmt::format("{}Transfer-Encoding: chunked\r\n\r\n{}", kOk, chunk(body())))
                .failure->kind,
            DialFault::closed);
  const DialReport cut =
      answered(fmt::format("{}Content-Length: {}\r\n\r\n{}", kOk, body().size() + 9, body()));
  EXPECT_EQ(cut.failure->kind, DialFault::closed);
  EXPECT_EQ(cut.failure->stage, DialStage::media);
  EXPECT_TRUE(cut.success);
  EXPECT_EQ(cut.verdict.kind, VerdictKind::stutters);
}

TEST(HttpFlvHostile, SilenceEndsAtTheDeadlineOfItsStage) {
  EXPECT_EQ(failure_of(answered_and_kept("", &DialDeadlines::response)), "response timeout");
  EXPECT_EQ(failure_of(answered_and_kept("HTTP/1.1 200 OK\r\nContent-", &DialDeadlines::response)),
            "response timeout");
  EXPECT_EQ(failure_of(answered_and_kept(std::string(kOk) + "\r\n", &DialDeadlines::flv_header)),
            "flv_header timeout");
  EXPECT_EQ(
      failure_of(answered_and_kept(std::string(kOk) + "\r\nFLV\x01", &DialDeadlines::flv_header)),
      "flv_header timeout");
  EXPECT_EQ(failure_of(answered_and_kept(std::string(kOk) + "\r\n" + body().substr(0, 13),
                                         &DialDeadlines::first_media)),
            "media no_media");
}

// An octet at a time for ever: no stage is prolonged by what trickles.
TEST(HttpFlvHostile, TricklingDoesNotMoveADeadline) {
  struct Case {
    std::string at_once;
    std::string trickled;
    Duration DialDeadlines::* stage;
    const char* want;
  };
  const std::string head = std::string(kOk) + "\r\n";
  for (const Case& c :
       {Case{"", "HTTP/1.1 200 " + std::string(9000, 'O'), &DialDeadlines::response,
             "response timeout"},
        Case{"HTTP/1.1 200 OK\r\nA: ", std::string(9000, 'b'), &DialDeadlines::response,
             "response timeout"},
        Case{head + std::string("FLV\x01\x05\0\x0f\x00\x00", 9), std::string(9000, '\0'),
             &DialDeadlines::first_media, "media no_media"}}) {
    ScriptedHttpServer server([&c](HttpPeer& peer) {
      peer.read_request();
      if (peer.send(c.at_once)) peer.trickle(c.trickled, 1, milliseconds(20));
    });
    DialRequest request = http_request(server.url());
    request.deadlines.*c.stage = milliseconds(400);
    EXPECT_EQ(failure_of(run_dial(std::move(request))), c.want);
  }
}

TEST(HttpFlvHostile, AConnectionThatIsCutIsToldByStage) {
  ScriptedHttpServer reset_at_once([](HttpPeer& peer) {
    peer.read_request();
    peer.reset();
  });
  EXPECT_EQ(run_dial(http_request(reset_at_once.url())).failure->kind, DialFault::reset);
  ScriptedHttpServer reset_unasked([](HttpPeer& peer) { peer.reset(); });
  EXPECT_EQ(run_dial(http_request(reset_unasked.url())).failure->kind, DialFault::reset);
  EXPECT_EQ(answered("").failure->kind, DialFault::closed);
  EXPECT_EQ(answered("").failure->stage, DialStage::response);
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-").failure->stage, DialStage::response);
  EXPECT_EQ(failure_of(answered(std::string(kOk) + "\r\n")), "flv_header not_flv video/x-flv");
  EXPECT_EQ(answered(std::string(kOk) + "Content-Length: 99\r\n\r\nFLV").failure->kind,
            DialFault::closed);
  EXPECT_EQ(failure_of(answered(std::string(kOk) + "\r\n" + body().substr(0, 13))),
            "media no_media");
  EXPECT_EQ(answered(fmt::format("{}Content-Length: 99\r\n\r\n{}", kOk, body().substr(0, 13)))
                .failure->kind,
            DialFault::dropped);
  ScriptedHttpServer reset_later([](HttpPeer& peer) {
    peer.read_request();
    peer.send(std::string(kOk) + "\r\n" + body());
    peer.pause(milliseconds(300));  // so that what was sent is read before the reset
    peer.reset();
  });
  const DialReport report = run_dial(http_request(reset_later.url()));
  EXPECT_EQ(report.failure->kind, DialFault::reset);
  EXPECT_EQ(report.failure->stage, DialStage::media);
}

TEST(HttpFlvHostile, ARefusedConnectionIsOne) {
  const std::string url = fmt::format("http://127.0.0.1:{}/x.flv", rtmp::free_port());
  const DialReport report = run_dial(http_request(url));
  EXPECT_EQ(report.failure->stage, DialStage::tcp);
  EXPECT_EQ(report.failure->kind, DialFault::refused);
}

TEST(HttpFlvHostile, AServerThatHalfClosesIsStillRead) {
  ScriptedHttpServer server([](HttpPeer& peer) {
    peer.read_request();
    peer.send(fmt::format("{}Content-Length: {}\r\n\r\n{}", kOk, body().size(), body()));
    peer.half_close();
    peer.stay();
  });
  EXPECT_EQ(run_dial(http_request(server.url())).end, DialEnd::stream_ended);
}

TEST(HttpFlvHostile, WhatIsNoHttpIsNamedSo) {
  for (const char* answer :
       {"FLV\x01\x05", "<html>an answer of HTTP/0.9</html>", "220 mail.example ESMTP\r\n",
        "RTSP/1.0 200 OK\r\n\r\n", "\r\n\r\n\r\n", "\x15\x03\x01\x02\x02\x16",
        "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 -1 OK\r\n\r\n", "HTTP/1.1 200000 OK\r\n\r\n"}) {
    const DialReport report = answered(answer);
    ASSERT_TRUE(report.failure) << answer;
    EXPECT_EQ(report.failure->stage, DialStage::response) << answer;
    EXPECT_EQ(report.failure->kind, DialFault::not_http) << answer << failure_of(report);
  }
}

TEST(HttpFlvHostile, HeadersHaveBounds) {
  const DialReport wide = answered("HTTP/1.1 200 OK\r\nA: " + std::string(1'000'000, 'x'));
  EXPECT_EQ(wide.failure->stage, DialStage::response);
  const auto endless = [](const std::string& first, const std::string& again) {
    ScriptedHttpServer server([&](HttpPeer& peer) {
      peer.read_request();
      bool open = peer.send(first);
      while (open) open = peer.send(again);
    });
    return failure_of(run_dial(http_request(server.url())));
  };
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\n", "A: b\r\n"), "response limit");
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\n", "A: " + std::string(8000, 'b') + "\r\n"),
            "response limit");
  EXPECT_EQ(endless("", "HTTP/1.1 100 Continue\r\n\r\n"), "response limit");
}

TEST(HttpFlvHostile, BrokenChunksBreakTheStreamAndNothingElse) {
  const std::string head = std::string(kOk) + "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string& bad : {std::string("-1\r\n"), std::string("zz\r\n"),
                                 std::string("fffffffffffffffff\r\n"), std::string("\r\n\r\n")}) {
    const DialReport before = answered(head + bad + body());
    EXPECT_EQ(before.failure->stage, DialStage::flv_header) << bad;
    EXPECT_EQ(before.failure->kind, DialFault::protocol) << bad << failure_of(before);
    const DialReport later = answered(head + chunk(body()) + bad + body());
    EXPECT_EQ(later.failure->stage, DialStage::media) << bad;
    EXPECT_EQ(later.failure->kind, DialFault::protocol) << bad << failure_of(later);
    EXPECT_TRUE(later.success);
  }
  const DialReport unended =
      answered(head + fmt::format("{:x}\r\n", body().size()) + body() + "xx");
  EXPECT_EQ(unended.failure->kind, DialFault::protocol) << failure_of(unended);
}

TEST(HttpFlvHostile, OddFramingThatStillCarriesAStreamIsFine) {
  const DialReport both = answered(fmt::format(
      "{}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", kOk, chunk(body())));
  EXPECT_EQ(failure_of(both), "ok");
  EXPECT_EQ(both.notices.size(), 1U);
  const DialReport more = answered(
      fmt::format("{}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\nmore of it", kOk, chunk(body())));
  EXPECT_EQ(failure_of(more), "ok");
  const DialReport longer = answered(fmt::format(
      "{}Content-Length: {}\r\n\r\n{}HTTP/1.1 400 Bad\r\n\r\n", kOk, body().size(), body()));
  EXPECT_EQ(failure_of(longer), "ok");
  const DialReport interim =
      answered(fmt::format("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n{}Content-Length: {}\r\n\r\n{}",
                           kOk, body().size(), body()));
  EXPECT_EQ(failure_of(interim), "ok");
  EXPECT_EQ(interim.hops.back().http_status, 200);
}

TEST(HttpFlvHostile, StatusesAreToldVerbatim) {
  EXPECT_EQ(failure_of(answered("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")),
            "response not_found 404");
  EXPECT_EQ(failure_of(answered("HTTP/1.1 403 Forbidden\r\n\r\n<html>no</html>")),
            "response denied 403");
  EXPECT_EQ(failure_of(answered("HTTP/1.1 204 No Content\r\n\r\n")), "response http_status 204");
  EXPECT_EQ(failure_of(answered("HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nFLV")),
            "response http_status 206");
  EXPECT_EQ(failure_of(answered("HTTP/1.1 304 Not Modified\r\n\r\n")), "response http_status 304");
  EXPECT_EQ(failure_of(answered("HTTP/1.1 502 Bad Gateway\r\n\r\n")), "response http_status 502");
}

TEST(HttpFlvHostile, BodiesThatAreNoFlvAreNamed) {
  struct Case {
    const char* type;
    std::string body;
    const char* words;
  };
  for (const Case& c :
       {Case{"text/html", "<!doctype html><title>Sign in</title>", "an HTML page"},
        Case{"application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-VERSION:3\n", "an HLS playlist"},
        Case{"video/x-flv", std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00", 9), "gzip"},
        Case{"video/x-flv", "FLW is no signature of FLV", "text"},
        Case{"video/x-flv", std::string("FLV\x02\x05\0\0\0\x09\0\0\0\0", 13), "breaks its rules"},
        Case{"video/x-flv", std::string("FLV\x01\x05\0\0\0\x05\0\0\0\0", 13), "breaks its rules"},
        Case{"video/x-flv", std::string("FLV\x01\x05\x7f\0\0\x09\0\0\0\0", 13), "breaks its rules"},
        Case{"video/x-flv", "", "nothing"}}) {
    const DialReport report =
        answered(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                             c.type, c.body.size(), c.body));
    ASSERT_TRUE(report.failure) << c.words;
    EXPECT_EQ(failure_of(report), std::string("flv_header not_flv ") + c.type);
    EXPECT_NE(report.failure->sentence.find(c.words), std::string::npos)
        << report.failure->sentence;
  }
}

TEST(HttpFlvHostile, AsksForThePathAsItIsAndForNoCompression) {
  std::string seen;
  std::atomic<bool> once{false};
  ScriptedHttpServer server([&](HttpPeer& peer) {
    const std::string request = peer.read_request();
    if (!once.exchange(true)) seen = request;
    peer.send(fmt::format("{}Content-Length: {}\r\n\r\n{}", kOk, body().size(), body()));
  });
  run_dial(http_request(server.url("live/x.flv?a=b&c=../d")));
  EXPECT_TRUE(seen.starts_with("GET /live/x.flv?a=b&c=../d HTTP/1.1\r\n")) << seen;
  EXPECT_NE(seen.find("\r\nAccept-Encoding: identity\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("Host: 127.0.0.1:"), std::string::npos);
}

TEST(HttpFlvHostile, AStreamThatRunsOnIsWatchedToItsLength) {
  ScriptedHttpServer server([](HttpPeer& peer) {
    peer.read_request();
    peer.send(std::string(kOk) + "\r\n" + body());
    peer.stay();
  });
  DialRequest request = http_request(server.url());
  request.length = milliseconds(700);
  const DialReport report = run_dial(std::move(request));
  EXPECT_EQ(report.end, DialEnd::watched);
  EXPECT_TRUE(report.success);
}

// What FLV can do wrong behind a good header; each ends, most with a verdict on what was there.
TEST(HttpFlvHostile, BrokenTagsEndOrAreJudged) {
  const std::string header = body().substr(0, 13);
  const auto dial = [&](const std::string& tags) {
    ScriptedHttpServer server([&](HttpPeer& peer) {
      peer.read_request();
      peer.send(std::string(kOk) + "\r\n" + header + tags);
      peer.stay();
    });
    DialRequest request = http_request(server.url());
    request.length = milliseconds(300);
    request.deadlines.first_media = milliseconds(300);
    return run_dial(std::move(request));
  };
  // A tag of 16 MB that never ends: its first octets are media, no frame is.
  const DialReport endless = dial(std::string("\x09\xff\xff\xff\0\0\0\0\0\0\0\x17\x01", 13));
  EXPECT_EQ(endless.end, DialEnd::watched);
  EXPECT_FALSE(endless.success);
  EXPECT_EQ(endless.verdict.kind, VerdictKind::cannot_open);
  // Nothing but tags of a kind that does not exist.
  std::string unknown;
  for (int i = 0; i < 100; ++i) unknown += std::string("\x1f\0\0\0\0\0\0\0\0\0\0\0\0\0\x05", 15);
  EXPECT_EQ(failure_of(dial(unknown)), "media protocol");
  // Only metadata.
  EXPECT_EQ(failure_of(dial(std::string("\x12\0\0\x01\0\0\0\0\0\0\0\x05\0\0\0\x0c", 16))),
            "media no_media");
  // Video without a configuration: never a decodable key frame.
  const DialReport undecodable =
      dial(std::string("\x09\0\0\x06\0\0\0\0\0\0\0\x17\x01\0\0\0\x65\0\0\0\x11", 21));
  EXPECT_EQ(undecodable.end, DialEnd::watched);
  EXPECT_FALSE(undecodable.success);
}

TEST(HttpFlvHostile, AFloodMeetsTheCeilings) {
  ScriptedHttpServer server([](HttpPeer& peer) {
    peer.read_request();
    bool open = peer.send(std::string(kOk) + "\r\n" + body());
    const std::string media = body().substr(13);
    while (open) open = peer.send(media);
  });
  DialRequest request = http_request(server.url());
  request.length = seconds(60);
  request.policy.ceilings.octets = Bytes{3'000'000};
  const DialReport report = run_dial(std::move(request));
  EXPECT_EQ(failure_of(report), "media limit");
  EXPECT_EQ(report.end, DialEnd::ceiling);
  EXPECT_NE(report.verdict.kind, VerdictKind::cannot_open);
}

class HttpFlvRedirects : public testing::Test {
 protected:
  // Each connection is answered by what `route` says for its path: a Location, or nothing for the
  // stream.
  static DialReport dial(const std::function<std::string(const std::string& path)>& route,
                         const std::function<void(DialRequest&)>& tweak = nullptr,
                         const char* first = "a") {
    ScriptedHttpServer server([&route](HttpPeer& peer) {
      const std::string request = peer.read_request();
      const std::string path = request.substr(4, request.find(' ', 4) - 4);
      const std::string location = route(path);
      if (location.empty()) {
        peer.send(fmt::format("{}Content-Length: {}\r\n\r\n{}", kOk, body().size(), body()));
      } else {
        peer.send(fmt::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                              location));
      }
    });
    DialRequest request = http_request(server.url(first));
    if (tweak) tweak(request);
    return run_dial(std::move(request));
  }
};

TEST_F(HttpFlvRedirects, AreFollowedHopByHop) {
  const DialReport report = dial([](const std::string& path) -> std::string {
    if (path == "/a") return "/b/c?token=geheim99";
    if (path == "/b/c?token=geheim99") return "../d";
    return "";
  });
  EXPECT_EQ(failure_of(report), "ok");
  ASSERT_EQ(report.hops.size(), 3U);
  EXPECT_EQ(report.hops[0].http_status, 302);
  EXPECT_EQ(report.hops[1].why, "redirect");
  EXPECT_TRUE(report.hops[1].url.ends_with("/b/c?token=***")) << report.hops[1].url;
  EXPECT_TRUE(report.hops[2].url.ends_with("/d"));
  EXPECT_TRUE(report.success);
  for (const DialHop& hop : report.hops) {
    for (const auto& [name, value] : hop.headers) {
      EXPECT_EQ(value.find("geheim99"), std::string::npos) << name;
    }
  }
}

TEST_F(HttpFlvRedirects, EndInCirclesLongWaysAndNowhere) {
  EXPECT_EQ(failure_of(dial([](const std::string&) { return "/a"; })), "response redirected 302");
  EXPECT_EQ(failure_of(dial([](const std::string& path) { return path == "/a" ? "/b" : "/a"; })),
            "response redirected 302");
  const DialReport far = dial([](const std::string& path) { return path + "x"; });
  EXPECT_EQ(failure_of(far), "response redirected 302");
  EXPECT_EQ(far.hops.size(), 6U);
  for (const char* location : {"rtmp://h/live/x", "http://", "http://h:0/", "//", " "}) {
    EXPECT_EQ(failure_of(dial([location](const std::string&) { return location; })),
              "response redirected 302")
        << location;
  }
  EXPECT_EQ(failure_of(dial([](const std::string&) { return "/" + std::string(10'000, 'x'); })),
            "response redirected 302");
}

TEST_F(HttpFlvRedirects, DoNotLeadWhereThePolicyForbids) {
  const auto refuse_loopback = [](DialRequest& request) { request.policy.allowed.clear(); };
  EXPECT_EQ(failure_of(dial([](const std::string& path) { return path == "/a" ? "/b" : ""; },
                            refuse_loopback)),
            "policy forbidden");
  EXPECT_EQ(failure_of(
                dial([](const std::string&) { return "http://169.254.169.254/latest/meta-data"; })),
            "policy forbidden");
  EXPECT_EQ(
      failure_of(dial([](const std::string&) { return "http://[::1]:9/x"; }, refuse_loopback)),
      "policy forbidden");
}

TEST_F(HttpFlvRedirects, CanBeManyTimesSlow) {
  ScriptedHttpServer server([](HttpPeer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 302 Found\r\nLocation: /b\r\n");
    peer.stay();
  });
  DialRequest request = http_request(server.url());
  request.deadlines.response = milliseconds(300);
  EXPECT_EQ(failure_of(run_dial(std::move(request))), "response timeout");
}

// The deadline of the hop before ends with it: here a response that came in time.
TEST_F(HttpFlvRedirects, HaveStagesOfTheirOwn) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = rtmp::loopback(0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> fillers;  // a full queue drops SYNs
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    (void)::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  const std::string far = fmt::format("http://127.0.0.1:{}/x", ntohs(address.sin_port));
  const auto hurry = [](DialRequest& request) {
    request.deadlines.response = seconds(1);
    request.deadlines.tcp = seconds(3);
  };
  EXPECT_EQ(failure_of(dial([&far](const std::string&) { return far; }, hurry)),
            "tcp timeout Connection timed out");
  const auto as_a_whole = [](DialRequest& request) { request.deadlines.opening = seconds(1); };
  const DialReport report = dial([&far](const std::string&) { return far; }, as_a_whole);
  EXPECT_EQ(failure_of(report), "tcp timeout");
  EXPECT_NE(report.failure->sentence.find("as a whole"), std::string::npos);
  for (const int fd : fillers) ::close(fd);
  ::close(listener);
}

TEST(HttpFlvDial, RefusesBadUrlsAndPushes) {
  DialRequest request = http_request("http://h:0/x?token=geheim99");
  const DialReport report = run_dial(request);
  EXPECT_EQ(failure_of(report), "url bad_url");
  EXPECT_EQ(report.url.find("geheim99"), std::string::npos);
  request.url = "http://127.0.0.1/x.flv";
  request.direction = DialDirection::push;
  EXPECT_EQ(failure_of(run_dial(request)), "url bad_url");
}

TEST(HttpFlvDial, RefusesTargetsThatThePolicyForbids) {
  DialRequest request = http_request("http://127.0.0.1:9/x.flv");
  request.policy.trust_given_target = false;
  request.policy.allowed.clear();
  EXPECT_EQ(failure_of(run_dial(request)), "policy forbidden");
}

TEST(HttpFlvDial, CanBeStopped) {
  ScriptedHttpServer server([](HttpPeer& peer) {
    peer.read_request();
    peer.stay();
  });
  auto loop = DialLoop::create().value();
  {
    auto dial = make_dial(*loop, http_request(server.url()));
    dial->start();
    for (int i = 0; i < 5; ++i) loop->turn(milliseconds(20));
    dial->stop();
    EXPECT_TRUE(dial->done());
    EXPECT_EQ(dial->report().end, DialEnd::stopped);
    EXPECT_EQ(failure_of(dial->report()), "response stopped");
  }
  {
    auto dial = make_dial(*loop, http_request(server.url()));
    dial->start();
    for (int i = 0; i < 5; ++i) loop->turn(milliseconds(20));
  }  // destroyed in the midst of it
}

}  // namespace
}  // namespace linkpilot::prober
