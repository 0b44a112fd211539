#include "prober/media/flv/media_tag.h"

#include <array>
#include <utility>

namespace linkpilot::prober {
namespace {

constexpr std::uint32_t fourcc_text(const char (&text)[5]) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(text[i]);
  return value;
}

constexpr std::array<std::pair<std::uint32_t, VideoCodec>, 6> kVideoFourCcs{
    {{fourcc_text("avc1"), VideoCodec::avc},
     {fourcc_text("hvc1"), VideoCodec::hevc},
     {fourcc_text("vvc1"), VideoCodec::vvc},
     {fourcc_text("av01"), VideoCodec::av1},
     {fourcc_text("vp08"), VideoCodec::vp8},
     {fourcc_text("vp09"), VideoCodec::vp9}}};
constexpr std::array<std::pair<std::uint32_t, AudioCodec>, 6> kAudioFourCcs{
    {{fourcc_text("mp4a"), AudioCodec::aac},
     {fourcc_text("Opus"), AudioCodec::opus},
     {fourcc_text("fLaC"), AudioCodec::flac},
     {fourcc_text(".mp3"), AudioCodec::mp3},
     {fourcc_text("ac-3"), AudioCodec::ac3},
     {fourcc_text("ec-3"), AudioCodec::eac3}}};

// Packet types of the extended headers, video and audio alike.
constexpr std::uint8_t kSequenceStart = 0;
constexpr std::uint8_t kCodedFrames = 1;
constexpr std::uint8_t kSequenceEnd = 2;
constexpr std::uint8_t kCodedFramesX = 3;  // video only
constexpr std::uint8_t kMetadata = 4;      // video; of audio MultichannelConfig
constexpr std::uint8_t kMpeg2TsStart = 5;  // video; of audio Multitrack
constexpr std::uint8_t kVideoMultitrack = 6;
constexpr std::uint8_t kAudioMultitrack = 5;
constexpr std::uint8_t kModEx = 7;

constexpr std::uint8_t kOneTrack = 0;
constexpr std::uint8_t kManyCodecs = 2;

constexpr std::uint8_t kKeyFrame = 1;
constexpr std::uint8_t kDisposableFrame = 3;
constexpr std::uint8_t kCommandFrame = 5;

// Reads on until an octet is missing: then `need` says how many would do, or the tag is too short.
class HeadCursor {
 public:
  HeadCursor(std::span<const std::uint8_t> head, std::uint32_t octets)
      : head_(head), octets_(octets) {}

  std::uint32_t number(std::uint32_t octets) {
    if (!has(octets)) return 0;
    std::uint32_t value = 0;
    for (std::uint32_t i = 0; i < octets; ++i) value = value << 8 | head_[at_ + i];
    at_ += octets;
    return value;
  }
  std::uint8_t octet() { return static_cast<std::uint8_t>(number(1)); }
  void skip(std::uint32_t octets) {
    if (has(octets)) at_ += octets;
  }
  void refuse(std::string_view reason) {
    if (reason_.empty()) reason_ = reason;
  }

  [[nodiscard]] bool ok() const { return need_ == 0 && reason_.empty(); }
  [[nodiscard]] std::uint32_t left() const { return octets_ - at_; }
  [[nodiscard]] TagParse finish(MediaTag tag, bool bounded_track, std::uint32_t track_octets) {
    if (reason_.empty() && need_ == 0 && bounded_track && track_octets > left()) {
      refuse("a track runs over its tag");
    }
    if (!reason_.empty()) return {.state = TagParseState::malformed, .reason = reason_};
    if (need_ != 0) return {.state = TagParseState::need_more, .need = need_};
    tag.payload_at = at_;
    tag.payload_octets = bounded_track ? track_octets : left();
    return {.state = TagParseState::complete, .tag = tag};
  }

 private:
  bool has(std::uint32_t count) {
    if (!ok()) return false;
    const std::uint64_t end = std::uint64_t{at_} + count;
    if (end > octets_) {
      refuse("the tag ends within its header");
    } else if (end > kTagHeaderOctetsMax) {
      refuse("an endless header");
    } else if (end > head_.size()) {
      need_ = static_cast<std::uint32_t>(end);
    }
    return ok();
  }

