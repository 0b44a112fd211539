// What a dial knows of a stream's playback at one moment: values only, made by StreamAnalyzer and
// read by the verdict, the CLI and the collector's messages. Marks are monotonic times of the last
// octet of the tag that made them; lists are bounded and their counters go on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/units.h"
#include "prober/media/codec/codec_config.h"
#include "prober/media/playback/player.h"
#include "prober/media/playback/tag_reader.h"

namespace linkpilot::prober {

enum class TrackKind : std::uint8_t { audio, video };

// The first of each, in the order in which a working stream brings them.
struct PlaybackMarks {
  std::optional<MonoTime> first_tag;
  std::optional<MonoTime> metadata;
  std::optional<MonoTime> audio_config;
  std::optional<MonoTime> audio_frame;
  std::optional<MonoTime> video_config;
  std::optional<MonoTime> video_frame;
  std::optional<MonoTime> key_frame;  // decodable: the proof of success
  std::optional<MonoTime> gop;        // the second decodable key frame: one GOP is complete
};

struct TrackReport {
  std::uint64_t frames = 0;
  std::uint64_t octets = 0;
  std::uint64_t empty_frames = 0;
  std::uint64_t undecodable_frames = 0;  // no configuration, or before the first key frame
  std::uint32_t config_changes = 0;
  std::uint32_t jumps = 0;
  std::uint32_t backward_steps = 0;
  std::uint32_t wraps = 0;
  Duration typical_step{};     // 0: fewer than two frames
  Duration media_span{};       // from first to newest decode time, jumps taken out
  double rate_by_time = 0;     // frames a second by decode times
  double rate_by_arrival = 0;  // by arrivals behind the burst
  double realtime_ratio = 0;   // media time over wall time behind the burst; 0: too short to say
  double missing_ratio = 0;    // dropped frames' share; of a steady rate only
  bool steady_rate = false;
  std::uint32_t starvations = 0;  // times it was silent for 2 s while the other track ran
  Duration starved{};
  bool starved_at_end = false;
};

struct Freeze {  // decode times leap though nothing was late: the source dropped frames
  MonoTime seen;
  Duration length{};
};

struct TimestampJump {
  MonoTime seen;
  TrackKind track = TrackKind::video;
  Duration step{};  // as the timestamps say it; negative: back
};

struct GopReport {
  std::uint32_t complete = 0;
  Duration least{};
  Duration mean{};
  Duration most{};
  double frames_mean = 0;
};

// Nothing here is decoded: signs, not proofs.
struct PictureSigns {
  std::uint64_t broken_frames = 0;      // NAL unit lengths that run over their frame
  std::uint32_t gaps_without_key = 0;   // frames were missing and the next is no key frame
  std::uint32_t collapsed_seconds = 0;  // inter frames below a twentieth of their usual size
  std::uint32_t longest_collapse = 0;   // seconds in a row
  bool audio_minimal = false;           // audio frames are all as small as silence
};

struct PushDelay {  // from the clock our own pusher writes; the caller knows the clocks' error
  std::uint64_t samples = 0;
  std::uint64_t missed = 0;  // sequence numbers that did not come
  Duration least{};
  Duration median{};
  Duration most{};
  Duration last{};
};

struct PlaybackWindow {
  std::uint64_t octets = 0;
  std::uint32_t video_frames = 0;
  std::uint32_t audio_frames = 0;
  std::array<std::uint32_t, 3> buffered_ms{};  // of the players, at the window's end
};

struct PlaybackReport {
  MonoTime started;
  MonoTime ended;
  PlaybackMarks marks;
  TrackReport audio;
  TrackReport video;
  std::optional<VideoConfig> video_config;
  std::optional<AudioConfig> audio_config;
  VideoCodec video_codec = VideoCodec::unknown;
  AudioCodec audio_codec = AudioCodec::unknown;
  std::string config_fault;  // why a configuration was refused
  ReaderCounters reader;

  std::array<PlayerReport, 3> players;  // plain, buffered, live edge
  TrackKind played_track = TrackKind::video;
  Duration stall_threshold{};  // the rules', or more for a stream of few frames
  std::uint32_t freezes = 0;
  Duration frozen{};
  Duration longest_freeze{};
  std::vector<Freeze> freeze_list;
  std::vector<TimestampJump> jump_list;

  Duration burst_media{};  // media delivered beyond real time in the first 2 s: the GOP cache
  BitsPerSecond burst_rate{};
  BitsPerSecond steady_rate{};  // behind the first 2 s
  GopReport gop;
  std::optional<Duration> start_offset;  // first audio less first video decode time
  Duration interleave_p95{};  // distance of the two tracks' newest frames; no lip-sync error
  Duration interleave_max{};
  Duration audio_drift{};   // time by sample counts less time by timestamps
  Duration sound_early{};   // by how far jumps of one track alone moved sound before picture
  Duration lateness_end{};  // the newest frame's lateness over the least
  Duration lateness_max{};
  PictureSigns picture;
  PushDelay push_delay;

  Duration window{};  // length of each of `windows`
  std::vector<PlaybackWindow> windows;
};

}  // namespace linkpilot::prober
