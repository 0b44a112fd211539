#include "prober/media/rtmp/chunk_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/prober/media/rtmp/read_chunks.h"

namespace linkpilot::rtmp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(ChunkReader, ReadsAMessageOfSeveralChunks) {
  const Bytes body = filler(300);
  const ChunkReading reading = read_chunks(message({.time = 1234, .type = 9, .stream = 1}, body));
  ASSERT_THAT(reading.messages, SizeIs(1));
  const MessageHeader want{.type = MessageType::video,
                           .octets = 300,
                           .timestamp_ms = 1234,
                           .stream = 1,
                           .chunk_stream = 4};
  EXPECT_EQ(reading.messages[0].header, want);
  EXPECT_EQ(reading.messages[0].body, body);
}

TEST(ChunkReader, PassesPartsOfABodyThroughWithoutGatheringThem) {
  ChunkReader reader;
  const Bytes bytes = message({}, filler(100));
  std::span<const std::uint8_t> in(bytes.data(), 50);
  const auto first = reader.next(in);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->begins);
  EXPECT_FALSE(first->ends);
  EXPECT_EQ(first->body.data(), bytes.data() + 12);
  EXPECT_THAT(first->body, SizeIs(38));
  EXPECT_FALSE(reader.next(in));
  in = std::span(bytes).subspan(50);
  const auto last = reader.next(in);
  ASSERT_TRUE(last);
  EXPECT_FALSE(last->begins);
  EXPECT_TRUE(last->ends);
  EXPECT_THAT(last->body, SizeIs(62));
}

TEST(ChunkReader, ReadsChunkStreamsOfOneTwoAndThreeOctets) {
  Bytes bytes;
  const std::vector<std::uint32_t> ids{2, 3, 63, 64, 65, 319, 320, 321, 1000, 65598, 65599};
  for (const std::uint32_t id : ids) append(bytes, message({.chunk_stream = id}, filler(5)));
  const ChunkReading reading = read_chunks(bytes);
  ASSERT_THAT(reading.messages, SizeIs(ids.size()));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(reading.messages[i].header.chunk_stream, ids[i]);
  }
}

TEST(ChunkReader, TakesTheThirdOctetOfALongChunkStreamAsTheHigherOne) {
  // 64 + 0x01 + 256 * 0x02
  Bytes bytes = chunk(0, {.octets = 1}, filler(1));
  bytes[0] = 0x01;
  bytes.insert(bytes.begin() + 1, {0x01, 0x02});
  const ChunkReading reading = read_chunks(bytes);
  ASSERT_THAT(reading.messages, SizeIs(1));
  EXPECT_EQ(reading.messages[0].header.chunk_stream, 64U + 1U + 512U);
}

TEST(ChunkReader, SeparatesMessagesWhoseChunksInterleave) {
  const Bytes video = filler(300);
  const Bytes audio = filler(200, 9);
  const auto cut = [](const Bytes& body, std::ptrdiff_t from, std::ptrdiff_t to) {
    return Bytes(body.begin() + from, body.begin() + to);
  };
  const ChunkReading reading = read_chunks(
      joined({chunk(0, {.chunk_stream = 6, .octets = 300, .type = 9}, cut(video, 0, 128)),
              chunk(0, {.chunk_stream = 4, .octets = 200, .type = 8}, cut(audio, 0, 128)),
              chunk(3, {.chunk_stream = 6}, cut(video, 128, 256)),
              chunk(3, {.chunk_stream = 4}, cut(audio, 128, 200)),
              chunk(3, {.chunk_stream = 6}, cut(video, 256, 300))}));
  ASSERT_THAT(reading.messages, SizeIs(2));
  EXPECT_EQ(reading.messages[0].body, audio);
  EXPECT_EQ(reading.messages[1].body, video);
}

TEST(ChunkReader, AppliesANewChunkSizeFromTheNextChunkAlsoInTheMiddleOfAMessage) {
  const Bytes body = filler(500);
  const auto cut = [&body](std::ptrdiff_t from, std::ptrdiff_t to) {
    return Bytes(body.begin() + from, body.begin() + to);
  };
  const ChunkReading reading = read_chunks(
      joined({chunk(0, {.octets = 500}, cut(0, 128)), set_chunk_size(60),
              chunk(3, {}, cut(128, 188)), set_chunk_size(4096), chunk(3, {}, cut(188, 500))}));
  ASSERT_THAT(reading.messages, SizeIs(1)) << reading.failure;
  EXPECT_EQ(reading.messages[0].body, body);
}

