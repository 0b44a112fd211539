// An hour of a clean stream on synthetic time: what a dial's players and freezes make of frames
// that come as a path with jitter brings them, none lost and none out of order. Prints one line of
// JSON; all its counts should be 0.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/runtime/command_line.h"
#include "prober/media/flv/synthetic_stream.h"
#include "prober/media/playback/stream_analyzer.h"

namespace {

using namespace linkpilot;

struct Options {
  double hours = 1;
  double jitter_ms = 60;
  std::uint32_t seed = 1;
};

void deliver(prober::StreamAnalyzer& analyzer, const prober::OwnedTag& tag, Now now) {
  analyzer.on_tag_begin({.type = tag.type,
                         .octets = static_cast<std::uint32_t>(tag.body.size()),
                         .timestamp_ms = tag.timestamp_ms},
                        now);
  analyzer.on_tag_body(tag.body);
  analyzer.on_tag_end(now);
}

int run(const Options& options) {
  const Now start{.mono = {1'000'000'000}, .wall = {1'700'000'000'000'000'000}};
  const auto after = [&start](Duration time) {
    return Now{.mono = start.mono + time, .wall = {start.wall.ns + time.count()}};
  };
  const auto length = Duration(static_cast<std::int64_t>(options.hours * 3600e9));
  std::mt19937 random(options.seed);
  std::uniform_int_distribution<std::int64_t> jitter(
      0, static_cast<std::int64_t>(options.jitter_ms * 1e6));
  prober::StreamAnalyzer analyzer(start);
  auto stream = prober::SyntheticStream::create({}).value();
  for (const prober::OwnedTag& tag : stream.headers()) deliver(analyzer, tag, start);
  Duration arrived{};
  while (stream.due() < length) {
    const Duration due = stream.due();
    arrived = std::max(arrived, due + Duration(jitter(random)));
    deliver(analyzer, stream.next(after(due).wall), after(arrived));
  }
  const prober::PlaybackReport report = analyzer.report(after(arrived));
  fmt::print("{{\"video_frames\": {}, \"audio_frames\": {}, \"jitter_ms\": {}, \"stalls\": {{",
             report.video.frames, report.audio.frames, options.jitter_ms);
  for (std::size_t i = 0; i < report.players.size(); ++i) {
    fmt::print("{}\"{}\": {}", i == 0 ? "" : ", ", report.players[i].rule.name,
               report.players[i].stalls);
  }
  fmt::print("}}, \"freezes\": {}, \"timestamp_jumps\": {}}}\n", report.freezes,
             report.video.jumps + report.audio.jumps);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CommandLine words("An hour of clean frames on synthetic time: stalls that a dial invents");
  const Command app = words.root();
  app.option("--hours", options.hours).range(0.01, 24.0);
  app.option("--jitter-ms", options.jitter_ms).range(0.0, 150.0);
  app.option("--seed", options.seed);
  if (const auto code = words.parse(argc, argv)) return *code;
  return run(options);
}
