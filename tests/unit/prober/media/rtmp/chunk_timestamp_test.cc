// Timestamps of chunks: deltas, the extended field in each of its forms, and both wraps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "prober/media/rtmp/chunk_reader.h"
#include "tests/unit/prober/media/rtmp/read_chunks.h"

namespace linkpilot::rtmp {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

std::vector<std::uint32_t> times_of(const Bytes& bytes) {
  const ChunkReading reading = read_chunks(bytes);
  EXPECT_EQ(reading.failure, "");
  std::vector<std::uint32_t> times;
  for (const ReadMessage& message : reading.messages) {
    times.push_back(message.header.timestamp_ms);
  }
  return times;
}

// RTMP 5.3.2.1, example 1: audio every 20 ms, the last two messages in fmt 3.
TEST(ChunkTimestamp, AddsThePreviousDeltaWhenFmt3BeginsAMessage) {
  EXPECT_THAT(times_of(joined({chunk(0, {.time = 1000, .octets = 32, .type = 8}, filler(32)),
                               chunk(2, {.time = 20}, filler(32)), chunk(3, {}, filler(32)),
                               chunk(3, {}, filler(32))})),
              ElementsAre(1000, 1020, 1040, 1060));
}

// RTMP 5.3.1.2.4.
TEST(ChunkTimestamp, TakesTheTimestampOfFmt0AsTheDeltaOfAFmt3MessageAfterIt) {
  EXPECT_THAT(times_of(joined({chunk(0, {.time = 23, .octets = 5, .type = 8}, filler(5)),
                               chunk(3, {}, filler(5)), chunk(3, {}, filler(5))})),
              ElementsAre(23, 46, 69));
}

TEST(ChunkTimestamp, DoesNotAddADeltaInTheMiddleOfAMessage) {
  EXPECT_THAT(times_of(joined({message({.time = 1000}, filler(300)),
                               chunk(1, {.time = 40, .octets = 300, .type = 9}, filler(128)),
                               chunk(3, {}, filler(128)), chunk(3, {}, filler(44))})),
              ElementsAre(1000, 1040));
}

TEST(ChunkTimestamp, ReadsAnExtendedTimestampThatIsRepeatedInEachChunk) {
  const Bytes body = filler(300, 0x55);
  for (const std::uint32_t time : {0xffffffU, 0x1000000U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    const ChunkReading reading = read_chunks(message({.time = time}, body));
    ASSERT_THAT(reading.messages, SizeIs(1)) << reading.failure;
    EXPECT_EQ(reading.messages[0].header.timestamp_ms, time);
    EXPECT_EQ(reading.messages[0].body, body);
  }
}

TEST(ChunkTimestamp, ReadsAnExtendedTimestampThatOldSendersDoNotRepeat) {
  const Bytes body = filler(300, 0x55);
  const auto cut = [&body](std::ptrdiff_t from, std::ptrdiff_t to) {
    return Bytes(body.begin() + from, body.begin() + to);
  };
  const ChunkReading reading = read_chunks(joined(
      {chunk(0, {.time = 0x1000000, .octets = 300}, cut(0, 128)), chunk(3, {}, cut(128, 256)),
       chunk(3, {}, cut(256, 300)), message({.time = 20}, filler(5))}));
  ASSERT_THAT(reading.messages, SizeIs(2)) << reading.failure;
  EXPECT_EQ(reading.messages[0].body, body);
}

TEST(ChunkTimestamp, DoesNotHoldUpAShortLastChunkThatHasNoExtendedTimestamp) {
  ChunkReader reader;
  const Bytes bytes = joined(
      {chunk(0, {.time = 0x1000000, .octets = 130}, filler(128)), chunk(3, {}, {0x77, 0x78})});
  EXPECT_THAT(read_chunks(reader, bytes, bytes.size()).messages, SizeIs(1));
}

// The octets peeked at look like the field and then do not; they end in another chunk's header.
TEST(ChunkTimestamp, GivesBackPeekedOctetsAcrossTheEndOfAMessage) {
  const ChunkReading reading = read_chunks(
      joined({chunk(0, {.time = 0x01000000, .octets = 129}, filler(128)), chunk(3, {}, {0x01}),
              chunk(0, {.chunk_stream = 5, .octets = 2, .type = 8}, {0x0a, 0x0b})}));
  ASSERT_THAT(reading.messages, SizeIs(2)) << reading.failure;
  EXPECT_EQ(reading.messages[0].body.back(), 0x01);
  EXPECT_THAT(reading.messages[1].body, ElementsAre(0x0a, 0x0b));
}

TEST(ChunkTimestamp, RemembersThatASenderRepeatsTheFieldEvenIfItRepeatsItWrongly) {
  const ChunkReading reading =
      read_chunks(joined({message({.time = 0x1000000}, filler(200)),
                          chunk(1, {.time = 0x1000001, .octets = 200, .type = 9}, filler(128)),
                          repeated(4, 0x2000001, filler(72))}));
  ASSERT_THAT(reading.messages, SizeIs(2)) << reading.failure;
  EXPECT_EQ(reading.messages[1].body.size(), 200U);
  EXPECT_EQ(reading.messages[1].header.timestamp_ms, 0x2000001U);
}

TEST(ChunkTimestamp, AcceptsAnExtendedFieldThatWouldHaveFittedTheShortOne) {
  Bytes bytes = chunk(0, {.time = 0xffffff, .octets = 3}, {});
  bytes[bytes.size() - 4] = 0;
  bytes[bytes.size() - 3] = 0;
  bytes[bytes.size() - 2] = 1;
  bytes[bytes.size() - 1] = 2;
  append(bytes, filler(3));
  EXPECT_THAT(times_of(bytes), ElementsAre(0x102));
}

TEST(ChunkTimestamp, TakesTheExtendedFieldOfFmt1And2AsADelta) {
  EXPECT_THAT(
      times_of(joined({chunk(0, {.time = 500, .octets = 3}, filler(3)),
                       chunk(1, {.time = 0x1000000, .octets = 3}, filler(3)),
                       chunk(2, {.time = 0xffffff}, filler(3)), repeated(4, 0xffffff, filler(3))})),
      ElementsAre(500, 500 + 0x1000000, 500 + 0x1ffffff, 500 + 0x2fffffe));
}

TEST(ChunkTimestamp, StopsExpectingTheExtendedFieldAfterAShortTimestamp) {
  EXPECT_THAT(times_of(joined({message({.time = 0x1000000}, filler(300)),
                               chunk(1, {.time = 40, .octets = 300}, filler(128)),
                               chunk(3, {}, filler(128)), chunk(3, {}, filler(44))})),
              ElementsAre(0x1000000, 0x1000028));
}

TEST(ChunkTimestamp, CountsPast2To31AndWrapsAt2To32) {
  EXPECT_THAT(times_of(joined({chunk(0, {.time = 0x7ffffff0, .octets = 1}, filler(1)),
                               chunk(1, {.time = 0x20, .octets = 1}, filler(1))})),
              ElementsAre(0x7ffffff0U, 0x80000010U));
  EXPECT_THAT(
      times_of(joined({chunk(0, {.time = 0xfffffff0, .octets = 1}, filler(1)),
                       chunk(1, {.time = 0x20, .octets = 1}, filler(1)), chunk(3, {}, filler(1))})),
      ElementsAre(0xfffffff0U, 0x10U, 0x30U));
}

}  // namespace
}  // namespace linkpilot::rtmp
