// A stream made frame by frame on virtual time and fed to a StreamAnalyzer: AVC 640x360 at 25
// frames a second with AAC, unless a test says otherwise.
#pragma once

#include <functional>
#include <vector>

#include "prober/media/codec/bit_writer.h"
#include "prober/media/codec/synthetic_avc.h"
#include "prober/media/flv/flv_muxer.h"
#include "prober/media/flv/tag_body.h"
#include "prober/media/playback/stream_analyzer.h"
#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {

inline constexpr std::int64_t kFeedWallStart = 1'790'000'000'000'000'000;

// Virtual time: `since` the dial's start.
inline Now at_time(Duration since) {
  return {.mono = MonoTime{1'000'000'000} + since, .wall = UnixNanos{kFeedWallStart} + since};
}

inline std::vector<std::uint8_t> avc_record() {
  return from_hex(
      "0142c01effe100196742c01eda0280bfe5c044000003000400000300c83c58ba8001000468ce0fc8");
}

// A frame of one slice of about `octets`: IDR, or I or P without IDR.
enum class SliceKind : std::uint8_t { idr, intra, predicted };
inline std::vector<std::uint8_t> avc_frame(SliceKind kind, std::size_t octets) {
  BitWriter writer;
  writer.ue(0);
  writer.ue(kind == SliceKind::predicted ? 5 : 7);
  writer.bits(0x55, 8);
  std::vector<std::uint8_t> nal = escape_nal(kind == SliceKind::idr ? 0x65 : 0x41, writer.take());
  nal.resize(std::max(nal.size(), octets), 0x5a);
  std::vector<std::uint8_t> frame;
  append_nal(nal, frame);
  return frame;
}

struct StreamFeed {
  StreamAnalyzer analyzer{at_time(Duration(0))};

  void tag(const OwnedTag& tag, Duration arrived) {
    const Now now = at_time(arrived);
    analyzer.on_tag_begin({.type = tag.type,
                           .octets = static_cast<std::uint32_t>(tag.body.size()),
                           .timestamp_ms = tag.timestamp_ms},
                          now);
    if (!tag.body.empty()) analyzer.on_tag_body(tag.body);
    analyzer.on_tag_end(now);
  }
  void configs(Duration arrived, std::uint32_t timestamp_ms = 0) {
    tag({TagType::script, timestamp_ms, metadata_body({})}, arrived);
    tag({TagType::video, timestamp_ms,
         legacy_video_body({.packet = BodyPacket::sequence_start}, avc_record())},
        arrived);
    tag({TagType::audio, timestamp_ms,
         legacy_aac_body(BodyPacket::sequence_start, from_hex("1210"))},
        arrived);
  }
  void video(std::uint32_t timestamp_ms, bool key, Duration arrived, std::size_t octets = 1000) {
    tag({TagType::video, timestamp_ms,
         legacy_video_body({.key = key},
                           avc_frame(key ? SliceKind::idr : SliceKind::predicted, octets))},
        arrived);
  }
  void audio(std::uint32_t timestamp_ms, Duration arrived, std::size_t octets = 100) {
    const std::vector<std::uint8_t> payload(octets, 0x21);
    tag({TagType::audio, timestamp_ms, legacy_aac_body(BodyPacket::frames, payload)}, arrived);
  }
  [[nodiscard]] PlaybackReport report(Duration at) const { return analyzer.report(at_time(at)); }
};

// What a source and a link do to a clean stream. Times are those of the clean one, from 0.
struct FeedScript {
  Duration length = std::chrono::seconds(30);
  std::uint32_t first_timestamp = 0;
  std::uint32_t gop_frames = 50;
  bool with_audio = true;
  std::function<Duration(Duration)> arrives = [](Duration t) { return t; };
  std::function<Duration(Duration)> stamped = [](Duration t) { return t; };
  std::function<bool(Duration)> dropped = [](Duration) { return false; };
};

inline void run(StreamFeed& feed, const FeedScript& script) {
  constexpr Duration kVideoStep = std::chrono::milliseconds(40);
  const auto stamp = [&](Duration t) {
    return script.first_timestamp +
           static_cast<std::uint32_t>(script.stamped(t) / std::chrono::milliseconds(1));
  };
  Duration arrived{};
  std::int64_t video = 0;
  std::int64_t audio = 0;
  for (;;) {
    const Duration video_at = video * kVideoStep;
    const Duration audio_at(audio * 1024 * 1'000'000'000LL / 44'100);
    const bool audio_next = script.with_audio && audio_at < video_at;
    const Duration now = audio_next ? audio_at : video_at;
    if (now >= script.length) return;
    (audio_next ? audio : video) += 1;
    if (script.dropped(now)) continue;
    arrived = std::max(arrived, script.arrives(now));  // one connection: in order
    if (audio_next) {
      feed.audio(stamp(now), arrived);
    } else {
      feed.video(stamp(now), (video - 1) % script.gop_frames == 0, arrived);
    }
  }
}

}  // namespace linkpilot::prober
