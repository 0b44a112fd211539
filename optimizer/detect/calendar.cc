#include "optimizer/detect/calendar.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace linkpilot::optimizer {

Status EventCalendar::add(ExpectedEvent event, UnixNanos now) {
  if (event.to <= event.from) {
    return fail(ErrorCode::invalid_argument, "an expected event ends after it begins");
  }
  if (!(event.factor > 0.0 && event.factor <= kFactorMax)) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("an expected event multiplies by more than 0 and at most {}", kFactorMax));
  }
  std::erase_if(events_, [now](const ExpectedEvent& each) { return each.to <= now; });
  if (events_.size() >= kEventsMax) {
    return fail(ErrorCode::limit_exceeded,
                fmt::format("the calendar holds {} events; withdraw one first", kEventsMax));
  }
  events_.push_back(std::move(event));
  return {};
}

double EventCalendar::factor(std::string_view stream, UnixNanos at) const {
  bool found = false;
  double factor = 1.0;
  for (const ExpectedEvent& event : events_) {
    if (at < event.from || at >= event.to) continue;
    if (!event.stream.empty() && event.stream != stream) continue;
    factor = found ? std::max(factor, event.factor) : event.factor;
    found = true;
  }
  return factor;
}

}  // namespace linkpilot::optimizer
