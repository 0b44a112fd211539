#include "prober/media/flv/flv_demuxer.h"

#include <gtest/gtest.h>

#include "prober/media/flv/flv_muxer.h"
#include "tests/unit/prober/hex.h"
#include "tests/unit/prober/media/tag_log.h"

namespace linkpilot::prober {
namespace {

std::vector<std::uint8_t> small_file() {
  std::vector<std::uint8_t> file;
  append_flv_header({.audio = true, .video = true}, file);
  append_flv_tag({.type = TagType::script, .timestamp_ms = 0, .body = {1, 2, 3}}, file);
  append_flv_tag({.type = TagType::video, .timestamp_ms = 0xfffffffe, .body = {4}}, file);
  append_flv_tag({.type = TagType::audio, .timestamp_ms = 0x01234567, .body = {}}, file);
  append_flv_tag(
      {.type = TagType::video, .timestamp_ms = 40, .body = std::vector<std::uint8_t>(70'000, 9)},
      file);
  return file;
}

struct Demuxed {
  TagLog log;
  FlvCounters counters;
  Status status;
};

Demuxed demux(std::span<const std::uint8_t> bytes, std::size_t part = 1 << 20) {
  Demuxed result;
  FlvDemuxer demuxer(result.log);
  while (!bytes.empty() && result.status) {
    const auto now = bytes.first(std::min(part, bytes.size()));
    result.status = demuxer.consume(now, {});
    bytes = bytes.subspan(now.size());
  }
  result.counters = demuxer.counters();
  return result;
}

TEST(FlvDemuxer, GivesBackEachTagInPartsOfAnySize) {
  for (const std::size_t part : {std::size_t{1}, std::size_t{3}, std::size_t{4096}, 1UL << 20}) {
    const Demuxed got = demux(small_file(), part);
    ASSERT_TRUE(got.status);
    ASSERT_EQ(got.log.tags.size(), 4U);
    EXPECT_EQ(got.log.tags[0].type, TagType::script);
    EXPECT_EQ(got.log.tags[0].body, (std::vector<std::uint8_t>{1, 2, 3}));
    EXPECT_EQ(got.log.tags[1].timestamp_ms, 0xfffffffeU);
    EXPECT_EQ(got.log.tags[2].timestamp_ms, 0x01234567U);
    EXPECT_TRUE(got.log.tags[2].body.empty());
    EXPECT_EQ(got.log.tags[3].body.size(), 70'000U);
    EXPECT_EQ(got.counters.wrong_previous_size, 0U);
    EXPECT_EQ(got.counters.empty_tags, 1U);
    EXPECT_TRUE(got.log.well_formed);
  }
}

TEST(FlvDemuxer, NeverEndsATagThatIsCutOff) {
  const auto file = small_file();
  const Demuxed got = demux(std::span(file).first(file.size() - 100));
  EXPECT_TRUE(got.status);
  EXPECT_EQ(got.log.tags.size(), 3U);
  EXPECT_TRUE(got.log.open);
}

TEST(FlvDemuxer, SkipsTheGapThatDataOffsetLeaves) {
  auto file = small_file();
  file[8] = 21;
  file.insert(file.begin() + 9, 12, 0xee);
  EXPECT_EQ(demux(file, 5).log.tags.size(), 4U);
}

TEST(FlvDemuxer, CountsWrongPreviousTagSizesAndReadsOn) {
  auto file = small_file();
  file[12] = 7;                      // PreviousTagSize0
  file[9 + 4 + 11 + 3 + 3] ^= 0xff;  // behind the first tag
  const Demuxed got = demux(file);
  EXPECT_EQ(got.log.tags.size(), 4U);
  EXPECT_EQ(got.counters.wrong_previous_size, 2U);
}

TEST(FlvDemuxer, SkipsEncryptedAndUnknownTagsAndCountsThem) {
  std::vector<std::uint8_t> file;
  append_flv_header({}, file);
  for (const unsigned type : {0U, 31U, 9U | 0x20U, 9U}) {
    append_flv_tag({.type = static_cast<TagType>(type), .timestamp_ms = 1, .body = {1, 2}}, file);
  }
  const Demuxed got = demux(file);
  EXPECT_EQ(got.log.tags.size(), 1U);
  EXPECT_EQ(got.counters.unknown_tags, 2U);
  EXPECT_EQ(got.counters.encrypted_tags, 1U);
}

TEST(FlvDemuxer, RefusesWhatIsNoFlvAtItsFirstOctets) {
  TagLog log;
  FlvDemuxer demuxer(log);
  const std::vector<std::uint8_t> html{'<', 'h', 't', 'm', 'l', '>'};
  const Status status = demuxer.consume(html, {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::corrupt);
  EXPECT_NE(status.error().message.find("<htm"), std::string::npos);
  EXPECT_FALSE(demuxer.consume(small_file(), {})) << "an error is for good";
  EXPECT_TRUE(log.tags.empty());
}

TEST(FlvDemuxer, RefusesImpossibleHeaders) {
  for (const auto& [at, value] : std::vector<std::pair<std::size_t, std::uint8_t>>{
           {0, 'f'}, {3, 2}, {3, 0}, {8, 8}, {8, 0}, {5, 0x80}, {6, 0x11}}) {
    auto file = small_file();
    file[at] = value;
    EXPECT_FALSE(demux(file).status) << at;
  }
}

TEST(FlvDemuxer, SaysSoWhenTheFramingIsLost) {
  std::vector<std::uint8_t> file;
  append_flv_header({}, file);
  for (int i = 0; i < 40; ++i) {
    append_flv_tag({.type = static_cast<TagType>(3), .timestamp_ms = 0, .body = {1, 2}}, file);
    file.back() = 99;
  }
  const Demuxed got = demux(file);
  ASSERT_FALSE(got.status);
  EXPECT_NE(got.status.error().message.find("framing"), std::string::npos);
}

TEST(FlvDemuxer, KnowsItsFlagsButNeedsNone) {
  TagLog log;
  FlvDemuxer demuxer(log);
  EXPECT_FALSE(demuxer.has_header());
  EXPECT_TRUE(demuxer.consume(small_file(), {}));
  EXPECT_TRUE(demuxer.has_header());
  EXPECT_TRUE(demuxer.flags().audio && demuxer.flags().video);
  EXPECT_TRUE(demuxer.at_boundary());
  EXPECT_EQ(log.tags.size(), 4U);
}

TEST(FlvMuxer, WritesTheHeaderServersWrite) {
  std::vector<std::uint8_t> out;
  append_flv_header({.audio = true, .video = true}, out);
  EXPECT_EQ(out, from_hex("464c5601 05 00000009 00000000"));  // as SRS and node-media-server send
  out.clear();
  append_flv_tag({.type = TagType::audio, .timestamp_ms = 0x12345678, .body = {0xaf, 0}}, out);
  EXPECT_EQ(out, from_hex("08 000002 345678 12 000000 af00 0000000d"));
}

}  // namespace
}  // namespace linkpilot::prober
