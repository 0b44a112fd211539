// Per link: sums of all its samples since this run began, and since when it is in its state. Counts
// only; what is believed of the link is the optimizer's business.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/ids.h"
#include "base/link_sample.h"
#include "base/report.h"
#include "base/time.h"

namespace linkpilot::collector {

struct LinkHistory {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t late = 0;
  std::uint64_t lost_forward = 0;
  std::uint64_t lost_backward = 0;
  std::uint64_t lost_unplaced = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t reordered = 0;
  std::uint64_t missed_by_us = 0;
  std::uint64_t local_send_error = 0;
  UnixNanos last_sample;  // end of the newest one
  UnixNanos state_since;  // zero: never changed
  std::string state_reason;

  void add(const LinkSample& sample) {
    sent += sample.sent;
    answered += sample.answered;
    late += sample.late;
    lost_forward += sample.lost_forward;
    lost_backward += sample.lost_backward;
    lost_unplaced += sample.lost_unplaced;
    duplicate += sample.duplicate_forward + sample.duplicate_backward;
    reordered += sample.reordered_forward + sample.reordered_backward;
    missed_by_us += sample.missed_by_us;
    local_send_error += sample.local_send_error;
    last_sample = std::max(last_sample, sample.start + sample.length);
  }
};

using LinkHistories = std::unordered_map<LinkId, LinkHistory>;

}  // namespace linkpilot::collector
