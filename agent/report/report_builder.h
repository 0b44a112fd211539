// Gathers what happened since the last report: samples, events. A core; the shell adds the load,
// the spool the identity. Bounds: kReportLinksMax samples and kReportEventsMax events a report;
// more events are dropped and the next report says how many, samples wait for the next report.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/detect/detector.h"
#include "agent/plan/plan_keeper.h"
#include "base/report.h"
#include "base/time.h"

namespace linkpilot::agent {

class ReportBuilder {
 public:
  inline static constexpr std::size_t kSamplesWaitingMax = 4 * kReportLinksMax;

  void add(std::vector<LinkSample> samples);
  void add(AgentEvent event);
  [[nodiscard]] Report take(const NodeLoad& load, UnixNanos now);
  [[nodiscard]] std::uint64_t events_dropped() const {
    return events_dropped_before_ + events_dropped_;
  }
  [[nodiscard]] std::uint64_t samples_dropped() const { return samples_dropped_; }

 private:
  std::vector<LinkSample> samples_;
  std::vector<AgentEvent> events_;
  std::uint64_t events_dropped_ = 0;  // since the last report
  std::uint64_t events_dropped_before_ = 0;
  std::uint64_t samples_dropped_ = 0;
};

// "link=fra-1/0->nyc-1/0 episode=3 silence=186ms"; of an undone skip also for how long it held and
// what undid it: "... skipped=24ms cause=probe_arrived"
[[nodiscard]] AgentEvent to_event(const LinkTransition& transition, const PlanKeeper& names);

}  // namespace linkpilot::agent
