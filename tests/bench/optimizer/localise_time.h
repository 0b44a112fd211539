// Two more questions of the `localise` bench, on running detectors instead of a snapshot: how long
// until a planted fault is confirmed, and what a quiet week is mistaken for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/optimizer/localise_noise.h"

namespace linkpilot::bench {

// Seconds from the beginning of the fault to the round that confirms exactly it, per kind of fault;
// reports come a second late, questions are answered by bursts of 30 probes in the next second.
// Never within 180 s counts as 999.
[[nodiscard]] std::map<std::string, std::vector<double>> time_to_localise(const NoiseLibrary& noise,
                                                                          int runs,
                                                                          std::uint64_t seed);

struct QuietCount {
  double days = 0.0;
  std::uint32_t causes = 0;  // named in some round, each counted once an hour
  std::uint32_t mails = 0;   // confirmed
};
// 14 nodes, every second, delays that rise and fall by up to 30 ms with the hour of the day.
[[nodiscard]] QuietCount quiet_days(const NoiseLibrary& noise, double days, std::uint64_t seed);
// Any number of nodes, a round a minute of independently drawn minutes: nothing is confirmed by a
// next round, so every named cause counts as a mail.
[[nodiscard]] QuietCount quiet_minutes(const NoiseLibrary& noise, std::size_t nodes, double days,
                                       std::uint64_t seed);

}  // namespace linkpilot::bench
