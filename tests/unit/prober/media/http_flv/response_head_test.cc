#include "prober/media/http_flv/response_head.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace linkpilot::prober {
namespace {

Status take_all(ResponseHead& head, std::initializer_list<const char*> lines) {
  for (const char* line : lines) {
    if (Status status = head.take(line); !status) return status;
  }
  return {};
}

TEST(ResponseHead, ReadsStatusAndFields) {
  ResponseHead head;
  ASSERT_TRUE(take_all(head, {"HTTP/1.1 200 OK\r\n", "Content-Type: Video/X-FLV; charset=x\r\n",
                              "CONTENT-LENGTH:  42 \r\n", "\r\n"}));
  EXPECT_TRUE(head.complete());
  EXPECT_EQ(head.status(), 200);
  EXPECT_EQ(head.version(), "1.1");
  EXPECT_EQ(head.reason(), "OK");
  EXPECT_EQ(head.media_type(), "video/x-flv");
  EXPECT_EQ(head.content_length(), 42U);
  EXPECT_FALSE(head.is_chunked());
  EXPECT_EQ(head.find("server"), nullptr);
}

TEST(ResponseHead, ReadsWhatLibcurlWritesForHttp2) {
  ResponseHead head;
  ASSERT_TRUE(take_all(head, {"HTTP/2 200 \r\n", "x: y\r\n", "\r\n"}));
  EXPECT_EQ(head.version(), "2");
  EXPECT_EQ(head.reason(), "");
}

TEST(ResponseHead, ForgetsInterimAnswersAndLimitsThem) {
  ResponseHead head;
  ASSERT_TRUE(take_all(head, {"HTTP/1.1 103 Early Hints\r\n", "Link: x\r\n", "\r\n",
                              "HTTP/1.1 200 OK\r\n", "a: b\r\n", "\r\n"}));
  EXPECT_TRUE(head.complete());
  EXPECT_EQ(head.fields().size(), 1U);

  ResponseHead endless;
  Status status;
  unsigned rounds = 0;
  while (status && rounds < 1000) {
    status = take_all(endless, {"HTTP/1.1 100 Continue\r\n", "\r\n"});
    ++rounds;
  }
  EXPECT_EQ(rounds, kInterimMax + 1);
  EXPECT_EQ(status.error().code, ErrorCode::limit_exceeded);
}

TEST(ResponseHead, LimitsLinesAndOctets) {
  ResponseHead many;
  ASSERT_TRUE(many.take("HTTP/1.1 200 OK\r\n"));
  Status status;
  std::size_t lines = 0;
  while (status && lines < 1000) {
    status = many.take("a: b\r\n");
    ++lines;
  }
  EXPECT_EQ(lines, kHeadLinesMax + 1);

  ResponseHead wide;
  ASSERT_TRUE(wide.take("HTTP/1.1 200 OK\r\n"));
  EXPECT_FALSE(wide.take("a: " + std::string(kHeadOctetsMax, 'x') + "\r\n"));
}

TEST(ResponseHead, RefusesWhatIsNoStatusLine) {
  for (const char* line :
       {"", "\r\n", "220 mail.example ESMTP\r\n", "HTTP/1.1\r\n", "HTTP/1.1 xx\r\n",
        "HTTP/1.1 7\r\n", "HTTP/1.1 99999999999\r\n", "RTMP\r\n"}) {
    ResponseHead head;
    EXPECT_FALSE(head.take(line)) << line;
  }
}

TEST(ResponseHead, TheLastTransferCodingFrames) {
  const auto chunked = [](const char* value) {
    ResponseHead head;
    (void)head.take("HTTP/1.1 200 OK");
    (void)head.take(std::string("Transfer-Encoding: ") + value);
    return head.is_chunked();
  };
  EXPECT_TRUE(chunked("chunked"));
  EXPECT_TRUE(chunked("gzip, Chunked"));
  EXPECT_FALSE(chunked("chunked, gzip"));
  EXPECT_FALSE(chunked("identity"));
}

TEST(ResponseHead, ALengthThatIsNoNumberIsNone) {
  for (const char* value : {"-1", "4x", "", "99999999999999999999999", "1, 1"}) {
    ResponseHead head;
    (void)head.take("HTTP/1.1 200 OK");
    (void)head.take(std::string("Content-Length: ") + value);
    EXPECT_FALSE(head.content_length()) << value;
  }
}

TEST(ResponseHead, JoinsFoldedLinesAndIgnoresTrailers) {
  ResponseHead head;
  ASSERT_TRUE(
      take_all(head, {"HTTP/1.1 200 OK", "X: a", "\tb", "no colon here", "", "Trailer: z"}));
  ASSERT_NE(head.find("x"), nullptr);
  EXPECT_EQ(*head.find("x"), "a b");
  EXPECT_EQ(head.find("trailer"), nullptr);
}

}  // namespace
}  // namespace linkpilot::prober
