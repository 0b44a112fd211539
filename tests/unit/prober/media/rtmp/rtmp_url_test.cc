#include "prober/media/rtmp/rtmp_url.h"

#include <gtest/gtest.h>

#include "prober/media/rtmp/redirect.h"

namespace linkpilot::rtmp {
namespace {

RtmpUrl url_of(std::string_view text) {
  auto url = parse_rtmp_url(text);
  EXPECT_TRUE(url) << text << ": " << url.error().message;
  return url.value_or(RtmpUrl{});
}

TEST(RtmpUrl, SeparatesApplicationStreamAndTheirQueries) {
  struct Case {
    const char* text;
    const char* host;
    std::uint16_t port;
    const char* app;
    const char* stream;
    const char* tc_url;
  };
  const Case cases[] = {
      {"rtmp://h/live/s", "h", 1935, "live", "s", "rtmp://h/live"},
      {"RTMP://H.Example:1936/live/s", "h.example", 1936, "live", "s",
       "rtmp://h.example:1936/live"},
      {"rtmps://h/live/s", "h", 443, "live", "s", "rtmps://h/live"},
      {"rtmps://h:1935/live/s", "h", 1935, "live", "s", "rtmps://h:1935/live"},
      {"rtmp://h/a/b/s", "h", 1935, "a/b", "s", "rtmp://h/a/b"},
      {"rtmp://h/live/s?sign=a/b==&t=1", "h", 1935, "live", "s?sign=a/b==&t=1", "rtmp://h/live"},
      {"rtmp://h/live?vhost=v.example/s", "h", 1935, "live?vhost=v.example", "s",
       "rtmp://h/live?vhost=v.example"},
      {"rtmp://h/live?vhost=v/s?token=x", "h", 1935, "live?vhost=v", "s?token=x",
       "rtmp://h/live?vhost=v"},
      {"rtmp://[2001:DB8::1]:1937/live/s", "2001:db8::1", 1937, "live", "s",
       "rtmp://[2001:db8::1]:1937/live"},
      {"rtmp://[::1]/live/s", "::1", 1935, "live", "s", "rtmp://[::1]/live"},
      {"rtmp://us%65r:p%3Aw@h/live/mp4:s", "h", 1935, "live", "mp4:s", "rtmp://h/live"}};
  for (const Case& c : cases) {
    const RtmpUrl url = url_of(c.text);
    EXPECT_EQ(url.host, c.host);
    EXPECT_EQ(url.port, c.port);
    EXPECT_EQ(url.app, c.app);
    EXPECT_EQ(url.stream, c.stream);
    EXPECT_EQ(url.tc_url(), c.tc_url);
  }
  EXPECT_EQ(url_of("rtmp://us%65r:p%3Aw@h/live/s").user, "user");
  EXPECT_EQ(url_of("rtmp://us%65r:p%3Aw@h/live/s").password, "p:w");
}

TEST(RtmpUrl, SaysWhatIsWrongWithoutRepeatingSecrets) {
  const std::string long_url = "rtmp://h/live/" + std::string(10000, 'x');
  const struct {
    std::string_view text;
    const char* words;
  } cases[] = {{"", "begins with rtmp://"},
               {"http://h/live/s", "scheme http"},
               {"rtmpt://h/live/s", "scheme rtmpt"},
               {"rtmp:///live/s", "host"},
               {"rtmp://h", "no application"},
               {"rtmp://h/", "no application"},
               {"rtmp://h?x=topsecret", "no application"},
               {"rtmp://h/live", "no stream"},
               {"rtmp://h/live/", "no stream"},
               {"rtmp://h/live?key=topsecret", "no stream"},
               {"rtmp://h:0/live/s", "port"},
               {"rtmp://h:99999/live/s", "port"},
               {"rtmp://h:80x/live/s", "port"},
               {"rtmp://::1/live/s", "brackets"},
               {"rtmp://[::1/live/s", "closing bracket"},
               {"rtmp://[::1]x/live/s", "after ']'"},
               {"rtmp://[evil host]/live/s", "blank"},
               {"rtmp://h/live/s\r\nX", "control"},
               {long_url, "10014 octets"}};
  for (const auto& c : cases) {
    const auto url = parse_rtmp_url(c.text);
    ASSERT_FALSE(url) << c.text;
    EXPECT_NE(url.error().message.find(c.words), std::string::npos) << url.error().message;
    EXPECT_EQ(url.error().message.find("topsecret"), std::string::npos);
  }
}

TEST(RtmpUrl, MasksPasswordsQueriesAndIfAskedTheStream) {
  const RtmpUrl url = url_of("rtmp://u:password@h/live?vhost=v&k=app-key/name?sign=s1gnature&bare");
  EXPECT_EQ(url.masked(), "rtmp://h/live?vhost=v&k=***/name?sign=***&***");
  EXPECT_EQ(url.masked(StreamName::hide), "rtmp://h/live?vhost=v&k=***/***");
  EXPECT_EQ(url.redact("no s1gnature for app-key, password, name at v"),
            "no *** for ***, ***, name at v");
  EXPECT_EQ(url.redact("name is busy", StreamName::hide), "*** is busy");
}

TEST(Redirect, KeepsTheStreamForATcUrlAndTakesAWholeUrlAsItIs) {
  const RtmpUrl from = url_of("rtmp://u:p@h/live/s?token=1");
  EXPECT_EQ(resolve_redirect(from, "rtmp://edge:1936/live2", "")->text(),
            "rtmp://edge:1936/live2/s?token=1");
  EXPECT_EQ(resolve_redirect(from, "rtmp://edge/live2/", "")->text(),
            "rtmp://edge/live2/s?token=1");
  EXPECT_EQ(resolve_redirect(from, "rtmp://edge/live", "rtmp://edge/live/other")->text(),
            "rtmp://edge/live/other");
  EXPECT_EQ(resolve_redirect(from, "", "rtmp://edge/live/other")->text(), "rtmp://edge/live/other");
  EXPECT_EQ(resolve_redirect(url_of("rtmp://h/live/s"), "rtmp://edge/live/s", "")->text(),
            "rtmp://edge/live/s");
  EXPECT_EQ(resolve_redirect(from, "rtmp://edge/live", "")->password, "");
}

TEST(Redirect, RefusesWhatIsNoRtmpTarget) {
  const RtmpUrl from = url_of("rtmp://h/live/s");
  const std::string long_target = "rtmp://h/" + std::string(10000, 'x');
  for (const std::string& target :
       {std::string(), std::string("http://h/live"), std::string("rtmp://h"),
        std::string("file:///etc/passwd"), std::string("rtmp://h:/"), long_target}) {
    EXPECT_FALSE(resolve_redirect(from, target, "")) << target;
  }
}

TEST(Redirect, ResolvesReconnectTargetsOfEachForm) {
  const RtmpUrl from = url_of("rtmp://h/live/eu/s");
  EXPECT_EQ(resolve_reconnect(from, "")->text(), "rtmp://h/live/eu/s");
  EXPECT_EQ(resolve_reconnect(from, "rtmps://x/app")->text(), "rtmps://x/app/s");
  EXPECT_EQ(resolve_reconnect(from, "//x:1936/app")->text(), "rtmp://x:1936/app/s");
  EXPECT_EQ(resolve_reconnect(from, "/app")->text(), "rtmp://h/app/s");
  EXPECT_EQ(resolve_reconnect(from, "us")->text(), "rtmp://h/live/us/s");
  EXPECT_FALSE(resolve_reconnect(from, std::string(10000, 'x')));
  EXPECT_FALSE(resolve_reconnect(from, "https://x/app"));
}

TEST(Redirect, StopsAtACircleAndAtTheHopLimit) {
  const RtmpUrl a = url_of("rtmp://a/live/s");
  const RtmpUrl b = url_of("rtmp://b/live/s");
  std::vector<std::string> visited{a.text()};
  EXPECT_FALSE(check_hop(visited, a));
  EXPECT_TRUE(check_hop(visited, b));
  visited.push_back(b.text());
  EXPECT_FALSE(check_hop(visited, a));
  EXPECT_FALSE(check_hop(visited, url_of("RTMP://A:1935/live/s")));
  for (int i = 0; i < 4; ++i) visited.push_back("rtmp://c/live/" + std::to_string(i));
  const Status status = check_hop(visited, url_of("rtmp://d/live/s"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::limit_exceeded);
}

}  // namespace
}  // namespace linkpilot::rtmp
