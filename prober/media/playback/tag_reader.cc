#include "prober/media/playback/tag_reader.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "prober/media/codec/audio_config.h"
#include "prober/media/codec/av1_config.h"
#include "prober/media/codec/avc_config.h"
#include "prober/media/codec/hevc_config.h"

namespace linkpilot::prober {
namespace {

// Enough of an AV1 temporal unit to pass its delimiter and sequence header; of an Opus packet two
// octets would do.
constexpr std::uint32_t kPayloadHeadOctets = 96;

Result<VideoConfig> parse_video_config(VideoCodec codec, std::span<const std::uint8_t> record) {
  switch (codec) {
    case VideoCodec::avc:
      return parse_avc_config(record);
    case VideoCodec::hevc:
      return parse_hevc_config(record);
    case VideoCodec::av1:
      return parse_av1_config(record);
    case VideoCodec::vvc:
    case VideoCodec::vp8:
    case VideoCodec::vp9:
    case VideoCodec::h263:
    case VideoCodec::screen:
    case VideoCodec::vp6:
    case VideoCodec::unknown:
      break;
  }
  // Its size stays unknown; that there is one is enough to go on.
  if (record.empty()) return fail(ErrorCode::corrupt, "an empty video configuration");
  return VideoConfig{.codec = codec};
}

Result<AudioConfig> parse_audio_config(AudioCodec codec, std::span<const std::uint8_t> record) {
  if (codec == AudioCodec::aac) return parse_aac_config(record);
  if (codec == AudioCodec::opus) return parse_opus_config(record);
  if (record.empty()) return fail(ErrorCode::corrupt, "an empty audio configuration");
  return AudioConfig{.codec = codec};
}

// A script tag's name is an AMF0 string at its begin, and may stand behind another: @setDataFrame.
bool names_metadata(std::span<const std::uint8_t> head) {
  constexpr std::string_view kName = "onMetaData";
  return std::search(head.begin(), head.end(), kName.begin(), kName.end()) != head.end();
}

}  // namespace

void TagReader::begin(const TagHeader& tag) {
  tag_ = tag;
  media_ = {};
  head_size_ = 0;
  head_wanted_ = 1;
  payload_left_ = 0;
  stage_ = tag.octets == 0 ? Stage::skip : Stage::header;
  if (tag.type == TagType::script && tag.octets > 0) {
    stage_ = Stage::head;
    payload_left_ = tag.octets;
  }
  counters_.empty_tags += tag.octets == 0 ? 1 : 0;
}

void TagReader::body(std::span<const std::uint8_t> part) {
  if (stage_ == Stage::header && head_size_ == 0) {  // as a rule the first part has all of it
    const std::size_t used =
        parse_header(part.first(std::min<std::size_t>(part.size(), kTagHeaderOctetsMax)));
    part = part.subspan(used);
  }
  while (stage_ == Stage::header && !part.empty()) {
    const std::size_t count = std::min<std::size_t>(head_wanted_ - head_size_, part.size());
    std::copy_n(part.begin(), count, head_.begin() + head_size_);
    head_size_ += static_cast<std::uint32_t>(count);
    part = part.subspan(count);
    if (head_size_ == head_wanted_) parse_header(std::span(head_).first(head_size_));
  }
  if (stage_ != Stage::skip && stage_ != Stage::header && !part.empty()) take_payload(part);
}

// Returns how much of `head` is the header; 0 while it is not whole, or to no use.
std::size_t TagReader::parse_header(std::span<const std::uint8_t> head) {
  const TagParse parse = tag_.type == TagType::video ? parse_video_tag(head, tag_.octets)
                                                     : parse_audio_tag(head, tag_.octets);
  if (parse.state == TagParseState::need_more) {
    head_wanted_ = parse.need;
    return 0;
  }
  stage_ = Stage::skip;
  if (parse.state == TagParseState::malformed) {
    ++counters_.malformed_tags;
    return 0;
  }
  media_ = parse.tag;
  if (media_.track != 0) {
    ++counters_.other_tracks;
    media_.kind = PacketKind::other;
    return 0;
  }
  begin_payload();
  return media_.payload_at;
}

void TagReader::begin_payload() {
  payload_left_ = media_.payload_octets;
  head_size_ = 0;
  const bool video = tag_.type == TagType::video;
  const bool known =
      video ? media_.video != VideoCodec::unknown : media_.audio != AudioCodec::unknown;
  if (media_.kind == PacketKind::other || (!known && media_.kind != PacketKind::command)) {
    ++counters_.unknown_packets;
  }
  if (media_.kind == PacketKind::sequence_start) {
    config_.clear();
    stage_ = Stage::config;
  } else if (media_.kind == PacketKind::frames && video) {
    if (video_ && video_->codec == media_.video && video_->length_octets != 0) {
      walker_.begin(media_.video, video_->length_octets, media_.payload_octets);
      stage_ = Stage::walk;
    } else if (media_.video == VideoCodec::av1) {
      stage_ = Stage::head;
    }
  } else if (media_.kind == PacketKind::frames && media_.audio == AudioCodec::opus) {
    stage_ = Stage::head;
  }
}

void TagReader::take_payload(std::span<const std::uint8_t> part) {
  part = part.first(std::min<std::size_t>(part.size(), payload_left_));
  payload_left_ -= static_cast<std::uint32_t>(part.size());
  if (stage_ == Stage::walk) {
    walker_.feed(part);
  } else if (stage_ == Stage::config) {
    const auto keep = part.first(std::min(part.size(), kConfigOctetsMax - config_.size()));
    config_.insert(config_.end(), keep.begin(), keep.end());
  } else {
    const std::size_t keep = std::min<std::size_t>(part.size(), kPayloadHeadOctets - head_size_);
    std::copy_n(part.begin(), keep, head_.begin() + head_size_);
    head_size_ += static_cast<std::uint32_t>(keep);
  }
}

MediaUnit TagReader::end() {
  MediaUnit unit{.timestamp_ms = tag_.timestamp_ms,
                 .octets = tag_.octets,
                 .payload_octets = media_.payload_octets,
                 .composition_ms = media_.composition_ms,
                 .key_flag = media_.key_flag,
                 .clock = std::nullopt};
  if (tag_.type == TagType::script) {
    // Servers send others first, as |RtmpSampleAccess.
    unit.kind =
        names_metadata(std::span(head_).first(head_size_)) ? UnitKind::metadata : UnitKind::other;
  } else if (tag_.octets == 0 || media_.track != 0) {
    unit.kind = UnitKind::other;
  } else if (media_.kind == PacketKind::sequence_start) {
    end_config(unit);
  } else if (media_.kind == PacketKind::frames) {
    if (tag_.type == TagType::video) {
      end_video(unit);
    } else {
      end_audio(unit);
    }
  }
  return unit;
}

template <typename Config>
void TagReader::accept_config(const Result<Config>& parsed, std::optional<Config>& kept,
                              MediaUnit& unit) {
  auto& record = tag_.type == TagType::video ? video_record_ : audio_record_;
  unit.broken = !parsed;
  if (!parsed) {
    ++counters_.refused_configs;
    config_fault_ = parsed.error().message;
    kept.reset();  // a decoder that was handed this would stop as well
    return;
  }
  unit.config_changed = !record.empty() && record != config_;
  record = config_;
  kept = *parsed;
}

void TagReader::end_config(MediaUnit& unit) {
  if (tag_.type == TagType::video) {
    unit.kind = UnitKind::video_config;
    video_codec_ = media_.video;
    accept_config(parse_video_config(media_.video, config_), video_, unit);
  } else {
    unit.kind = UnitKind::audio_config;
    audio_codec_ = media_.audio;
    accept_config(parse_audio_config(media_.audio, config_), audio_, unit);
  }
}

void TagReader::end_video(MediaUnit& unit) {
  unit.kind = UnitKind::video_frame;
  video_codec_ = media_.video;
  unit.has_config =
      media_.video != VideoCodec::unknown &&
      (!needs_config(media_.video) || (video_.has_value() && video_->codec == media_.video));
  bool recovery_point = false;
  if (stage_ == Stage::walk) {
    const NaluFindings& found = walker_.end();
    unit.picture = found.first_picture;
    unit.broken = found.length_error;
    unit.clock = found.clock;
    unit.payload_octets -= static_cast<std::uint32_t>(
        std::min<std::uint64_t>(found.filler_octets, unit.payload_octets));
    recovery_point = found.recovery_point;
    counters_.empty_nal_units += found.empty_units;
  } else if (stage_ == Stage::head) {
    const Av1Unit av1 = inspect_av1_unit(std::span(head_).first(head_size_), unit.payload_octets);
    unit.picture = av1.first_picture;
    unit.broken = av1.broken;
    if (av1.sequence && video_ && video_->width == 0) video_ = av1.sequence;
  }
  counters_.broken_frames += unit.broken ? 1 : 0;
  const bool idr = unit.picture == PictureKind::random_access;
  const bool told = unit.picture != PictureKind::unknown;
  counters_.key_flag_not_idr += unit.key_flag && told && !idr ? 1 : 0;
  counters_.idr_without_flag += idr && !unit.key_flag ? 1 : 0;
  const bool can_begin =
      idr || (unit.picture == PictureKind::intra && (unit.key_flag || recovery_point)) ||
      (!told && unit.key_flag && stage_ != Stage::walk);
  unit.begins_decoding = can_begin && unit.has_config && !unit.broken && media_.payload_octets > 0;
}

void TagReader::end_audio(MediaUnit& unit) {
  unit.kind = UnitKind::audio_frame;
  audio_codec_ = media_.audio;
  unit.has_config =
      media_.audio != AudioCodec::unknown &&
      (!needs_config(media_.audio) || (audio_.has_value() && audio_->codec == media_.audio));
  if (media_.audio == AudioCodec::opus) {
    unit.samples = opus_packet_samples(std::span(head_).first(head_size_));
  } else if (audio_ && audio_->codec == media_.audio) {
    unit.samples = audio_->samples_per_frame;
  }
}

}  // namespace linkpilot::prober