TEST(ChunkReader, SurvivesAThousandChangesOfTheChunkSizeAndChunksOfOneOctet) {
  Bytes bytes;
  for (std::uint32_t i = 0; i < 1000; ++i) append(bytes, set_chunk_size(4 + i));
  append(bytes, set_chunk_size(1));
  append(bytes, message({}, filler(50), 1));
  const ChunkReading reading = read_chunks(bytes);
  ASSERT_THAT(reading.messages, SizeIs(1));
  EXPECT_EQ(reading.messages[0].body, filler(50));
}

TEST(ChunkReader, ClampsAnEnormousChunkSize) {
  ChunkReader reader;
  const Bytes bytes = set_chunk_size(0x7fffffff);
  std::span<const std::uint8_t> in(bytes);
  EXPECT_FALSE(reader.next(in));
  EXPECT_EQ(reader.failure(), "");
  EXPECT_EQ(reader.chunk_octets(), 0xffffffU);
}

TEST(ChunkReader, RefusesAChunkSizeOfZeroWithTheTopBitOrCutShort) {
  EXPECT_THAT(read_chunks(set_chunk_size(0)).failure, HasSubstr("Set Chunk Size 0x0"));
  EXPECT_THAT(read_chunks(set_chunk_size(0x80000000)).failure,
              HasSubstr("Set Chunk Size 0x80000000"));
  EXPECT_THAT(read_chunks(message({.chunk_stream = 2, .type = 1}, filler(3))).failure,
              HasSubstr("Set Chunk Size of 3 octets"));
  EXPECT_THAT(read_chunks(message({.chunk_stream = 2, .type = 1}, {})).failure,
              HasSubstr("Set Chunk Size of 0 octets"));
}

TEST(ChunkReader, IgnoresOctetsPastTheFourthOfASetChunkSize) {
  Bytes body = big(200, 4);
  append(body, filler(40));
  const ChunkReading reading = read_chunks(
      joined({message({.chunk_stream = 2, .type = 1}, body), message({}, filler(200), 200)}));
  EXPECT_THAT(reading.messages, SizeIs(1));
}

// CVE-2016-10191: the length of a message changed while it was in progress.
TEST(ChunkReader, RefusesANewHeaderBeforeTheMessageIsComplete) {
  for (const int fmt : {0, 1, 2}) {
    const ChunkReading reading = read_chunks(
        joined({chunk(0, {.octets = 300}, filler(128)), chunk(fmt, {.octets = 600}, filler(128))}));
    EXPECT_THAT(reading.failure, HasSubstr("172 of 300 octets"));
    EXPECT_THAT(reading.messages, IsEmpty());
  }
}

TEST(ChunkReader, DropsAnUnfinishedMessageOnAbortAndReadsTheNextOneAfresh) {
  const ChunkReading reading =
      read_chunks(joined({chunk(0, {.octets = 300}, filler(128)), abort_message(4),
                          message({.time = 7}, filler(10))}));
  EXPECT_THAT(reading.aborted, ElementsAre(4));
  ASSERT_THAT(reading.messages, SizeIs(1));
  EXPECT_EQ(reading.messages[0].header.timestamp_ms, 7U);
}

TEST(ChunkReader, IgnoresAnAbortOfWhatIsNotInProgress) {
  const ChunkReading reading = read_chunks(
      joined({abort_message(77), message({}, filler(10)), abort_message(4), abort_message(2),
              message({.chunk_stream = 2, .type = 2}, filler(2)), message({}, filler(11))}));
  EXPECT_THAT(reading.aborted, IsEmpty());
  EXPECT_THAT(reading.messages, SizeIs(2));
  EXPECT_EQ(reading.failure, "");
}

TEST(ChunkReader, RepeatsLengthTypeAndStreamForFmt1To3) {
  const ChunkReading reading =
      read_chunks(joined({chunk(0, {.time = 100, .octets = 4, .type = 8, .stream = 5}, filler(4)),
                          chunk(1, {.time = 20, .octets = 6, .type = 9}, filler(6)),
                          chunk(2, {.time = 30}, filler(6)), chunk(3, {}, filler(6))}));
  ASSERT_THAT(reading.messages, SizeIs(4));
  const std::vector<std::uint32_t> times{100, 120, 150, 180};
  for (std::size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(reading.messages[i].header.timestamp_ms, times[i]);
    EXPECT_EQ(reading.messages[i].header.stream, 5U);
    EXPECT_EQ(reading.messages[i].header.type, i == 0 ? MessageType::audio : MessageType::video);
  }
}

