// Debian's ffmpeg as judge of the stream we make, and as maker of files we judge. Without ffmpeg
// and ffprobe installed these fail.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "prober/media/flv/flv_demuxer.h"
#include "prober/media/flv/synthetic_stream.h"
#include "prober/media/playback/stream_analyzer.h"
#include "prober/media/playback/verdict.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Ran {
  int status = -1;
  std::string output;  // of both streams
};

Ran shell(const std::string& command) {
  Ran ran;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return ran;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    ran.output.append(buffer.data(), count);
  }
  ran.status = ::pclose(pipe);
  return ran;
}

// key=value lines of ffprobe for one stream ("v" or "a").
std::map<std::string, std::string> probe(const std::string& path, const std::string& stream) {
  const Ran ran = shell(
      "ffprobe -v warning -count_frames -select_streams " + stream +
      " -show_entries stream=codec_name,width,height,r_frame_rate,sample_rate,channels,duration,"
      "nb_read_frames -of default=noprint_wrappers=1 " +
      path);
  EXPECT_EQ(ran.status, 0) << ran.output;
  std::map<std::string, std::string> values;
  std::istringstream lines(ran.output);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    EXPECT_NE(equals, std::string::npos) << "ffprobe warns: " << line;
    if (equals != std::string::npos) values[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return values;
}

void write_stream(const SyntheticOptions& options, Duration length, const std::string& path) {
  auto stream = SyntheticStream::create(options);
  ASSERT_TRUE(stream) << stream.error().message;
  std::vector<std::uint8_t> out;
  append_flv_header({.audio = options.with_audio, .video = true}, out);
  for (const OwnedTag& tag : stream->headers()) append_flv_tag(tag, out);
  while (stream->due() < length) {
    const UnixNanos wall = UnixNanos{1'790'000'000'000'000'000} + stream->due();
    append_flv_tag(stream->next(wall), out);
  }
  std::ofstream file(path, std::ios::binary);
  const std::string text(out.begin(), out.end());
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
}

// A file read as a live stream whose every frame comes at its own decode time.
class PacedSink final : public TagSink {
 public:
  explicit PacedSink(StreamAnalyzer& analyzer) : analyzer_(&analyzer) {}
  void on_tag_begin(const TagHeader& tag, Now /*now*/) override {
    now.mono = std::max(now.mono, MonoTime{} + milliseconds(tag.timestamp_ms));
    analyzer_->on_tag_begin(tag, now);
  }
  void on_tag_body(std::span<const std::uint8_t> part) override { analyzer_->on_tag_body(part); }
  void on_tag_end(Now /*now*/) override { analyzer_->on_tag_end(now); }
  Now now;

 private:
  StreamAnalyzer* analyzer_;
};

PlaybackReport analyse(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  StreamAnalyzer analyzer({});
  PacedSink sink(analyzer);
  FlvDemuxer demuxer(sink);
  std::span<const std::uint8_t> rest = bytes;
  while (!rest.empty()) {
    const auto part = rest.first(std::min<std::size_t>(1448, rest.size()));
    const Status status = demuxer.consume(part, {});
    EXPECT_TRUE(status) << status.error().message;
    if (!status) break;
    rest = rest.subspan(part.size());
  }
  EXPECT_TRUE(demuxer.at_boundary());
  EXPECT_EQ(demuxer.counters().wrong_previous_size, 0U);
  return analyzer.report(sink.now);
}

TEST(SyntheticStreamByFfmpeg, FindsTheCodecsSizesAndRatesWeClaimAndDecodesAllOfIt) {
  struct Case {
    const char* name;
    SyntheticOptions options;
    std::map<std::string, std::string> video;
    std::map<std::string, std::string> audio;
  };
  SyntheticOptions large{.picture = {.width = 1920, .height = 1080, .rate = {60, 1}},
                         .gop_frames = 30,
                         .video_rate = {4'000'000},
                         .audio = {.sample_rate = 48'000, .channels = 1},
                         .audio_rate = {128'000}};
  SyntheticOptions odd{.picture = {.width = 322, .height = 182, .rate = {30'000, 1'001}},
                       .gop_frames = 1,
                       .video_rate = {0},
                       .audio_rate = {0}};
  const std::vector<Case> cases{
      {"usual",
       {},
       {{"codec_name", "h264"},
        {"width", "640"},
        {"height", "360"},
        {"r_frame_rate", "25/1"},
        {"nb_read_frames", "250"}},
       {{"codec_name", "aac"},
        {"sample_rate", "44100"},
        {"channels", "2"},
        {"nb_read_frames", "431"}}},
      {"large",
       large,
       {{"codec_name", "h264"},
        {"width", "1920"},
        {"height", "1080"},
        {"r_frame_rate", "60/1"},
        {"nb_read_frames", "600"}},
       {{"codec_name", "aac"}, {"sample_rate", "48000"}, {"channels", "1"}}},
      {"odd size, intra only",
       odd,
       {{"codec_name", "h264"},
        {"width", "322"},
        {"height", "182"},
        {"r_frame_rate", "30000/1001"}},
       {{"codec_name", "aac"}}},
  };
  const TemporaryDirectory folder;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const std::string path = folder.path("stream.flv");
    write_stream(one.options, seconds(10), path);
    auto video = probe(path, "v");
    for (const auto& [key, value] : one.video) EXPECT_EQ(video[key], value) << key;
    auto audio = probe(path, "a");
    for (const auto& [key, value] : one.audio) EXPECT_EQ(audio[key], value) << key;
    // Any word of a decoder, demuxer or muxer on errors or timestamps would be here.
    const Ran decoded =
        shell("ffmpeg -nostdin -v warning -xerror -i " + path + " -map 0 -f null -");
    EXPECT_EQ(decoded.status, 0);
    EXPECT_EQ(decoded.output, "");
    const Ran copied = shell("ffmpeg -nostdin -v warning -xerror -i " + path +
                             " -map 0 -c copy -f mpegts -y " + folder.path("copy.ts"));
    EXPECT_EQ(copied.status, 0);
    EXPECT_EQ(copied.output, "");
    const PlaybackReport report = analyse(path);
    EXPECT_EQ(judge_playback(report).kind, VerdictKind::fine) << judge_playback(report).sentence;
    if (one.options.video_rate.value > 0) {
      std::ifstream file(path, std::ios::binary | std::ios::ate);
      const double rate = static_cast<double>(file.tellg()) * 8 / 10;
      const double wanted =
          static_cast<double>(one.options.video_rate.value + one.options.audio_rate.value);
      EXPECT_NEAR(rate, wanted, wanted * 0.05);
    }
  }
}

TEST(FlvOfFfmpeg, AgreesWithFfprobeOnSizeRateGopAndLength) {
  const TemporaryDirectory folder;
  const std::string path = folder.path("real.flv");
  const Ran made = shell(
      "ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x360:r=25:d=12 -f lavfi -i "
      "sine=r=44100:d=12 -c:v libx264 -preset ultrafast -tune zerolatency -threads 1 -g 50 "
      "-sc_threshold 0 -c:a aac -ac 2 -y " +
      path);
  ASSERT_EQ(made.status, 0) << made.output;
  auto video = probe(path, "v");
  const PlaybackReport report = analyse(path);
  ASSERT_TRUE(report.video_config);
  EXPECT_EQ(std::to_string(report.video_config->width), video["width"]);
  EXPECT_EQ(std::to_string(report.video_config->height), video["height"]);
  EXPECT_EQ(video["r_frame_rate"], "25/1");
  EXPECT_NEAR(report.video.rate_by_time, 25.0, 0.001);
  EXPECT_EQ(std::to_string(report.video.frames), video["nb_read_frames"]);
  EXPECT_EQ(std::to_string(report.audio.frames), probe(path, "a")["nb_read_frames"]);
  EXPECT_EQ(report.gop.least, Duration(seconds(2)));
  EXPECT_EQ(report.gop.most, Duration(seconds(2)));
  EXPECT_EQ(report.gop.frames_mean, 50.0);
  const Ran length = shell("ffprobe -v error -show_entries format=duration -of csv=p=0 " + path);
  EXPECT_NEAR(std::chrono::duration<double>(report.video.media_span).count() + 0.04,
              std::stod(length.output), 0.1);
  EXPECT_EQ(report.audio_config->sample_rate, 44'100U);
  EXPECT_EQ(report.audio_config->channels, 2);
  EXPECT_LT(std::abs(report.audio_drift.count()), 3'000'000) << "rounded milliseconds only";
  EXPECT_EQ(report.reader.malformed_tags, 0U);
  EXPECT_EQ(report.reader.broken_frames, 0U);
  EXPECT_EQ(report.reader.key_flag_not_idr, 0U);
  EXPECT_EQ(judge_playback(report).kind, VerdictKind::fine) << judge_playback(report).sentence;
}

TEST(FlvOfFfmpeg, PlaysAFileWithReorderedPicturesByDecodeTime) {
  const TemporaryDirectory folder;
  const std::string path = folder.path("reordered.flv");
  const Ran made = shell(
      "ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=30:d=10 -c:v libx264 -preset "
      "veryfast -threads 1 -bf 3 -g 60 -y " +
      path);
  ASSERT_EQ(made.status, 0) << made.output;
  const PlaybackReport report = analyse(path);
  EXPECT_EQ(report.video.frames, 300U);
  EXPECT_EQ(report.video.backward_steps, 0U);
  EXPECT_NEAR(report.video.rate_by_time, 30.0, 0.1);
  EXPECT_EQ(report.freezes, 0U);
  EXPECT_EQ(report.players[0].stalls, 0U);
}

}  // namespace
}  // namespace linkpilot::prober
