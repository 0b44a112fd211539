// The RTMP client against nginx with its RTMP module and ffmpeg, over loopback: what they do is
// what the client must make sense of. Needs nginx, libnginx-mod-rtmp and ffmpeg (tools/setup).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/support/nginx_rtmp.h"
#include "tests/support/rtmp_dial.h"

namespace linkpilot::rtmp {
namespace {

struct FileTag {
  prober::TagHeader header;
  Bytes body;
};

// The tags of an FLV file that ffmpeg made; nothing else is expected to be in it.
std::vector<FileTag> tags_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const Bytes bytes(text.begin(), text.end());
  std::vector<FileTag> tags;
  for (std::size_t at = 13; at + 11 <= bytes.size();) {
    const auto field = [&bytes, at](std::size_t offset) {
      return static_cast<std::uint32_t>(bytes[at + offset] << 16 | bytes[at + offset + 1] << 8 |
                                        bytes[at + offset + 2]);
    };
    const std::uint32_t octets = field(1);
    if (at + 11 + octets > bytes.size()) break;
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at + 11);
    tags.push_back({.header = {.type = static_cast<prober::TagType>(bytes[at]),
                               .octets = octets,
                               .timestamp_ms = field(4)},
                    .body = Bytes(begin, begin + static_cast<std::ptrdiff_t>(octets))});
    at += 11 + octets + 4;
  }
  return tags;
}

std::size_t count_of(const RecordingSink& sink, prober::TagType type) {
  return static_cast<std::size_t>(
      std::count_if(sink.tags().begin(), sink.tags().end(),
                    [type](const auto& tag) { return tag.complete && tag.header.type == type; }));
}

class RtmpOnNginx : public testing::Test {
 protected:
  static void SetUpTestSuite() { nginx_ = new NginxRtmp; }
  static void TearDownTestSuite() {
    delete nginx_;
    nginx_ = nullptr;
  }
  void SetUp() override {
    ASSERT_TRUE(nginx_->answers()) << "nginx with libnginx-mod-rtmp does not run; tools/setup "
                                      "installs it\n"
                                   << nginx_->log();
  }

  // Runs one dial to its verdict.
  static std::string verdict_of(const RtmpClientOptions& options,
                                std::vector<std::string>* phases = nullptr) {
    RtmpDial dial(options);
    run_dials({&dial}, std::chrono::seconds(30),
              [&dial] { return dial.client.outcome().has_value(); });
    if (phases != nullptr) *phases = dial.phases;
    return dial.verdict();
  }
  static const std::vector<FileTag>& recorded() {
    static const std::vector<FileTag> tags = [] {
      const std::string file = nginx_->path("made.flv");
      ChildProcess ffmpeg(ffmpeg_arguments(false, "3", file), nginx_->path("made.log"));
      EXPECT_EQ(ffmpeg.wait(), 0) << ffmpeg.log();
      return tags_of(file);
    }();
    return tags;
  }

  static NginxRtmp* nginx_;
};
NginxRtmp* RtmpOnNginx::nginx_ = nullptr;

TEST_F(RtmpOnNginx, PullsWhatFfmpegPublishesWithEachHandshake) {
  ChildProcess ffmpeg(ffmpeg_arguments(true, "60", nginx_->url("live/camera")),
                      nginx_->path("publisher.log"));
  for (const HandshakeForm form :
       {HandshakeForm::simple, HandshakeForm::digest_schema_0, HandshakeForm::digest_schema_1}) {
    RtmpClientOptions options = nginx_->options("live/camera");
    options.handshake = form;
    options.first_media_max = std::chrono::seconds(40);
    RtmpDial dial(options);
    const bool done = run_dials({&dial}, std::chrono::seconds(45), [&dial] {
      return dial.client.outcome() || (count_of(dial.sink, prober::TagType::video) >= 10 &&
                                       count_of(dial.sink, prober::TagType::audio) >= 10);
    });
    ASSERT_TRUE(done && !dial.client.outcome()) << dial.verdict() << ffmpeg.log();
    const std::string handshake = form == HandshakeForm::simple ? "handshake" : "handshake digest";
    std::vector<std::string> order{"server_hello", handshake, "stream_created", "started",
                                   "first_video"};
    auto at = dial.phases.begin();
    for (const std::string& phase : order) {
      at = std::find(at, dial.phases.end(), phase);
      EXPECT_NE(at, dial.phases.end()) << phase;
    }
    EXPECT_TRUE(dial.has_phase("first_audio"));
    EXPECT_TRUE(dial.has_phase("first_script"));
    dial.client.end(SystemClock().now());
    EXPECT_EQ(dial.verdict(), "ended");
  }
}

