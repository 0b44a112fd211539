#include "prober/media/rtmp/chunk_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/prober/media/rtmp/read_chunks.h"

namespace linkpilot::rtmp {
namespace {

using testing::SizeIs;

constexpr MessageHeader kVideo{.type = MessageType::video, .stream = 1, .chunk_stream = 6};

MessageHeader video_at(std::uint32_t time) {
  MessageHeader header = kVideo;
  header.timestamp_ms = time;
  return header;
}

TEST(ChunkWriter, WritesADeltaForMediaAndAWholeHeaderForCommands) {
  ChunkWriter writer;
  Bytes out;
  writer.write(video_at(100), filler(3), out);
  EXPECT_THAT(out, SizeIs(12 + 3));
  out.clear();
  writer.write(video_at(140), filler(3), out);
  EXPECT_EQ(out, joined({chunk(1, {.chunk_stream = 6, .time = 40, .octets = 3}, filler(3))}));
  for (int i = 0; i < 2; ++i) {
    out.clear();
    writer.write({.type = MessageType::command_amf0, .chunk_stream = 3}, filler(3), out);
    EXPECT_THAT(out, SizeIs(12 + 3));
  }
}

TEST(ChunkWriter, GoesBackInTimeWithAWholeHeader) {
  ChunkWriter writer;
  Bytes out;
  writer.write(video_at(100), filler(3), out);
  out.clear();
  writer.write(video_at(90), filler(3), out);
  EXPECT_EQ(out, chunk(0, {.chunk_stream = 6, .time = 90, .octets = 3}, filler(3)));
}

TEST(ChunkWriter, RepeatsAnExtendedTimestampInEachChunk) {
  ChunkWriter writer;
  Bytes out;
  writer.write(video_at(0x1000000), filler(300), out);
  EXPECT_EQ(out, message({.chunk_stream = 6, .time = 0x1000000}, filler(300)));
}

TEST(ChunkWriter, NeedsNoExtendedTimestampOnALongPush) {
  ChunkWriter writer;
  Bytes out;
  writer.write(video_at(0xfffff0), filler(3), out);
  out.clear();
  writer.write(video_at(0x1000010), filler(3), out);
  EXPECT_EQ(out, chunk(1, {.chunk_stream = 6, .time = 32, .octets = 3}, filler(3)));
}

RC_GTEST_PROP(ChunkWriter, WritesWhatTheReaderReads, ()) {
  ChunkWriter writer;
  Bytes out;
  std::vector<ReadMessage> want;
  const auto chunk_octets = *rc::gen::inRange<std::uint32_t>(1, 300);
  out = set_chunk_size(chunk_octets);
  writer.set_chunk_octets(chunk_octets);
  const auto count = *rc::gen::inRange(1, 12);
  for (int i = 0; i < count; ++i) {
    ReadMessage message;
    message.header.type = *rc::gen::element(MessageType::audio, MessageType::video,
                                            MessageType::command_amf0, MessageType::data_amf0);
    message.header.chunk_stream = *rc::gen::inRange<std::uint32_t>(2, 8);
    message.header.stream = *rc::gen::inRange<std::uint32_t>(0, 2);
    message.header.timestamp_ms =
        *rc::gen::oneOf(rc::gen::arbitrary<std::uint32_t>(), rc::gen::inRange(0U, 2000U));
    message.body = *rc::gen::arbitrary<Bytes>();
    message.header.octets = static_cast<std::uint32_t>(message.body.size());
    writer.write(message.header, message.body, out);
    want.push_back(std::move(message));
  }
  ChunkReader reader;
  const ChunkReading reading = read_chunks(reader, out, *rc::gen::inRange<std::size_t>(1, 500));
  RC_ASSERT(reading.failure == "");
  RC_ASSERT(reading.messages == want);
}

}  // namespace
}  // namespace linkpilot::rtmp