  std::span<const std::uint8_t> head_;
  std::uint32_t octets_;
  std::uint32_t at_ = 0;
  std::uint32_t need_ = 0;
  std::string_view reason_;
};

std::int32_t read_composition(HeadCursor& cursor) {  // SI24
  const std::uint32_t value = cursor.number(3);
  return static_cast<std::int32_t>(value << 8) >> 8;
}

// Enhanced RTMP v2 "ExVideoTagHeader": each link of the chain names the next packet type.
std::uint8_t walk_mod_ex(HeadCursor& cursor, MediaTag& tag, std::uint8_t packet) {
  while (packet == kModEx && cursor.ok()) {
    std::uint32_t size = cursor.octet() + 1U;
    if (size == 256) size = cursor.number(2) + 1;
    const bool nanos = size == 3;
    const std::uint32_t value = nanos ? cursor.number(3) : 0;
    if (!nanos) cursor.skip(size);
    const std::uint8_t next = cursor.octet();
    if (nanos && (next >> 4) == 0) tag.offset_ns = value;
    packet = next & 0xf;
  }
  return packet;
}

struct TrackFrame {
  std::uint8_t packet = 0;
  bool bounded = false;
  std::uint32_t octets = 0;
};

// FourCC and, for Multitrack, the header of the first track.
TrackFrame read_track(HeadCursor& cursor, MediaTag& tag, std::uint8_t packet,
                      std::uint8_t multitrack) {
  TrackFrame track{.packet = packet};
  if (packet != multitrack) {
    tag.fourcc = cursor.number(4);
    return track;
  }
  const std::uint8_t first = cursor.octet();
  const auto form = static_cast<std::uint8_t>(first >> 4);
  track.packet = first & 0xf;
  tag.multitrack = true;
  if (cursor.ok() && (track.packet == multitrack || form > kManyCodecs)) {
    cursor.refuse("a multitrack form that is not allowed");
  }
  tag.fourcc = cursor.number(4);  // of all tracks, or of the first: at the same place
  tag.track = cursor.octet();
  if (form != kOneTrack) {
    track.bounded = true;
    track.octets = cursor.number(3);
  }
  return track;
}

template <typename Codec, std::size_t N>
Codec codec_of(const std::array<std::pair<std::uint32_t, Codec>, N>& table, std::uint32_t fourcc) {
  for (const auto& [code, codec] : table) {
    if (code == fourcc) return codec;
  }
  return Codec::unknown;
}

template <typename Codec, std::size_t N>
std::uint32_t code_of(const std::array<std::pair<std::uint32_t, Codec>, N>& table, Codec wanted) {
  for (const auto& [code, codec] : table) {
    if (codec == wanted) return code;
  }
  return 0;
}

PacketKind video_packet_kind(std::uint8_t packet) {
  switch (packet) {
    case kSequenceStart:
    case kMpeg2TsStart:
      return PacketKind::sequence_start;
    case kCodedFrames:
    case kCodedFramesX:
      return PacketKind::frames;
    case kSequenceEnd:
      return PacketKind::sequence_end;
    case kMetadata:
      return PacketKind::metadata;
    default:
      return PacketKind::other;
  }
}

TagParse parse_extended_video(HeadCursor& cursor, std::uint8_t first) {
  MediaTag tag;
  const auto frame_type = static_cast<std::uint8_t>(first >> 4 & 7);
  std::uint8_t packet = walk_mod_ex(cursor, tag, first & 0xf);
  if (cursor.ok() && frame_type == kCommandFrame && packet != kMetadata) {
    tag.kind = PacketKind::command;
    return cursor.finish(tag, false, 0);
  }
  const TrackFrame track = read_track(cursor, tag, packet, kVideoMultitrack);
  packet = track.packet;
  tag.video = codec_of(kVideoFourCcs, tag.fourcc);
  tag.kind = video_packet_kind(packet);
  tag.key_flag = frame_type == kKeyFrame && tag.kind == PacketKind::frames;
  tag.disposable = frame_type == kDisposableFrame;
  std::uint32_t track_octets = track.octets;
  const bool has_composition =
      packet == kCodedFrames && (tag.video == VideoCodec::avc || tag.video == VideoCodec::hevc ||
                                 tag.video == VideoCodec::vvc);
  if (has_composition) {
    if (cursor.ok() && track.bounded && track_octets < 3) {
      cursor.refuse("a track runs over its tag");
    }
    tag.composition_ms = read_composition(cursor);
    track_octets -= track.bounded ? 3 : 0;
  }
  return cursor.finish(tag, track.bounded, track_octets);
}

VideoCodec legacy_video_codec(std::uint8_t id) {
  switch (id) {
    case 2:
      return VideoCodec::h263;
    case 3:
    case 6:
      return VideoCodec::screen;
    case 4:
    case 5:
      return VideoCodec::vp6;
    case 7:
      return VideoCodec::avc;
    case 12:
      return VideoCodec::hevc;  // no standard; what Chinese CDNs and encoders write
    default:
      return VideoCodec::unknown;
  }
}

AudioCodec legacy_audio_codec(std::uint8_t format) {
  switch (format) {
    case 0:
    case 3:
      return AudioCodec::pcm;
    case 1:
      return AudioCodec::adpcm;
    case 2:
    case 14:
      return AudioCodec::mp3;
    case 4:
    case 5:
    case 6:
      return AudioCodec::nellymoser;
    case 7:
    case 8:
      return AudioCodec::g711;
    case 10:
      return AudioCodec::aac;
    case 11:
      return AudioCodec::speex;
    default:
      return AudioCodec::unknown;
  }
}

PacketKind legacy_packet_kind(std::uint8_t packet) {
  if (packet == 0) return PacketKind::sequence_start;
  if (packet == 1) return PacketKind::frames;
  return packet == 2 ? PacketKind::sequence_end : PacketKind::other;
}

// What nearly every tag is, taken without a cursor: legacy AVC and AAC whose header is all there.
constexpr std::uint32_t kAvcHeaderOctets = 5;
constexpr std::uint32_t kAacHeaderOctets = 2;

bool is_whole_avc_header(std::span<const std::uint8_t> head, std::uint32_t octets) {
  return head.size() >= kAvcHeaderOctets && octets >= kAvcHeaderOctets &&
         (head[0] & 0x8f) == 0x07 && head[0] >> 4 != kCommandFrame;
}

TagParse parse_avc_header(std::span<const std::uint8_t> head, std::uint32_t octets) {
  TagParse parse{.state = TagParseState::complete};
  MediaTag& tag = parse.tag;
  tag.kind = legacy_packet_kind(head[1]);
  tag.video = VideoCodec::avc;
  tag.key_flag = head[0] >> 4 == kKeyFrame && tag.kind == PacketKind::frames;
  tag.disposable = head[0] >> 4 == kDisposableFrame;
  const std::uint32_t composition = static_cast<std::uint32_t>(head[2]) << 24 |
                                    static_cast<std::uint32_t>(head[3]) << 16 |
                                    static_cast<std::uint32_t>(head[4]) << 8;
  tag.composition_ms = static_cast<std::int32_t>(composition) >> 8;
  tag.payload_at = kAvcHeaderOctets;
  tag.payload_octets = octets - kAvcHeaderOctets;
  return parse;
}

bool is_whole_aac_header(std::span<const std::uint8_t> head, std::uint32_t octets) {
  return head.size() >= kAacHeaderOctets && octets >= kAacHeaderOctets && head[0] >> 4 == 10 &&
         head[1] <= 1;
}

TagParse parse_aac_header(std::span<const std::uint8_t> head, std::uint32_t octets) {
  TagParse parse{.state = TagParseState::complete};
  parse.tag.kind = legacy_packet_kind(head[1]);
  parse.tag.audio = AudioCodec::aac;
  parse.tag.payload_at = kAacHeaderOctets;
  parse.tag.payload_octets = octets - kAacHeaderOctets;
  return parse;
}

}  // namespace

