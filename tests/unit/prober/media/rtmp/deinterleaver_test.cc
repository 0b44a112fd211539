#include "prober/media/rtmp/deinterleaver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/rtmp_wire.h"

namespace linkpilot::rtmp {
namespace {

using testing::SizeIs;

Now at(std::int64_t ns) { return {.mono = {ns}, .wall = {}}; }

prober::TagHeader tag_of(prober::TagType type, std::uint32_t octets) {
  return {.type = type, .octets = octets, .timestamp_ms = 5};
}

TEST(Deinterleaver, HoldsATagThatComesBetweenThePartsOfAnotherAndKeepsItsTimes) {
  RecordingSink sink;
  Deinterleaver lanes(sink);
  EXPECT_TRUE(lanes.begin(0, tag_of(prober::TagType::video, 20), at(1)));
  EXPECT_TRUE(lanes.body(0, filler(10)));
  EXPECT_TRUE(lanes.begin(1, tag_of(prober::TagType::audio, 4), at(2)));
  EXPECT_TRUE(lanes.body(1, filler(4, 50)));
  lanes.end(1, at(3));
  EXPECT_THAT(sink.tags(), SizeIs(1));
  EXPECT_EQ(sink.tags()[0].body, filler(10));
  EXPECT_TRUE(lanes.body(0, filler(10)));
  lanes.end(0, at(4));
  ASSERT_THAT(sink.tags(), SizeIs(2));
  EXPECT_EQ(sink.tags()[1].body, filler(4, 50));
  EXPECT_EQ(sink.tags()[1].begun.mono.ns, 2);
  EXPECT_EQ(sink.tags()[1].ended.mono.ns, 3);
  EXPECT_EQ(lanes.held_octets(), 0U);
}

TEST(Deinterleaver, LetsTheNextUnfinishedTagThroughAfterTheCompleteOnes) {
  RecordingSink sink;
  Deinterleaver lanes(sink);
  EXPECT_TRUE(lanes.begin(0, tag_of(prober::TagType::audio, 1), at(1)));
  EXPECT_TRUE(lanes.begin(1, tag_of(prober::TagType::video, 8), at(2)));
  EXPECT_TRUE(lanes.body(1, filler(3)));
  EXPECT_TRUE(lanes.begin(2, tag_of(prober::TagType::script, 2), at(3)));
  EXPECT_TRUE(lanes.body(2, filler(2)));
  lanes.end(2, at(3));
  EXPECT_TRUE(lanes.body(0, filler(1)));
  lanes.end(0, at(4));
  ASSERT_THAT(sink.tags(), SizeIs(3));
  EXPECT_EQ(sink.tags()[1].header.type, prober::TagType::script);
  EXPECT_EQ(sink.tags()[2].header.type, prober::TagType::video);
  EXPECT_EQ(sink.tags()[2].body, filler(3));
  EXPECT_TRUE(lanes.body(1, filler(5)));
  EXPECT_THAT(sink.tags()[2].body, SizeIs(8));
  lanes.end(1, at(6));
  EXPECT_TRUE(sink.tags()[2].complete);
}

TEST(Deinterleaver, GivesUpAnAbortedTagAndLetsTheNextOneThrough) {
  RecordingSink sink;
  sink.allow_lost_ends();
  Deinterleaver lanes(sink);
  EXPECT_TRUE(lanes.begin(0, tag_of(prober::TagType::video, 20), at(1)));
  EXPECT_TRUE(lanes.begin(1, tag_of(prober::TagType::audio, 2), at(2)));
  EXPECT_TRUE(lanes.begin(2, tag_of(prober::TagType::audio, 2), at(2)));
  EXPECT_TRUE(lanes.body(2, filler(1)));
  lanes.abort(2);
  EXPECT_EQ(lanes.held_octets(), 0U);
  lanes.abort(0);
  EXPECT_TRUE(lanes.body(1, filler(2)));
  lanes.end(1, at(3));
  ASSERT_THAT(sink.tags(), SizeIs(2));
  EXPECT_FALSE(sink.tags()[0].complete);
  EXPECT_TRUE(sink.tags()[1].complete);
  lanes.abort(1);
  EXPECT_THAT(sink.tags(), SizeIs(2));
}

TEST(Deinterleaver, HoldsNoMoreThanItsBound) {
  RecordingSink sink;
  Deinterleaver lanes(sink);
  EXPECT_TRUE(lanes.begin(0, tag_of(prober::TagType::video, 20), at(1)));
  EXPECT_TRUE(lanes.begin(1, tag_of(prober::TagType::video, kMessageOctetsMax), at(1)));
  const Bytes half = filler(kHeldOctetsMax / 2);
  EXPECT_TRUE(lanes.body(1, half));
  EXPECT_TRUE(lanes.body(1, half));
  EXPECT_FALSE(lanes.body(1, filler(1)));
  for (std::size_t i = 1; i < kHeldTagsMax; ++i) {
    EXPECT_TRUE(lanes.begin(2, tag_of(prober::TagType::audio, 0), at(1)));
    lanes.end(2, at(1));
  }
  EXPECT_FALSE(lanes.begin(2, tag_of(prober::TagType::audio, 0), at(1)));
}

}  // namespace
}  // namespace linkpilot::rtmp
