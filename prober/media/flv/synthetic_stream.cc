#include "prober/media/flv/synthetic_stream.h"

#include <algorithm>

#include "prober/media/codec/sei.h"
#include "prober/media/flv/tag_body.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint64_t kNanosPerSecond = 1'000'000'000;
constexpr std::uint32_t kFillerOctetsMin = 6;  // with its length
constexpr std::uint32_t kSideMin = 16;
constexpr std::uint32_t kSideMax = 4096;
constexpr std::uint32_t kGopMax = 6000;
constexpr std::uint64_t kVideoRateMax = 100'000'000;
constexpr std::uint64_t kAudioRateMax = 256'000;

// `count` units at `rate` units in `seconds`, split so that it overflows in no lifetime.
Duration time_of(std::uint64_t count, std::uint64_t rate, std::uint64_t seconds) {
  const std::uint64_t scaled = count * seconds;
  return Duration(static_cast<std::int64_t>(scaled / rate * kNanosPerSecond +
                                            scaled % rate * kNanosPerSecond / rate));
}

std::uint32_t to_timestamp(Duration time) {
  return static_cast<std::uint32_t>(time / std::chrono::milliseconds(1));
}

// Octets that are due by `time` at `rate`.
std::uint64_t octets_by(Duration time, BitsPerSecond rate) {
  return static_cast<std::uint64_t>(std::chrono::duration<double>(time).count() *
                                    static_cast<double>(rate.value) / 8);
}

bool side_is_offered(std::uint32_t side) {
  return side >= kSideMin && side <= kSideMax && side % 2 == 0;
}

}  // namespace

Result<SyntheticStream> SyntheticStream::create(const SyntheticOptions& options) {
  const SyntheticPicture& picture = options.picture;
  const FrameRate& rate = picture.rate;
  if (!side_is_offered(picture.width) || !side_is_offered(picture.height)) {
    return fail(ErrorCode::invalid_argument,
                "synthetic stream: sides are even and 16 to 4096 pixels");
  }
  if (rate.seconds == 0 || rate.seconds > 10'000 || rate.frames < rate.seconds ||
      rate.frames > 120ULL * rate.seconds) {
    return fail(ErrorCode::invalid_argument, "synthetic stream: 1 to 120 frames a second");
  }
  if (options.gop_frames == 0 || options.gop_frames > kGopMax) {
    return fail(ErrorCode::invalid_argument, "synthetic stream: GOPs of 1 to 6000 frames");
  }
  if (options.video_rate.value > kVideoRateMax || options.audio_rate.value > kAudioRateMax) {
    return fail(ErrorCode::invalid_argument,
                "synthetic stream: at most 100 Mbit/s of video and 256 kbit/s of audio");
  }
  if (options.with_audio && options.audio.config().empty()) {
    return fail(ErrorCode::invalid_argument,
                "synthetic stream: one or two channels at a standard AAC rate");
  }
  return SyntheticStream(options);
}

std::vector<OwnedTag> SyntheticStream::headers() const {
  const SyntheticPicture& picture = options_.picture;
  std::vector<MetadataField> fields{
      {"width", static_cast<double>(picture.width)},
      {"height", static_cast<double>(picture.height)},
      {"framerate", static_cast<double>(picture.rate.frames) / picture.rate.seconds},
      {"videocodecid", 7.0},
      {"videodatarate", static_cast<double>(options_.video_rate.value) / 1000}};
  if (options_.with_audio) {
    fields.push_back({"audiocodecid", 10.0});
    fields.push_back({"audiodatarate", static_cast<double>(options_.audio_rate.value) / 1000});
    fields.push_back({"audiosamplerate", static_cast<double>(options_.audio.sample_rate)});
    fields.push_back({"stereo", options_.audio.channels == 2});
  }
  fields.push_back({"encoder", "LinkPilot"});
  std::vector<OwnedTag> tags;
  tags.push_back({.type = TagType::script, .timestamp_ms = 0, .body = metadata_body(fields)});
  tags.push_back(
      {.type = TagType::video,
       .timestamp_ms = 0,
       .body = legacy_video_body({.packet = BodyPacket::sequence_start}, avc_.config())});
  if (options_.with_audio) {
    tags.push_back({.type = TagType::audio,
                    .timestamp_ms = 0,
                    .body = legacy_aac_body(BodyPacket::sequence_start, options_.audio.config())});
  }
  return tags;
}

Duration SyntheticStream::video_due() const {
  const FrameRate& rate = options_.picture.rate;
  return time_of(video_frames_, rate.frames, rate.seconds);
}

Duration SyntheticStream::audio_due() const {
  return time_of(audio_frames_ * kAacFrameSamples, options_.audio.sample_rate, 1);
}

bool SyntheticStream::audio_is_next() const {
  return options_.with_audio && audio_due() < video_due();
}

Duration SyntheticStream::due() const { return audio_is_next() ? audio_due() : video_due(); }

OwnedTag SyntheticStream::next(UnixNanos wall) {
  return audio_is_next() ? next_audio() : next_video(wall);
}

OwnedTag SyntheticStream::next_video(UnixNanos wall) {
  const Duration time = video_due();
  const bool key = video_frames_ % options_.gop_frames == 0;
  std::vector<std::uint8_t> payload;
  append_nal(make_sei_clock({.wall = wall, .sequence = static_cast<std::uint32_t>(video_frames_)}),
             payload);
  append_nal(key ? avc_.intra() : avc_.skipped(), payload);
  ++video_frames_;
  const std::uint64_t target = octets_by(video_due(), options_.video_rate);
  const std::uint64_t sent = video_octets_ + payload.size();
  if (target >= sent + kFillerOctetsMin) {
    append_nal(make_filler(static_cast<std::uint32_t>(target - sent - 4)), payload);
  }
  video_octets_ += payload.size();
  return {.type = TagType::video,
          .timestamp_ms = to_timestamp(time),
          .body = legacy_video_body({.key = key}, payload)};
}

OwnedTag SyntheticStream::next_audio() {
  const Duration time = audio_due();
  ++audio_frames_;
  const std::uint64_t target = octets_by(audio_due(), options_.audio_rate);
  const std::uint64_t room = target > audio_octets_ ? target - audio_octets_ : 0;
  const auto payload = options_.audio.frame(static_cast<std::uint32_t>(room));
  audio_octets_ += payload.size();
  return {.type = TagType::audio,
          .timestamp_ms = to_timestamp(time),
          .body = legacy_aac_body(BodyPacket::frames, payload)};
}

}  // namespace linkpilot::prober