TagParse parse_video_tag(std::span<const std::uint8_t> head, std::uint32_t octets) {
  if (is_whole_avc_header(head, octets)) return parse_avc_header(head, octets);
  HeadCursor cursor(head, octets);
  const std::uint8_t first = cursor.octet();
  if (cursor.ok() && (first & 0x80) != 0) return parse_extended_video(cursor, first);
  MediaTag tag;
  const auto frame_type = static_cast<std::uint8_t>(first >> 4);
  tag.video = legacy_video_codec(first & 0xf);
  tag.kind = PacketKind::frames;
  tag.disposable = frame_type == kDisposableFrame;
  if (frame_type == kCommandFrame) {
    tag.kind = PacketKind::command;
  } else if (tag.video == VideoCodec::avc || tag.video == VideoCodec::hevc) {
    tag.kind = legacy_packet_kind(cursor.octet());
    tag.composition_ms = read_composition(cursor);
  }
  tag.key_flag = frame_type == kKeyFrame && tag.kind == PacketKind::frames;
  return cursor.finish(tag, false, 0);
}

TagParse parse_audio_tag(std::span<const std::uint8_t> head, std::uint32_t octets) {
  if (is_whole_aac_header(head, octets)) return parse_aac_header(head, octets);
  HeadCursor cursor(head, octets);
  const std::uint8_t first = cursor.octet();
  MediaTag tag;
  constexpr std::uint8_t kExtended = 9;
  if ((first >> 4) != kExtended) {
    tag.audio = legacy_audio_codec(first >> 4);
    tag.kind = PacketKind::frames;
    if (tag.audio == AudioCodec::aac) {
      const std::uint8_t packet = cursor.octet();
      tag.kind = packet <= 1 ? legacy_packet_kind(packet) : PacketKind::other;
    }
    return cursor.finish(tag, false, 0);
  }
  const std::uint8_t packet = walk_mod_ex(cursor, tag, first & 0xf);
  const TrackFrame track = read_track(cursor, tag, packet, kAudioMultitrack);
  tag.audio = codec_of(kAudioFourCcs, tag.fourcc);
  tag.kind = track.packet == kMetadata ? PacketKind::channels : legacy_packet_kind(track.packet);
  return cursor.finish(tag, track.bounded, track.octets);
}

std::uint32_t fourcc_of(VideoCodec codec) { return code_of(kVideoFourCcs, codec); }
std::uint32_t fourcc_of(AudioCodec codec) { return code_of(kAudioFourCcs, codec); }

}  // namespace linkpilot::prober
