// What the localiser's road counts of itself, for /metrics. Values.
#pragma once

#include <cstdint>

namespace linkpilot::collector {

struct FinderFigures {
  std::uint64_t rounds = 0;
  // Of the last round:
  std::uint64_t findings = 0;     // directed links that stand out
  std::uint64_t doubtful = 0;     // of those, on which two credible ends disagree
  std::uint64_t unconfirmed = 0;  // causes that are named but not confirmed yet
  std::uint64_t ends_left_out = 0;
  // The book of detectors:
  std::uint64_t pairs = 0;
  std::uint64_t pairs_refused = 0;  // samples of further pairs
  // Pairs of which bursts were asked, and were not for want of room.
  std::uint64_t asked = 0;
  std::uint64_t put_off = 0;
};

struct ShelfFigures {
  std::uint64_t written = 0;
  std::uint64_t dropped = 0;  // too many waited, or too large
  std::uint64_t failed = 0;   // the disk refused
};

}  // namespace linkpilot::collector
