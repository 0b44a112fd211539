// The verdict of a whole dial: carrier, playback, push and read-back together, in the words of
// verdict.h. Pure.
#pragma once

#include "prober/media/dial/dial_report.h"

namespace linkpilot::prober {

// Sets `success` and `verdict` of a report whose other fields are final.
void judge_dial(DialReport& report, const DialRequest& request);

}  // namespace linkpilot::prober
