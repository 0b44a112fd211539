#include "prober/media/flv/media_tag.h"

#include <gtest/gtest.h>

#include "prober/media/flv/tag_body.h"
#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {
namespace {

const std::vector<std::uint8_t> kPayload{0xd0, 0xd1, 0xd2, 0xd3, 0xd4};

// As a reader that gathers octets only as they are asked for.
TagParse parse_in_steps(std::span<const std::uint8_t> body, bool video) {
  std::size_t have = 0;
  for (;;) {
    const auto octets = static_cast<std::uint32_t>(body.size());
    const TagParse parse = video ? parse_video_tag(body.first(have), octets)
                                 : parse_audio_tag(body.first(have), octets);
    if (parse.state != TagParseState::need_more) return parse;
    EXPECT_GT(parse.need, have);
    if (parse.need <= have || parse.need > body.size()) return {};
    have = parse.need;
  }
}
MediaTag video_tag(std::span<const std::uint8_t> body) {
  const TagParse parse = parse_in_steps(body, true);
  EXPECT_EQ(parse.state, TagParseState::complete) << parse.reason;
  return parse.tag;
}
MediaTag audio_tag(std::span<const std::uint8_t> body) {
  const TagParse parse = parse_in_steps(body, false);
  EXPECT_EQ(parse.state, TagParseState::complete) << parse.reason;
  return parse.tag;
}
std::string_view video_fault(std::string_view hex) {
  const auto body = from_hex(hex);
  const TagParse parse = parse_in_steps(body, true);
  EXPECT_EQ(parse.state, TagParseState::malformed);
  return parse.reason;
}

TEST(MediaTag, ReadsLegacyAvcAndHevcWithASignedCompositionTime) {
  for (const VideoCodec codec : {VideoCodec::avc, VideoCodec::hevc}) {
    const MediaTag tag = video_tag(
        legacy_video_body({.codec = codec, .key = true, .composition_ms = -80}, kPayload));
    EXPECT_EQ(tag.kind, PacketKind::frames);
    EXPECT_EQ(tag.video, codec);
    EXPECT_TRUE(tag.key_flag);
    EXPECT_EQ(tag.composition_ms, -80);
    EXPECT_EQ(tag.payload_at, 5U);
    EXPECT_EQ(tag.payload_octets, 5U);
    EXPECT_EQ(tag.fourcc, 0U);
  }
  EXPECT_EQ(video_tag(from_hex("17 00 000000 01")).kind, PacketKind::sequence_start);
  EXPECT_FALSE(video_tag(from_hex("17 00 000000 01")).key_flag) << "a configuration is no picture";
  EXPECT_EQ(video_tag(from_hex("17 02 000000")).kind, PacketKind::sequence_end);
  EXPECT_EQ(video_tag(from_hex("27 09 000000")).kind, PacketKind::other);
  EXPECT_EQ(video_tag(from_hex("52 00")).kind, PacketKind::command);
  EXPECT_EQ(video_tag(from_hex("22 0000")).video, VideoCodec::h263);
}

TEST(MediaTag, ReadsEachCodecOfTheExtendedHeader) {
  for (const VideoCodec codec : {VideoCodec::avc, VideoCodec::hevc, VideoCodec::vvc,
                                 VideoCodec::av1, VideoCodec::vp8, VideoCodec::vp9}) {
    const bool composed =
        codec == VideoCodec::avc || codec == VideoCodec::hevc || codec == VideoCodec::vvc;
    const VideoBody video{.codec = codec, .key = true, .composition_ms = 40};
    const MediaTag frames = video_tag(enhanced_video_body(video, {}, kPayload));
    EXPECT_EQ(frames.video, codec);
    EXPECT_EQ(frames.kind, PacketKind::frames);
    EXPECT_EQ(frames.composition_ms, composed ? 40 : 0);
    EXPECT_EQ(frames.payload_at, composed ? 8U : 5U);
    EXPECT_TRUE(frames.key_flag);
    const MediaTag short_form =
        video_tag(enhanced_video_body(video, {.without_composition = true}, kPayload));
    EXPECT_EQ(short_form.kind, PacketKind::frames);
    EXPECT_EQ(short_form.composition_ms, 0);
    EXPECT_EQ(short_form.payload_at, 5U);
    const MediaTag start = video_tag(
        enhanced_video_body({.codec = codec, .packet = BodyPacket::sequence_start}, {}, kPayload));
    EXPECT_EQ(start.kind, PacketKind::sequence_start);
    EXPECT_EQ(start.payload_octets, 5U);
  }
  EXPECT_EQ(video_tag(from_hex("90 68766331")).kind, PacketKind::sequence_start);
  EXPECT_EQ(video_tag(from_hex("91 78787878 00")).video, VideoCodec::unknown);
}

TEST(MediaTag, ReadsAudioLegacyAndExtended) {
  EXPECT_EQ(audio_tag(legacy_aac_body(BodyPacket::sequence_start, kPayload)).kind,
            PacketKind::sequence_start);
  const MediaTag aac = audio_tag(legacy_aac_body(BodyPacket::frames, kPayload));
  EXPECT_EQ(aac.audio, AudioCodec::aac);
  EXPECT_EQ(aac.payload_at, 2U);
  EXPECT_EQ(audio_tag(from_hex("2f 11")).audio, AudioCodec::mp3);
  EXPECT_EQ(audio_tag(from_hex("7f 11")).audio, AudioCodec::g711);
  const MediaTag opus =
      audio_tag(enhanced_audio_body(AudioCodec::opus, BodyPacket::frames, {}, kPayload));
  EXPECT_EQ(opus.audio, AudioCodec::opus);
  EXPECT_EQ(opus.kind, PacketKind::frames);
  EXPECT_EQ(opus.payload_at, 5U);
  EXPECT_EQ(audio_tag(from_hex("94 4f707573 01 02")).kind, PacketKind::channels);
}

TEST(MediaTag, WalksModExChainsShortLongAndUnknown) {
  const EnhancedForm nanos{.offset_ns = 123'456};
  const MediaTag tag =
      video_tag(enhanced_video_body({.codec = VideoCodec::hevc, .key = true}, nanos, kPayload));
  EXPECT_EQ(tag.offset_ns, 123'456U);
  EXPECT_EQ(tag.kind, PacketKind::frames);
  EXPECT_TRUE(tag.key_flag);
  EXPECT_EQ(audio_tag(enhanced_audio_body(AudioCodec::opus, BodyPacket::frames, nanos, kPayload))
                .offset_ns,
            123'456U);
  // 97: ModEx; ff: the size follows in 16 bits; 300 octets; a ModEx type 1 of one octet; frames.
  std::vector<std::uint8_t> body{0x97, 0xff, 0x01, 0x2b};
  body.resize(body.size() + 300, 0xaa);
  for (const std::uint8_t octet : from_hex("17 00 bb 11 61763031 77")) body.push_back(octet);
  const MediaTag long_chain = video_tag(body);
  EXPECT_EQ(long_chain.video, VideoCodec::av1);
  EXPECT_EQ(long_chain.kind, PacketKind::frames);
  EXPECT_EQ(long_chain.payload_octets, 1U);
}

TEST(MediaTag, RefusesEndlessModExChains) {
  std::vector<std::uint8_t> body{0x97};
  while (body.size() < 5000) {
    body.insert(body.end(), {0x00, 0x00, 0x07});
  }
  const TagParse parse = parse_in_steps(body, true);
  EXPECT_EQ(parse.state, TagParseState::malformed);
  EXPECT_EQ(parse.reason, "an endless header");
}

TEST(MediaTag, DescribesTheFirstTrackOfMultitrack) {
  const VideoBody video{.codec = VideoCodec::avc, .key = true, .composition_ms = 7};
  const MediaTag one = video_tag(enhanced_video_body(video, {.track = 3}, kPayload));
  EXPECT_TRUE(one.multitrack);
  EXPECT_EQ(one.track, 3);
  EXPECT_EQ(one.composition_ms, 7);
  EXPECT_EQ(one.payload_octets, 5U);
  auto body = enhanced_video_body(video, {.track = 0, .sized_track = true}, kPayload);
  for (const std::uint8_t octet : from_hex("01 000002 eeee")) body.push_back(octet);
  const MediaTag many = video_tag(body);
  EXPECT_EQ(many.track, 0);
  EXPECT_EQ(many.payload_octets, 5U);
  // Many tracks, many codecs: 0x21; FourCC, track, size.
  const MediaTag codecs = video_tag(from_hex("96 23 68766331 00 000002 abcd 61763031 01 000000"));
  EXPECT_EQ(codecs.video, VideoCodec::hevc);
  EXPECT_EQ(codecs.payload_octets, 2U);
  const MediaTag opus = audio_tag(enhanced_audio_body(AudioCodec::opus, BodyPacket::frames,
                                                      {.track = 1, .sized_track = true}, kPayload));
  EXPECT_EQ(opus.track, 1);
  EXPECT_EQ(opus.payload_octets, 5U);
}

TEST(MediaTag, RefusesBrokenMultitrackAndTruncation) {
  EXPECT_EQ(video_fault("96 06 68766331 00"), "a multitrack form that is not allowed");
  EXPECT_EQ(video_fault("96 31 68766331 00"), "a multitrack form that is not allowed");
  EXPECT_EQ(video_fault("96 13 68766331 00 000005 abcd"), "a track runs over its tag");
  EXPECT_EQ(video_fault("96 11 68766331 00 000002 abcdef"), "a track runs over its tag");
  EXPECT_EQ(video_fault("91 6876"), "the tag ends within its header");
  EXPECT_EQ(video_fault("17 01 00"), "the tag ends within its header");
  EXPECT_EQ(video_fault(""), "the tag ends within its header");
}

TEST(MediaTag, LetsMetadataPassEvenUnderFrameTypeFive) {
  EXPECT_EQ(video_tag(from_hex("d4 68766331 02 00")).kind, PacketKind::metadata);
  EXPECT_EQ(video_tag(from_hex("d1 00")).kind, PacketKind::command);
  EXPECT_EQ(video_tag(from_hex("d0 00")).kind, PacketKind::command);
}

TEST(TagBody, WritesMetadataAsAmf0) {
  const std::vector<MetadataField> fields{{"width", 640.0}, {"stereo", true}, {"encoder", "x"}};
  EXPECT_EQ(metadata_body(fields),
            from_hex("02 000a 6f6e4d65746144617461 08 00000003 0005 7769647468 00 4084000000000000"
                     "0006 73746572656f 01 01 0007 656e636f646572 02 0001 78 0000 09"));
}

}  // namespace
}  // namespace linkpilot::prober
