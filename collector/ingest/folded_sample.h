// FoldedSample: a sample of a report that was believed, for those who watch links.
#pragma once

#include "base/link_sample.h"
#include "base/time.h"

namespace linkpilot::collector {

struct FoldedSample {
  const LinkSample* sample = nullptr;  // of the report under way
  Now at;                              // the end of its interval by the collector's clock
};

}  // namespace linkpilot::collector
