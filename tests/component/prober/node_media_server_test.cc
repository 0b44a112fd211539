// What node-media-server does, seen again on the version the tests run: the facts that the dial is
// built on. Needs node, ffmpeg, curl and the packages of tests/support/peers (tools/setup).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "prober/media/flv/flv_demuxer.h"
#include "prober/media/playback/stream_analyzer.h"
#include "tests/support/node_media_server.h"
#include "tests/support/rtmp_dial.h"

namespace linkpilot::rtmp {
namespace {

using prober::TagType;

class NodeMediaServerFacts : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new NodeMediaServer;
    publisher_ = new ChildProcess(live_ffmpeg("200", server_->rtmp_url("live/camera")),
                                  server_->path("publisher.log"));
  }
  static void TearDownTestSuite() {
    delete publisher_;
    delete server_;
  }
  void SetUp() override {
    ASSERT_TRUE(server_->answers()) << "node-media-server does not run; tools/setup installs it\n"
                                    << server_->log();
  }
  static RtmpClientOptions options(std::string_view path, Direction direction = Direction::pull) {
    RtmpClientOptions options;
    options.url = parse_rtmp_url(server_->rtmp_url(path)).value();
    options.direction = direction;
    options.first_media_max = std::chrono::seconds(60);
    return options;
  }
  static bool has_video(const RtmpDial& dial) {
    return std::any_of(dial.sink.tags().begin(), dial.sink.tags().end(), [](const auto& tag) {
      return tag.complete && tag.header.type == TagType::video;
    });
  }
  // Until the publisher's stream is there, and its server has a group of pictures to give.
  static void wait_for_stream() {
    RtmpDial dial(options("live/camera"));
    ASSERT_TRUE(run_dials({&dial}, std::chrono::seconds(90), [&dial] { return has_video(dial); }))
        << dial.verdict() << server_->log();
  }

  static NodeMediaServer* server_;
  static ChildProcess* publisher_;
};
NodeMediaServer* NodeMediaServerFacts::server_ = nullptr;
ChildProcess* NodeMediaServerFacts::publisher_ = nullptr;

TEST_F(NodeMediaServerFacts, HeadersOfAPullAreAtTimeZeroWhileItsMediaIsNot) {
  wait_for_stream();
  ::poll(nullptr, 0, 2500);  // of real time, so that the media's timestamps have left zero
  RtmpDial dial(options("live/camera"));
  ASSERT_TRUE(run_dials({&dial}, std::chrono::seconds(30), [&dial] {
    return std::count_if(dial.sink.tags().begin(), dial.sink.tags().end(),
                         [](const auto& tag) { return tag.complete; }) > 8;
  })) << dial.verdict();
  std::vector<std::uint32_t> headers;
  std::vector<std::uint32_t> media;
  for (const auto& tag : dial.sink.tags()) {
    if (tag.body.size() < 2 || tag.header.type == TagType::script) continue;
    (tag.body[1] == 0 ? headers : media).push_back(tag.header.timestamp_ms);
  }
  EXPECT_EQ(headers, (std::vector<std::uint32_t>{0, 0}));
  ASSERT_FALSE(media.empty());
  EXPECT_GT(*std::min_element(media.begin(), media.end()), 1000U);
}

TEST_F(NodeMediaServerFacts, PlayOfAMissingStreamStartsAndStaysSilent) {
  RtmpClientOptions missing = options("live/missing");
  missing.first_media_max = std::chrono::milliseconds(1500);
  RtmpDial dial(missing);
  run_dials({&dial}, std::chrono::seconds(30),
            [&dial] { return dial.client.outcome().has_value(); });
  EXPECT_EQ(dial.verdict(), "media no_media");
  EXPECT_TRUE(dial.has_phase("started"));
}

// Version 4 even says Publish.Start first; this one closes before any word of it leaves.
TEST_F(NodeMediaServerFacts, ABusyNameIsClosedWithoutAWord) {
  wait_for_stream();
  RtmpDial dial(options("live/camera", Direction::push));
  run_dials({&dial}, std::chrono::seconds(30),
            [&dial] { return dial.client.outcome().has_value(); });
  EXPECT_EQ(dial.verdict(), "start closed");
}

TEST_F(NodeMediaServerFacts, HttpFlvIsChunkedAndUntyped) {
  wait_for_stream();
  const std::string head = server_->path("head");
  const std::string body = server_->path("body.flv");
  ChildProcess curl({"curl", "-s", "--http1.1", "--max-time", "3", "-D", head, "-o", body,
                     server_->http_url("live/camera.flv")},
                    server_->path("curl.log"));
  curl.wait();
  const auto read = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const std::string headers = read(head);
  EXPECT_TRUE(headers.starts_with("HTTP/1.1 200 OK\r\n")) << headers;
  EXPECT_NE(headers.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_EQ(headers.find("\r\nContent-Type:"), std::string::npos);

  const std::string octets = read(body);
  prober::StreamAnalyzer analyzer({});
  prober::FlvDemuxer demuxer(analyzer);
  ASSERT_TRUE(
      demuxer.consume({reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()}, {}));
  const auto report = analyzer.report({});
  EXPECT_GT(report.video.frames, 20U);
  EXPECT_EQ(report.video_config ? report.video_config->width : 0, 320U);
  EXPECT_TRUE(report.marks.key_frame);
}

TEST_F(NodeMediaServerFacts, AMissingStreamOverHttpHasNoAnswerAtAll) {
  ChildProcess curl({"curl", "-s", "--max-time", "1", "-w", "%{http_code}",
                     server_->http_url("live/missing.flv")},
                    server_->path("missing.log"));
  curl.wait();
  EXPECT_EQ(curl.log(), "000");
}

}  // namespace
}  // namespace linkpilot::rtmp
