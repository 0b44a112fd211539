#include "prober/media/flv/synthetic_stream.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "prober/media/codec/audio_config.h"
#include "prober/media/codec/avc_config.h"
#include "prober/media/flv/media_tag.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(SyntheticStream, AnnouncesConfigurationsOurReadersUnderstand) {
  for (const auto& [width, height] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {640, 360}, {16, 16}, {1920, 1080}, {4096, 4096}, {322, 182}}) {
    const SyntheticAvc avc({.width = width, .height = height});
    const auto config = parse_avc_config(avc.config());
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->width, width);
    EXPECT_EQ(config->height, height);
  }
  const auto audio = parse_aac_config(SilentAac{.sample_rate = 48'000, .channels = 1}.config());
  ASSERT_TRUE(audio);
  EXPECT_EQ(audio->sample_rate, 48'000U);
  EXPECT_EQ(audio->channels, 1);
}

TEST(SyntheticStream, GivesTagsInTheOrderOfTimeWithKeyFramesWhereTheGopBegins) {
  auto stream = SyntheticStream::create({.gop_frames = 10});
  ASSERT_TRUE(stream);
  std::uint32_t last = 0;
  std::uint32_t frame = 0;
  while (stream->due() < seconds(4)) {
    const Duration due = stream->due();
    const OwnedTag tag = stream->next({});
    EXPECT_EQ(tag.timestamp_ms, due / milliseconds(1));
    EXPECT_GE(tag.timestamp_ms, last);
    last = tag.timestamp_ms;
    if (tag.type != TagType::video) continue;
    const TagParse parse = parse_video_tag(tag.body, static_cast<std::uint32_t>(tag.body.size()));
    ASSERT_EQ(parse.state, TagParseState::complete);
    EXPECT_EQ(parse.tag.key_flag, frame % 10 == 0);
    ++frame;
  }
  EXPECT_EQ(frame, 100U);
}

TEST(SyntheticStream, SpreadsItsRateEvenlyOverTheFrames) {
  auto stream = SyntheticStream::create({.with_audio = false});
  ASSERT_TRUE(stream);
  std::size_t least = SIZE_MAX;
  std::size_t most = 0;
  for (int i = 0; i < 500; ++i) {
    const std::size_t octets = stream->next({1}).body.size();
    least = std::min(least, octets);
    most = std::max(most, octets);
  }
  EXPECT_GE(least, 2990U);  // 600 kbit/s at 25 frames a second: 3000 octets each
  EXPECT_LE(most, 3020U);
}

TEST(SyntheticStream, RefusesWhatIsOutOfBounds) {
  const std::vector<SyntheticOptions> bad{
      {.picture = {.width = 641}},
      {.picture = {.height = 8}},
      {.picture = {.width = 8192}},
      {.picture = {.rate = {25, 0}}},
      {.picture = {.rate = {121, 1}}},
      {.picture = {.rate = {1, 2}}},
      {.gop_frames = 0},
      {.gop_frames = 6001},
      {.video_rate = {100'000'001}},
      {.audio = {.sample_rate = 44'000}},
      {.audio = {.channels = 3}},
      {.audio_rate = {300'000}},
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    const auto stream = SyntheticStream::create(bad[i]);
    ASSERT_FALSE(stream) << i;
    EXPECT_EQ(stream.error().code, ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace linkpilot::prober