// idle_streams is on by default: nginx accepts play of a stream that nobody publishes.
TEST_F(RtmpOnNginx, FindsNoMediaWhereNginxAcceptsPlayOfAMissingStream) {
  RtmpClientOptions options = nginx_->options("live/missing");
  options.first_media_max = std::chrono::milliseconds(1500);
  std::vector<std::string> phases;
  EXPECT_EQ(verdict_of(options, &phases), "media no_media");
  EXPECT_EQ(std::count(phases.begin(), phases.end(), "started"), 1);
}

TEST_F(RtmpOnNginx, FindsAMissingStreamWhereIdleStreamsAreOff) {
  EXPECT_EQ(verdict_of(nginx_->options("strict/missing")),
            "start not_found NetStream.Play.StreamNotFound");
}

TEST_F(RtmpOnNginx, FindsPlayAndPublishDropped) {
  std::vector<std::string> phases;
  EXPECT_EQ(verdict_of(nginx_->options("noplay/any"), &phases), "media dropped");
  EXPECT_EQ(std::count(phases.begin(), phases.end(), "started"), 1);
  EXPECT_EQ(verdict_of(nginx_->options("nopublish/any", Direction::push)), "media dropped");
}

TEST_F(RtmpOnNginx, FindsTheConnectionClosedForAnUnknownApplication) {
  EXPECT_EQ(verdict_of(nginx_->options("unknown/any")), "connect closed");
}

TEST_F(RtmpOnNginx, FindsABusyNameThoughTheConnectionStaysOpen) {
  RtmpDial first(nginx_->options("live/taken", Direction::push));
  ASSERT_TRUE(run_dials({&first}, std::chrono::seconds(20), [&first] {
    return first.client.is_publishing();
  })) << first.verdict();
  RtmpDial second(nginx_->options("live/taken", Direction::push));
  EXPECT_TRUE(run_dials({&first, &second}, std::chrono::seconds(20),
                        [&second] { return second.client.outcome().has_value(); }));
  EXPECT_EQ(second.verdict(), "start busy NetStream.Publish.BadName");
  EXPECT_FALSE(second.is_closed());
  EXPECT_TRUE(first.client.is_publishing());
}

TEST_F(RtmpOnNginx, ReadsBackWhatItPushed) {
  const std::vector<FileTag>& tags = recorded();
  ASSERT_GT(tags.size(), 100U);
  RtmpDial push(nginx_->options("live/pushed", Direction::push));
  ASSERT_TRUE(run_dials({&push}, std::chrono::seconds(20), [&push] {
    return push.client.is_publishing();
  })) << push.verdict();
  RtmpDial pull(nginx_->options("live/pushed"));
  ASSERT_TRUE(run_dials({&push, &pull}, std::chrono::seconds(20), [&pull] {
    return pull.has_phase("started");
  })) << pull.verdict();
  std::size_t next = 0;
  const auto feed = [&] {
    while (next < tags.size() && push.client.output().size() < 200'000 &&
           push.client.publish_tag(tags[next].header, tags[next].body) == PublishResult::accepted) {
      ++next;
    }
  };
  const auto frames_of = [](prober::TagType type, const auto& all) {
    std::vector<Bytes> bodies;
    for (const auto& tag : all) {
      if (tag.header.type == type) bodies.push_back(tag.body);
    }
    return bodies;
  };
  const auto pushed_video = frames_of(prober::TagType::video, tags);
  const auto pushed_audio = frames_of(prober::TagType::audio, tags);
  EXPECT_TRUE(run_dials(
      {&push, &pull}, std::chrono::seconds(30),
      [&] {
        return count_of(pull.sink, prober::TagType::video) >= pushed_video.size() &&
               count_of(pull.sink, prober::TagType::audio) >= pushed_audio.size();
      },
      feed))
      << push.verdict() << ", " << pull.verdict();
  EXPECT_EQ(frames_of(prober::TagType::video, pull.sink.tags()), pushed_video);
  EXPECT_EQ(frames_of(prober::TagType::audio, pull.sink.tags()), pushed_audio);
  push.client.end(SystemClock().now());
  EXPECT_TRUE(run_dials({&push, &pull}, std::chrono::seconds(20),
                        [&push] { return push.client.output().empty(); }));
  EXPECT_EQ(push.verdict(), "ended");
  // With idle_streams on, nginx says that the publisher is gone, and keeps the player.
  EXPECT_TRUE(run_dials({&pull}, std::chrono::seconds(20), [&pull] {
    return std::any_of(pull.phases.begin(), pull.phases.end(),
                       [](const std::string& p) { return p.starts_with("stream_ended"); });
  }));
}

}  // namespace
}  // namespace linkpilot::rtmp
