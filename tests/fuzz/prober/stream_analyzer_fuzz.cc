// Any sequence of tags at any times through the analyser, its players and the verdict: bounded
// lists, no time from nothing. The input is a list of tags: type (1 octet), wait (1, in 10 ms, the
// top bit makes it a second each), timestamp (4), length (1), body.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "prober/media/playback/stream_analyzer.h"
#include "prober/media/playback/verdict.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::prober;

constexpr std::size_t kTagOctets = 7;

Duration wait_of(std::uint8_t octet) {
  const Duration unit = (octet & 0x80) != 0 ? Duration(1'000'000'000) : Duration(10'000'000);
  return (octet & 0x7f) * unit;
}

void check(const PlaybackReport& report) {
  const Duration whole = report.ended - report.started;
  for (const PlayerReport& player : report.players) {
    require(player.list.size() <= PlayerReport::kStallsMax);
    require(player.stalled >= Duration(0) && player.longest <= player.stalled);
    require(player.stall_ratio() >= 0 && player.stall_ratio() <= 1);
    require(player.played >= Duration(0) && player.played <= whole);
  }
  require(report.freeze_list.size() <= StreamAnalyzer::kEventsMax);
  require(report.jump_list.size() <= StreamAnalyzer::kEventsMax);
  require(report.windows.size() < StreamAnalyzer::kWindowsMax);
  require(report.burst_media >= Duration(0) && report.lateness_end >= Duration(0));
  require(report.video.missing_ratio >= 0 && report.video.missing_ratio <= 1);
  require(!judge_playback(report).sentence.empty());
}

}  // namespace

FUZZ_TARGET(stream_analyzer_fuzz, data, size) {
  Now now{.mono = {1'000'000'000}, .wall = {1'790'000'000'000'000'000}};
  StreamAnalyzer analyzer(now);
  std::span<const std::uint8_t> rest(data, size);
  while (rest.size() >= kTagOctets) {
    const auto type = static_cast<TagType>(rest[0] % 3 == 2 ? 18 : 8 + rest[0] % 3);
    const Duration wait = wait_of(rest[1]);
    now.mono += wait;
    now.wall += wait;
    std::uint32_t timestamp = 0;
    for (std::size_t i = 2; i < 6; ++i) timestamp = timestamp << 8 | rest[i];
    const std::size_t octets = std::min<std::size_t>(rest[6], rest.size() - kTagOctets);
    const auto body = rest.subspan(kTagOctets, octets);
    rest = rest.subspan(kTagOctets + octets);
    analyzer.on_tag_begin(
        {.type = type, .octets = static_cast<std::uint32_t>(octets), .timestamp_ms = timestamp},
        now);
    const std::size_t half = octets / 2;
    if (half > 0) analyzer.on_tag_body(body.first(half));
    if (octets > half) analyzer.on_tag_body(body.subspan(half));
    analyzer.on_tag_end(now);
  }
  check(analyzer.report(now));
  now.mono += std::chrono::seconds(5);
  check(analyzer.report(now));
  return 0;
}