TEST(ChunkReader, AcceptsFmt1AsTheFirstChunkOfAChunkStream) {
  const ChunkReading reading =
      read_chunks(chunk(1, {.chunk_stream = 2, .time = 9, .octets = 6, .type = 4}, filler(6)));
  ASSERT_THAT(reading.messages, SizeIs(1)) << reading.failure;
  EXPECT_EQ(reading.messages[0].header.stream, 0U);
  EXPECT_EQ(reading.messages[0].header.timestamp_ms, 9U);
}

TEST(ChunkReader, RefusesFmt2And3OnAChunkStreamNeverSeen) {
  EXPECT_THAT(read_chunks(chunk(2, {.chunk_stream = 9}, filler(6))).failure,
              HasSubstr("chunk stream 9 begins without a message length"));
  EXPECT_THAT(read_chunks(chunk(3, {.chunk_stream = 9}, filler(6))).failure,
              HasSubstr("chunk stream 9 begins without a message header"));
}

TEST(ChunkReader, ReadsMessagesWithoutABody) {
  const ChunkReading reading =
      read_chunks(joined({message({.type = 8}, {}), chunk(3, {}, {}), message({}, filler(3))}));
  ASSERT_THAT(reading.messages, SizeIs(3));
  EXPECT_THAT(reading.messages[1].body, IsEmpty());
}

TEST(ChunkReader, PassesUnknownMessageTypesOn) {
  const ChunkReading reading = read_chunks(message({.type = 99}, filler(3)));
  ASSERT_THAT(reading.messages, SizeIs(1));
  EXPECT_EQ(reading.messages[0].header.type, static_cast<MessageType>(99));
}

TEST(ChunkReader, HoldsSixtyFourUnfinishedMessagesAndRefusesTheNext) {
  Bytes bytes;
  for (std::uint32_t i = 0; i < 64; ++i) {
    append(bytes, chunk(0, {.chunk_stream = 100 + i, .octets = 0xffffff}, filler(128)));
  }
  EXPECT_EQ(read_chunks(bytes).failure, "");
  append(bytes, chunk(0, {.chunk_stream = 3, .octets = 0xffffff}, filler(128)));
  EXPECT_THAT(read_chunks(bytes).failure, HasSubstr("more than 64 unfinished"));
}

TEST(ChunkReader, ForgetsTheChunkStreamsLongestUnusedWhenEveryOneIsSeen) {
  ChunkReader reader;
  Bytes bytes = chunk(0, {.chunk_stream = 6, .octets = 300}, filler(128));  // stays unfinished
  for (std::uint32_t id = 2; id <= kChunkStreamMax; ++id) {
    if (id != 6) append(bytes, message({.chunk_stream = id}, filler(1)));
  }
  append(bytes, chunk(3, {.chunk_stream = 6}, filler(128)));
  append(bytes, chunk(3, {.chunk_stream = 6}, filler(44)));
  append(bytes, chunk(3, {.chunk_stream = kChunkStreamMax}, filler(1)));
  ChunkReading reading = read_chunks(reader, bytes, bytes.size());
  EXPECT_THAT(reading.messages, SizeIs(kChunkStreamMax));
  EXPECT_EQ(reading.failure, "");
  EXPECT_EQ(reader.unfinished(), 0U);
  const Bytes forgotten = chunk(3, {.chunk_stream = 70}, filler(1));
  EXPECT_THAT(read_chunks(reader, forgotten, 1).failure, HasSubstr("chunk stream 70"));
}

TEST(ChunkReader, ReadsNothingAfterAFailure) {
  ChunkReader reader;
  const Bytes bad = set_chunk_size(0);
  EXPECT_NE(read_chunks(reader, bad, bad.size()).failure, "");
  const Bytes good = message({}, filler(3));
  std::span<const std::uint8_t> in(good);
  EXPECT_FALSE(reader.next(in));
}

RC_GTEST_PROP(ChunkReader, MakesTheSameOfAnyOctetsHoweverTheyAreCut, (const Bytes& bytes)) {
  ChunkReader whole;
  const ChunkReading reading = read_chunks(whole, bytes, std::max<std::size_t>(1, bytes.size()));
  const auto step = *rc::gen::inRange<std::size_t>(1, 40);
  ChunkReader reader;
  const ChunkReading other = read_chunks(reader, bytes, step);
  RC_ASSERT(other.messages == reading.messages);
  RC_ASSERT(other.failure == reading.failure);
}

}  // namespace
}  // namespace linkpilot::rtmp
