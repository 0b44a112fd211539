#include "agent/report/report_builder.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace linkpilot::agent {

void ReportBuilder::add(std::vector<LinkSample> samples) {
  samples_.insert(samples_.end(), std::make_move_iterator(samples.begin()),
                  std::make_move_iterator(samples.end()));
  if (samples_.size() > kSamplesWaitingMax) {
    const std::size_t excess = samples_.size() - kSamplesWaitingMax;
    samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(excess));
    samples_dropped_ += excess;
  }
}

void ReportBuilder::add(AgentEvent event) {
  // One place is kept for the line that says how many were dropped.
  if (events_.size() + 1 >= kReportEventsMax) {
    ++events_dropped_;
    return;
  }
  events_.push_back(std::move(event));
}

Report ReportBuilder::take(const NodeLoad& load, UnixNanos now) {
  Report report;
  report.created = now;
  report.load = load;
  const std::size_t count = std::min(samples_.size(), kReportLinksMax);
  const auto end = samples_.begin() + static_cast<std::ptrdiff_t>(count);
  report.links.assign(std::make_move_iterator(samples_.begin()), std::make_move_iterator(end));
  samples_.erase(samples_.begin(), end);
  report.events = std::exchange(events_, {});
  if (events_dropped_ > 0) {
    report.events.push_back({now, "events_dropped", "count=" + std::to_string(events_dropped_)});
    events_dropped_before_ += events_dropped_;
    events_dropped_ = 0;
  }
  return report;
}

AgentEvent to_event(const LinkTransition& transition, const PlanKeeper& names) {
  AgentEvent event{transition.time, std::string(to_string(transition.event)), {}};
  if (transition.event == LinkEvent::self_suspected) {
    event.detail = "peers=" + std::to_string(transition.peers);
  }
  if (transition.link.from.node.value == 0) return event;
  const LinkId& link = transition.link;
  event.detail = "link=" + names.name_of(link.from.node) + "/" +
                 std::to_string(link.from.port.value) + "->" + names.name_of(link.to.node) + "/" +
                 std::to_string(link.to.port.value) +
                 " episode=" + std::to_string(transition.episode) +
                 " silence=" + format_duration(transition.silence);
  if (transition.event == LinkEvent::undone) {
    event.detail += " skipped=" + format_duration(transition.skipped) +
                    " cause=" + std::string(to_string(transition.cause));
  }
  return event;
}

}  // namespace linkpilot::agent
