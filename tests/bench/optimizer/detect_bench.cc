// The `detect` bench's program: runs the change-point detector over labelled series and prints
// every alarm as CSV: series, sample, kind, onset (so many samples ago). detect.py unpacks the
// series, scores and adds the frame; nothing here knows a label.
//
// A series is a text file with one delay in milliseconds a line; "-" is a time-out.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "optimizer/detect/delay_change.h"

namespace {

using linkpilot::optimizer::ChangeKind;
using linkpilot::optimizer::DelayChange;

const char* name_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::up:
      return "up";
    case ChangeKind::down:
      return "down";
    case ChangeKind::spread:
      return "spread";
  }
  return "";
}

bool run(const std::string& path, const linkpilot::optimizer::DelayChangeOptions& options) {
  std::ifstream file(path);
  if (!file) return false;
  DelayChange detector;
  std::size_t sample = 0;
  for (std::string line; std::getline(file, line); ++sample) {
    if (line == "-") continue;
    char* end = nullptr;
    const double value = std::strtod(line.c_str(), &end);
    if (end == line.c_str() || !std::isfinite(value)) return false;
    const auto change = detector.add(value, options);
    if (change) fmt::print("{},{},{},{}\n", path, sample, name_of(change->kind), change->values);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const linkpilot::optimizer::DelayChangeOptions options;
  for (int i = 1; i < argc; ++i) {
    if (run(argv[i], options)) continue;
    fmt::print(stderr, "detect: {}: cannot be read as a series\n", argv[i]);
    return 2;
  }
  return 0;
}
