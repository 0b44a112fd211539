// How old a decision is: the time at which each stage of a measurement's life was passed, carried
// in messages (design: "the life of a measurement"). Zero means "not passed yet".
#pragma once

#include "base/time.h"

namespace linkpilot {

struct StageTimes {
  UnixNanos probe_sent;
  UnixNanos reported;
  UnixNanos ingested;
  UnixNanos solved;
  UnixNanos published;
  UnixNanos loaded;
  friend bool operator==(const StageTimes&, const StageTimes&) = default;
};

}  // namespace linkpilot
