#include "prober/media/dial/push_feeder.h"

#include <gtest/gtest.h>

#include "prober/media/flv/flv_muxer.h"

namespace linkpilot::prober {
namespace {

OwnedTag video_at(std::uint32_t ms) { return {TagType::video, ms, {0x17, 1, 0, 0, 0}}; }

PushOptions with_file(std::vector<OwnedTag> tags) {
  PushOptions options;
  options.file = std::make_shared<const std::vector<OwnedTag>>(std::move(tags));
  return options;
}

TEST(PushFeeder, SendsConfigurationsFirstAndThenEachTagAtItsTime) {
  PushFeeder feeder = PushFeeder::create({}).value();
  int at_zero = 0;
  Duration last{};
  for (int i = 0; i < 200; ++i) {
    const Duration due = feeder.due();
    EXPECT_GE(due, last);
    EXPECT_LE(due - last, std::chrono::milliseconds(40)) << "no burst can make up for a gap";
    last = due;
    const OwnedTag tag = feeder.next({});
    if (due == Duration(0)) ++at_zero;
  }
  EXPECT_LE(at_zero, 5) << "metadata, two configurations, the first frame of each track";
  EXPECT_GT(last, std::chrono::seconds(2));
}

TEST(PushFeeder, LoopsAFileWithoutTimeGoingBack) {
  PushFeeder feeder =
      PushFeeder::create(with_file({video_at(40'000), video_at(40'040), video_at(40'080)})).value();
  std::vector<std::uint32_t> times;
  for (int i = 0; i < 7; ++i) {
    const Duration due = feeder.due();
    times.push_back(feeder.next({}).timestamp_ms);
    EXPECT_EQ(due, std::chrono::milliseconds(times.back()));
  }
  EXPECT_EQ(times, (std::vector<std::uint32_t>{0, 40, 80, 120, 160, 200, 240}));
}

OwnedTag video_config_at(std::uint32_t ms) { return {TagType::video, ms, {0x17, 0, 0, 0, 0}}; }
OwnedTag audio_config_at(std::uint32_t ms) { return {TagType::audio, ms, {0xaf, 0, 0x12, 0x10}}; }

std::vector<std::uint32_t> times_of(PushFeeder& feeder, int tags) {
  std::vector<std::uint32_t> times;
  for (int i = 0; i < tags; ++i) {
    const Duration due = feeder.due();
    times.push_back(feeder.next({}).timestamp_ms);
    EXPECT_EQ(due, std::chrono::milliseconds(times.back()));
  }
  return times;
}

// As servers write them: headers at 0, media that began an hour before, once a leap.
TEST(PushFeeder, WaitsNeitherForHeadersAtTimeZeroNorForLeaps) {
  PushFeeder feeder = PushFeeder::create(with_file({{TagType::script, 0, {2}},
                                                    video_config_at(0),
                                                    audio_config_at(0),
                                                    video_at(3'600'000),
                                                    video_at(3'600'040),
                                                    video_config_at(0),
                                                    video_at(9'000'000),
                                                    video_at(9'000'040)}))
                          .value();
  EXPECT_EQ(times_of(feeder, 10),
            (std::vector<std::uint32_t>{0, 0, 0, 0, 40, 40, 80, 120, 160, 160}));
}

TEST(PushFeeder, BeginsAnewForAServerThatHasSeenNothing) {
  PushFeeder file =
      PushFeeder::create(with_file({video_config_at(0), video_at(0), video_at(40)})).value();
  (void)times_of(file, 2);
  file.begin_anew();
  EXPECT_EQ(times_of(file, 4), (std::vector<std::uint32_t>{40, 40, 80, 120}));
  PushFeeder synthetic = PushFeeder::create({}).value();
  for (int i = 0; i < 100; ++i) (void)synthetic.next({});
  const Duration before = synthetic.due();
  synthetic.begin_anew();
  EXPECT_EQ(synthetic.due(), before);
  const OwnedTag metadata = synthetic.next({});
  EXPECT_EQ(metadata.type, TagType::script);
  EXPECT_EQ(metadata.timestamp_ms, before / std::chrono::milliseconds(1));
}

TEST(PushFeeder, RefusesFilesThatCannotBeLooped) {
  EXPECT_FALSE(PushFeeder::create(with_file({})));
  EXPECT_FALSE(PushFeeder::create(with_file({video_at(5)})));
  EXPECT_FALSE(PushFeeder::create(with_file({video_at(0), video_at(0)})));
  EXPECT_FALSE(PushFeeder::create(with_file({video_config_at(0), audio_config_at(90)})));
  EXPECT_FALSE(
      PushFeeder::create(with_file({{TagType::script, 0, {2}}, {TagType::script, 9, {2}}})));
  EXPECT_FALSE(PushFeeder::create(with_file([] {
    std::vector<OwnedTag> day;
    for (std::uint32_t at = 0; at <= 90'000'000; at += 9'000) day.push_back(video_at(at));
    return day;
  }())));
}

TEST(PushFeeder, ReadsTheWholeTagsOfAFileAndNoMore) {
  std::vector<std::uint8_t> file;
  append_flv_header({.audio = false, .video = true}, file);
  append_flv_tag(video_at(0), file);
  append_flv_tag(video_at(40), file);
  const auto whole = read_flv_tags(file, 1000);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->size(), 2U);
  file.resize(file.size() - 6);
  EXPECT_EQ(read_flv_tags(file, 1000).value().size(), 1U);
  EXPECT_FALSE(read_flv_tags(file, 4));
  const std::vector<std::uint8_t> other(100, 'x');
  EXPECT_FALSE(read_flv_tags(other, 1000));
}

}  // namespace
}  // namespace linkpilot::prober
