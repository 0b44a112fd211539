#include "prober/media/http_flv/http_judgement.h"

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <initializer_list>

namespace linkpilot::prober {
namespace {

ResponseHead head_of(std::initializer_list<std::string> lines) {
  ResponseHead head;
  for (const std::string& line : lines) EXPECT_TRUE(head.take(line)) << line;
  EXPECT_TRUE(head.take(""));
  return head;
}

HttpUrl url_of(const char* text) { return parse_http_url(text).value(); }

HeadJudgement redirect(const char* from, const std::string& location,
                       ClearRedirect clear = ClearRedirect::refuse,
                       std::vector<std::string> visited = {}) {
  visited.emplace_back(url_of(from).text());
  return judge_head(head_of({"HTTP/1.1 302 Found", "Location: " + location}), url_of(from), visited,
                    clear);
}

TEST(HttpJudgement, FollowsRedirects) {
  const HeadJudgement judgement = redirect("http://a/x.flv?k=1", "http://b:81/y.flv");
  ASSERT_TRUE(judgement.next);
  EXPECT_FALSE(judgement.failure);
  EXPECT_EQ(judgement.next->text(), "http://b:81/y.flv");
}

TEST(HttpJudgement, RefusesRedirectsInACircleTooFarOrToNowhere) {
  const auto expect_refused = [](const HeadJudgement& judgement, const char* words) {
    ASSERT_TRUE(judgement.failure);
    EXPECT_FALSE(judgement.next);
    EXPECT_EQ(judgement.failure->stage, DialStage::response);
    EXPECT_EQ(judgement.failure->kind, DialFault::redirected);
    EXPECT_EQ(judgement.failure->code, "302");
    EXPECT_NE(judgement.failure->sentence.find(words), std::string::npos)
        << judgement.failure->sentence;
  };
  expect_refused(redirect("http://a/x", "http://a/x"), "circle");
  expect_refused(redirect("http://a/x", "/y", ClearRedirect::refuse, {"http://a/y"}), "circle");
  expect_refused(redirect("http://a/x", "/z", ClearRedirect::refuse, {"1", "2", "3", "4", "5"}),
                 "more than 5 redirects");
  expect_refused(redirect("http://a/x", "rtmp://b/live/x"), "cannot follow");
  expect_refused(redirect("http://a/x", "http://"), "cannot follow");
  expect_refused(redirect("http://a/x", ""), "names no place");
  const auto none = judge_head(head_of({"HTTP/1.1 301 Moved"}), url_of("http://a/"), {"http://a/"},
                               ClearRedirect::refuse);
  ASSERT_TRUE(none.failure);
  EXPECT_EQ(none.failure->kind, DialFault::redirected);
}

TEST(HttpJudgement, LeavesHttpsOnlyWhereCertificatesAreMerelyRecorded) {
  const auto refused = redirect("https://a/x?token=verysecret", "http://b/x?token=verysecret");
  ASSERT_TRUE(refused.failure);
  EXPECT_EQ(refused.failure->sentence.find("verysecret"), std::string::npos);
  const auto taken = redirect("https://a/x", "http://b/x", ClearRedirect::follow);
  EXPECT_TRUE(taken.next);
  EXPECT_EQ(taken.notices.size(), 1U);
  EXPECT_TRUE(redirect("http://a/x", "https://b/x").next);
}

TEST(HttpJudgement, NamesWhatEachStatusMeans) {
  struct Case {
    const char* line;
    DialFault kind;
    const char* code;
  };
  for (const Case& c : {Case{"HTTP/1.1 401 Unauthorized", DialFault::authentication, "401"},
                        Case{"HTTP/1.1 403 Forbidden", DialFault::denied, "403"},
                        Case{"HTTP/1.1 404 Not Found", DialFault::not_found, "404"},
                        Case{"HTTP/1.1 503 Service Unavailable", DialFault::busy, "503"},
                        Case{"HTTP/1.1 500 Oops", DialFault::http_status, "500"},
                        Case{"HTTP/1.1 204 No Content", DialFault::http_status, "204"},
                        Case{"HTTP/1.1 206 Partial Content", DialFault::http_status, "206"},
                        Case{"HTTP/1.1 304 Not Modified", DialFault::http_status, "304"},
                        Case{"HTTP/1.1 999 Odd", DialFault::http_status, "999"}}) {
    const auto judgement =
        judge_head(head_of({c.line}), url_of("http://a/"), {"http://a/"}, ClearRedirect::refuse);
    ASSERT_TRUE(judgement.failure) << c.line;
    EXPECT_EQ(judgement.failure->kind, c.kind) << c.line;
    EXPECT_EQ(judgement.failure->code, c.code);
    EXPECT_FALSE(judgement.failure->sentence.empty());
  }
}

TEST(HttpJudgement, NotesWhatIsOddAndChangesNothing) {
  const auto judgement =
      judge_head(head_of({"HTTP/1.1 200 OK", "Content-Type: text/html", "Content-Length: 5",
                          "Transfer-Encoding: chunked", "Content-Encoding: gzip"}),
                 url_of("http://a/"), {"http://a/"}, ClearRedirect::refuse);
  EXPECT_FALSE(judgement.failure);
  EXPECT_EQ(judgement.notices.size(), 3U);
  const auto plain = judge_head(head_of({"HTTP/1.1 200 OK", "Content-Type: video/x-flv"}),
                                url_of("http://a/"), {"http://a/"}, ClearRedirect::refuse);
  EXPECT_TRUE(plain.notices.empty());
}

TEST(HttpJudgement, SaysWhatCameInsteadOfFlv) {
  const std::string page = "<html>login";
  const std::span start(reinterpret_cast<const std::uint8_t*>(page.data()), page.size());
  const DialFailure failure =
      not_flv(head_of({"HTTP/1.1 200 OK", "Content-Type: text/html"}), start, "no FLV signature");
  EXPECT_EQ(failure.stage, DialStage::flv_header);
  EXPECT_EQ(failure.kind, DialFault::not_flv);
  EXPECT_EQ(failure.code, "text/html");
  EXPECT_NE(failure.sentence.find("an HTML page"), std::string::npos);
}

TEST(HttpJudgement, PutsLibcurlsResultsIntoStagesAndKinds) {
  struct Case {
    int code;
    int os_error;
    const char* detail;
    ExchangeStage stage;
    DialStage want_stage;
    DialFault want_kind;
  };
  for (const Case& c :
       {Case{CURLE_SSL_CONNECT_ERROR, 0, "error:0A00010B:SSL routines::wrong version number",
             ExchangeStage::tls, DialStage::tls, DialFault::not_tls},
        Case{CURLE_SSL_CONNECT_ERROR, 0, "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection",
             ExchangeStage::tls, DialStage::tls, DialFault::closed},
        Case{CURLE_SSL_CONNECT_ERROR, ECONNRESET, "Connection reset by peer", ExchangeStage::tls,
             DialStage::tls, DialFault::reset},
        Case{CURLE_SSL_CONNECT_ERROR, 0, "sslv3 alert handshake failure", ExchangeStage::tls,
             DialStage::tls, DialFault::tls_failed},
        Case{CURLE_SEND_ERROR, 0, "x", ExchangeStage::request, DialStage::request,
             DialFault::closed},
        Case{CURLE_COULDNT_CONNECT, ECONNRESET, "Failed to connect to 127.0.0.1",
             ExchangeStage::request, DialStage::request, DialFault::reset},
        Case{CURLE_GOT_NOTHING, 0, "Empty reply from server", ExchangeStage::response,
             DialStage::response, DialFault::closed},
        Case{CURLE_UNSUPPORTED_PROTOCOL, 0, "Received HTTP/0.9 when not allowed",
             ExchangeStage::response, DialStage::response, DialFault::not_http},
        Case{CURLE_RECV_ERROR, ECONNRESET, "Recv failure: Connection reset by peer",
             ExchangeStage::body, DialStage::media, DialFault::reset},
        Case{CURLE_RECV_ERROR, 0, "Illegal or missing hexadecimal sequence in chunked-encoding",
             ExchangeStage::body, DialStage::media, DialFault::protocol},
        Case{CURLE_PARTIAL_FILE, 0, "transfer closed with 5 bytes remaining to read",
             ExchangeStage::body, DialStage::media, DialFault::closed},
        Case{CURLE_HTTP2_STREAM, 0, "stream 1 was not closed cleanly", ExchangeStage::body,
             DialStage::media, DialFault::protocol},
        Case{CURLE_OUT_OF_MEMORY, 0, "Out of memory", ExchangeStage::body, DialStage::media,
             DialFault::internal}}) {
    const auto failure =
        judge_transfer({.code = c.code, .os_error = c.os_error, .detail = c.detail}, c.stage, true);
    ASSERT_TRUE(failure) << c.detail;
    EXPECT_EQ(failure->stage, c.want_stage) << c.detail;
    EXPECT_EQ(failure->kind, c.want_kind) << c.detail;
    EXPECT_FALSE(failure->sentence.empty());
  }
  EXPECT_FALSE(judge_transfer({}, ExchangeStage::body, true));
  EXPECT_EQ(judge_transfer({.code = CURLE_PARTIAL_FILE, .os_error = 0, .detail = ""},
                           ExchangeStage::body, false)
                ->stage,
            DialStage::flv_header);
}

TEST(HttpJudgement, ShowsFieldsWithoutSecrets) {
  const ResponseHead head =
      head_of({"HTTP/1.1 302 Found", "Location: http://u:p@b/x?token=abcd", "Set-Cookie: id=1234",
               "X-Echo: you sent mysecret", "Server: nginx"});
  const auto shown = shown_fields(head, url_of("http://a/x?sign=mysecret"));
  ASSERT_EQ(shown.size(), 4U);
  EXPECT_EQ(shown[0].second, "http://***@b/x?***");
  EXPECT_EQ(shown[1].second, "***");
  EXPECT_EQ(shown[2].second, "you sent ***");
  EXPECT_EQ(shown[3].second, "nginx");
}

}  // namespace
}  // namespace linkpilot::prober
