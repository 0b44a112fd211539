#include "prober/media/dial/media_watch.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

constexpr Now at(Duration since) {
  return {.mono = MonoTime{1'000'000'000} + since, .wall = UnixNanos{0} + since};
}

DialRequest request_of(BitsPerSecond rate, Bytes octets) {
  DialRequest request;
  request.length = std::chrono::seconds(10);
  request.policy.ceilings = {.rate = rate, .octets = octets};
  return request;
}

TEST(MediaWatch, CountsTheLengthFromTheFirstAudioOrVideo) {
  MediaWatch watch(at({}), request_of({1'000'000}, {1'000'000}));
  const auto tag = [&watch](TagType type, Duration when) {
    watch.on_tag_begin({.type = type, .octets = 0, .timestamp_ms = 0}, at(when));
    watch.on_tag_end(at(when));
  };
  tag(TagType::script, std::chrono::seconds(1));
  EXPECT_FALSE(watch.ends_at());
  tag(TagType::audio, std::chrono::seconds(3));
  tag(TagType::video, std::chrono::seconds(4));
  EXPECT_EQ(watch.ends_at(), at(std::chrono::seconds(13)).mono);
  EXPECT_FALSE(watch.seen_enough(at(std::chrono::milliseconds(12'999)).mono));
  EXPECT_TRUE(watch.seen_enough(at(std::chrono::seconds(13)).mono));
}

TEST(MediaWatch, LetsABurstPassAndStopsARateThatLasts) {
  MediaWatch watch(at({}), request_of({1'000'000}, {1'000'000'000}));
  watch.on_octets(50'000'000, at(std::chrono::milliseconds(100)).mono);
  watch.on_octets(1, at(std::chrono::milliseconds(5'100)).mono);
  EXPECT_FALSE(watch.breach()) << "a server's burst at the start";
  for (int ms = 5'200; ms <= 10'200 && !watch.breach(); ms += 100) {
    watch.on_octets(25'000, at(std::chrono::milliseconds(ms)).mono);  // 2 Mbit/s
  }
  ASSERT_TRUE(watch.breach());
  EXPECT_EQ(watch.breach()->kind, DialFault::limit);
}

TEST(MediaWatch, StopsAtTheCeilingOfOctets) {
  MediaWatch watch(at({}), request_of({1'000'000'000}, {1000}));
  watch.on_octets(1000, at({}).mono);
  EXPECT_FALSE(watch.breach());
  watch.on_octets(1, at({}).mono);
  EXPECT_TRUE(watch.breach());
}

}  // namespace
}  // namespace linkpilot::prober
