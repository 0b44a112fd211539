// The RTMP client against ffmpeg's own one-shot server, as a source and as a target: chunks of 128
// octets, audio and video with fmt 1, metadata as @setDataFrame. Needs ffmpeg (tools/setup).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "tests/support/child_process.h"
#include "tests/support/rtmp_dial.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::rtmp {
namespace {

using Arguments = std::vector<std::string>;

Arguments ffmpeg_with(const Arguments& rest) {
  Arguments all{"ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "warning"};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

// Two seconds of colour bars and a tone as FLV.
Arguments two_seconds(const Arguments& target) {
  Arguments all = ffmpeg_with({"-f",      "lavfi",     "-i",   "testsrc2=size=320x180:rate=25",
                               "-f",      "lavfi",     "-i",   "sine=sample_rate=44100",
                               "-t",      "2",         "-c:v", "libx264",
                               "-preset", "ultrafast", "-g",   "25",
                               "-c:a",    "aac",       "-f",   "flv"});
  all.insert(all.end(), target.begin(), target.end());
  return all;
}

// Dials a server that is about to listen, for it serves one connection only.
std::unique_ptr<RtmpDial> dial_when_ready(const RtmpClientOptions& options, ChildProcess& server) {
  SystemClock clock;
  const MonoTime end = clock.now().mono + std::chrono::seconds(30);
  while (clock.now().mono < end && server.is_running()) {
    auto dial = std::make_unique<RtmpDial>(options);
    if (dial->is_connected()) return dial;
    ::poll(nullptr, 0, 50);
  }
  return nullptr;
}

RtmpClientOptions options_at(std::uint16_t port, Direction direction) {
  RtmpClientOptions options;
  options.url = parse_rtmp_url(fmt::format("rtmp://127.0.0.1:{}/live/name", port)).value();
  options.direction = direction;
  options.connect_max = options.start_max = std::chrono::seconds(30);
  options.first_media_max = std::chrono::seconds(60);
  return options;
}

std::size_t complete_tags(const RecordingSink& sink, prober::TagType type) {
  return static_cast<std::size_t>(
      std::count_if(sink.tags().begin(), sink.tags().end(),
                    [type](const auto& tag) { return tag.complete && tag.header.type == type; }));
}

TEST(RtmpOnFfmpeg, PullsAllThatAOneShotServerPlays) {
  const TemporaryDirectory directory;
  const std::uint16_t port = free_port();
  ChildProcess server(
      two_seconds({"-listen", "1", fmt::format("rtmp://127.0.0.1:{}/live/name", port)}),
      directory.path("server.log"));
  const auto dial = dial_when_ready(options_at(port, Direction::pull), server);
  ASSERT_NE(dial, nullptr) << server.log();
  EXPECT_TRUE(run_dials({dial.get()}, std::chrono::seconds(60),
                        [&dial] { return dial->client.outcome().has_value(); }));
  EXPECT_TRUE(dial->has_phase("started")) << dial->verdict() << server.log();
  // 50 frames; their configuration and an end of sequence besides.
  EXPECT_GE(complete_tags(dial->sink, prober::TagType::video), 51U);
  EXPECT_GE(complete_tags(dial->sink, prober::TagType::audio), 80U);
  EXPECT_EQ(complete_tags(dial->sink, prober::TagType::script), 1U);
}

TEST(RtmpOnFfmpeg, PushesToAOneShotServerThatStoresEveryFrame) {
  const TemporaryDirectory directory;
  const std::string stored = directory.path("stored.flv");
  const std::uint16_t port = free_port();
  ChildProcess server(
      ffmpeg_with({"-listen", "1", "-i", fmt::format("rtmp://127.0.0.1:{}/live/name", port), "-c",
                   "copy", "-f", "framecrc", stored}),
      directory.path("server.log"));
  auto dial = dial_when_ready(options_at(port, Direction::push), server);
  ASSERT_NE(dial, nullptr) << server.log();
  ASSERT_TRUE(run_dials({dial.get()}, std::chrono::seconds(60),
                        [&dial] { return dial->client.is_publishing(); }))
      << dial->verdict() << server.log();
  // A configuration of AVC; the frames are only copied, so what is in them does not matter.
  const Bytes config{0x17, 0, 0, 0,    0,    1,    0x42, 0xc0, 0x0a, 0xff,
                     0xe1, 0, 8, 0x67, 0x42, 0xc0, 0x0a, 0xdd, 0xec, 0x04,
                     0x40, 1, 0, 4,    0x68, 0xce, 0x0f, 0xc8};
  EXPECT_EQ(dial->client.publish_tag({.type = prober::TagType::video}, config),
            PublishResult::accepted);
  constexpr std::uint32_t kFrames = 200;
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    Bytes frame{0x17, 1, 0, 0, 0, 0, 0, 0, 0, 0x65, 0x88, 0x84, 0x0a};
    append(frame, filler(900, static_cast<std::uint8_t>(i)));
    frame[7] = static_cast<std::uint8_t>((frame.size() - 9) >> 8);
    frame[8] = static_cast<std::uint8_t>(frame.size() - 9);
    // Past 2^24 ms, where whole timestamps no longer fit a chunk header.
    EXPECT_EQ(dial->client.publish_tag(
                  {.type = prober::TagType::video, .timestamp_ms = 0xfff000 + i * 40}, frame),
              PublishResult::accepted);
  }
  dial->client.end(SystemClock().now());
  EXPECT_TRUE(run_dials({dial.get()}, std::chrono::seconds(60),
                        [&] { return dial->client.output().empty() || dial->is_closed(); }));
  EXPECT_EQ(dial->verdict(), "ended");
  dial.reset();  // it reads until the connection is closed
  server.wait();
  std::ifstream lines(stored);
  std::vector<std::string> frames;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] == '0') frames.push_back(line);
  }
  EXPECT_EQ(frames.size(), kFrames) << server.log();
}

}  // namespace
}  // namespace linkpilot::rtmp
