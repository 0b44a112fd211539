#include "prober/media/playback/tag_reader.h"

#include <gtest/gtest.h>

#include "prober/media/codec/sei.h"
#include "tests/unit/prober/media/playback/stream_feed.h"

namespace linkpilot::prober {
namespace {

MediaUnit read(TagReader& reader, TagType type, std::span<const std::uint8_t> body,
               std::size_t part = 1 << 20) {
  reader.begin(
      {.type = type, .octets = static_cast<std::uint32_t>(body.size()), .timestamp_ms = 7});
  while (!body.empty()) {
    const auto now = body.first(std::min(part, body.size()));
    reader.body(now);
    body = body.subspan(now.size());
  }
  return reader.end();
}
MediaUnit video(TagReader& reader, std::span<const std::uint8_t> body, std::size_t part = 1 << 20) {
  return read(reader, TagType::video, body, part);
}
std::vector<std::uint8_t> config_body() {
  return legacy_video_body({.packet = BodyPacket::sequence_start}, avc_record());
}
std::vector<std::uint8_t> frame_body(SliceKind kind, bool key_flag) {
  return legacy_video_body({.key = key_flag}, avc_frame(kind, 500));
}

TEST(TagReader, BeginsDecodingAtAnIdrWhoseConfigurationHasCome) {
  for (const std::size_t part : {std::size_t{1}, std::size_t{128}, std::size_t{1} << 20}) {
    TagReader reader;
    EXPECT_FALSE(video(reader, frame_body(SliceKind::idr, true), part).begins_decoding);
    const MediaUnit config = video(reader, config_body(), part);
    EXPECT_EQ(config.kind, UnitKind::video_config);
    EXPECT_FALSE(config.broken);
    ASSERT_TRUE(reader.video());
    EXPECT_EQ(reader.video()->height, 360U);
    EXPECT_FALSE(video(reader, frame_body(SliceKind::predicted, false), part).begins_decoding);
    const MediaUnit key = video(reader, frame_body(SliceKind::idr, true), part);
    EXPECT_TRUE(key.begins_decoding);
    EXPECT_EQ(key.timestamp_ms, 7U);
  }
}

TEST(TagReader, DoesNotBelieveAKeyFlagOnAPredictedPicture) {
  TagReader reader;
  (void)video(reader, config_body());
  EXPECT_FALSE(video(reader, frame_body(SliceKind::predicted, true)).begins_decoding);
  EXPECT_EQ(reader.counters().key_flag_not_idr, 1U);
  EXPECT_TRUE(video(reader, frame_body(SliceKind::intra, true)).begins_decoding)
      << "an open GOP: intra and flagged";
  EXPECT_FALSE(video(reader, frame_body(SliceKind::intra, false)).begins_decoding);
  EXPECT_EQ(reader.counters().key_flag_not_idr, 2U);
  EXPECT_TRUE(video(reader, frame_body(SliceKind::idr, false)).begins_decoding);
  EXPECT_EQ(reader.counters().idr_without_flag, 1U);
}

TEST(TagReader, CallsFramesWithLengthsOverTheirEndBroken) {
  TagReader reader;
  (void)video(reader, config_body());
  auto body = frame_body(SliceKind::idr, true);
  body[7] = 0xff;
  const MediaUnit unit = video(reader, body, 100);
  EXPECT_TRUE(unit.broken);
  EXPECT_FALSE(unit.begins_decoding);
  EXPECT_EQ(reader.counters().broken_frames, 1U);
  EXPECT_FALSE(video(reader, legacy_video_body({.key = true}, {})).begins_decoding) << "empty";
}

TEST(TagReader, SaysWhyAConfigurationIsRefusedAndForgetsTheOld) {
  TagReader reader;
  (void)video(reader, config_body());
  auto bad = avc_record();
  bad[4] = 0xfe;
  const MediaUnit unit =
      video(reader, legacy_video_body({.packet = BodyPacket::sequence_start}, bad));
  EXPECT_TRUE(unit.broken);
  EXPECT_NE(reader.config_fault().find("3 octets"), std::string::npos);
  EXPECT_FALSE(video(reader, frame_body(SliceKind::idr, true)).begins_decoding);
  const std::vector<std::uint8_t> huge(100'000, 1);
  EXPECT_TRUE(
      video(reader, legacy_video_body({.packet = BodyPacket::sequence_start}, huge), 999).broken);
}

TEST(TagReader, CountsAChangeOfConfigurationButNoRepetition) {
  TagReader reader;
  EXPECT_FALSE(video(reader, config_body()).config_changed);
  EXPECT_FALSE(video(reader, config_body()).config_changed);
  auto other = avc_record();
  other[3] = 0x1f;
  EXPECT_TRUE(video(reader, legacy_video_body({.packet = BodyPacket::sequence_start}, other))
                  .config_changed);
}

const std::string_view kHevcRecord =
    "0101600000009000000000003ff000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003"
    "00"
    "3f959409210001002b42010101600000030090000003000003003fa005020171f2e595952930bc05a0200000030020"
    "00"
    "0003032122000100064401c073c189";

TEST(TagReader, ReadsHevcAsLegacyIdTwelveAndAsEnhancedRtmp) {
  std::vector<std::uint8_t> frame;
  append_nal({0x26, 1, 0xaf, 0x11, 0x22}, frame);  // IDR_W_RADL
  const VideoBody start{.codec = VideoCodec::hevc, .packet = BodyPacket::sequence_start};
  const VideoBody key{.codec = VideoCodec::hevc, .key = true};
  TagReader legacy;
  (void)video(legacy, legacy_video_body(start, from_hex(kHevcRecord)));
  EXPECT_TRUE(video(legacy, legacy_video_body(key, frame)).begins_decoding);
  for (const EnhancedForm& form :
       {EnhancedForm{}, EnhancedForm{.without_composition = true}, EnhancedForm{.offset_ns = 5},
        EnhancedForm{.track = 0}, EnhancedForm{.track = 0, .sized_track = true}}) {
    TagReader enhanced;
    (void)video(enhanced, enhanced_video_body(start, {}, from_hex(kHevcRecord)));
    ASSERT_TRUE(enhanced.video());
    EXPECT_EQ(enhanced.video()->width, 640U);
    EXPECT_TRUE(video(enhanced, enhanced_video_body(key, form, frame), 3).begins_decoding);
  }
}

TEST(TagReader, ReadsAv1AndOpusOfEnhancedRtmp) {
  TagReader reader;
  const VideoBody start{.codec = VideoCodec::av1, .packet = BodyPacket::sequence_start};
  (void)video(reader, enhanced_video_body(start, {}, from_hex("81010c00")));
  ASSERT_TRUE(reader.video());
  EXPECT_EQ(reader.video()->width, 0U);
  const auto unit = from_hex("12000a0b0000000cc4ff673efe401032051400400000");
  EXPECT_TRUE(video(reader, enhanced_video_body({.codec = VideoCodec::av1, .key = true}, {}, unit))
                  .begins_decoding);
  EXPECT_EQ(reader.video()->width, 640U) << "the size came with the key frame";
  EXPECT_FALSE(video(reader, enhanced_video_body({.codec = VideoCodec::av1, .key = true}, {},
                                                 from_hex("120032053000400000")))
                   .begins_decoding);
  const auto head = from_hex("4f707573486561640102380180bb0000000000");
  (void)read(reader, TagType::audio,
             enhanced_audio_body(AudioCodec::opus, BodyPacket::sequence_start, {}, head));
  ASSERT_TRUE(reader.audio());
  EXPECT_EQ(reader.audio()->channels, 2);
  const MediaUnit packet =
      read(reader, TagType::audio,
           enhanced_audio_body(AudioCodec::opus, BodyPacket::frames, {}, from_hex("f8aabb")));
  EXPECT_EQ(packet.samples, 960U);
  EXPECT_TRUE(packet.has_config);
}

TEST(TagReader, LeavesFurtherTracksCommandsAndGarbageAside) {
  TagReader reader;
  (void)video(reader, config_body());
  const VideoBody key{.codec = VideoCodec::avc, .key = true};
  EXPECT_EQ(
      video(reader, enhanced_video_body(key, {.track = 1}, avc_frame(SliceKind::idr, 99))).kind,
      UnitKind::other);
  EXPECT_EQ(reader.counters().other_tracks, 1U);
  EXPECT_EQ(video(reader, from_hex("5700")).kind, UnitKind::other);
  EXPECT_EQ(video(reader, from_hex("91 6876")).kind, UnitKind::other);
  EXPECT_EQ(reader.counters().malformed_tags, 1U);
  const MediaUnit unknown = video(reader, from_hex("91 78787878 0102"));
  EXPECT_EQ(unknown.kind, UnitKind::video_frame);
  EXPECT_FALSE(unknown.begins_decoding) << "nobody can decode an unknown codec";
  EXPECT_EQ(reader.counters().unknown_packets, 1U);
  EXPECT_EQ(video(reader, {}).kind, UnitKind::other);
  EXPECT_EQ(read(reader, TagType::audio, {}).kind, UnitKind::other);
  EXPECT_EQ(reader.counters().empty_tags, 2U);
  EXPECT_EQ(read(reader, TagType::script, from_hex("ff00ff")).kind, UnitKind::other);
}

TEST(TagReader, CallsNoScriptMetadataButOnMetaData) {
  TagReader reader;
  const std::vector<std::uint8_t> metadata = metadata_body({});
  EXPECT_EQ(read(reader, TagType::script, metadata, 1).kind, UnitKind::metadata);
  // As node-media-server and ffmpeg leave it: wrapped.
  std::vector<std::uint8_t> wrapped = from_hex("02000d 40736574446174614672616d65");
  wrapped.insert(wrapped.end(), metadata.begin(), metadata.end());
  EXPECT_EQ(read(reader, TagType::script, wrapped).kind, UnitKind::metadata);
  // |RtmpSampleAccess, false, false: what servers send before.
  EXPECT_EQ(
      read(reader, TagType::script, from_hex("020011 7c52746d7053616d706c65416363657373 0100 0100"))
          .kind,
      UnitKind::other);
}

TEST(TagReader, LeavesFillerOutOfAFramesPayload) {
  TagReader reader;
  (void)video(reader, config_body());
  std::vector<std::uint8_t> frame = avc_frame(SliceKind::predicted, 50);
  append_nal(make_filler(3000), frame);
  EXPECT_LT(video(reader, legacy_video_body({}, frame)).payload_octets, 100U);
}

}  // namespace
}  // namespace linkpilot::prober
