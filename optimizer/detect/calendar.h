// EventCalendar: what operators expect of streams beforehand ("the final, 19:00 to 22:00, five
// times the viewers"), so that what was announced is no fault. Pure; bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace linkpilot::optimizer {

struct ExpectedEvent {
  std::string stream;  // empty: all streams
  UnixNanos from;
  UnixNanos to;
  double factor = 1.0;  // of viewers and bitrate
  friend bool operator==(const ExpectedEvent&, const ExpectedEvent&) = default;
};

class EventCalendar {
 public:
  static constexpr std::size_t kEventsMax = 1'000;
  static constexpr double kFactorMax = 1'000.0;

  // limit_exceeded when full of events that are not over at `now`; invalid_argument when it ends
  // before it begins or its factor is not in (0, kFactorMax].
  [[nodiscard]] Status add(ExpectedEvent event, UnixNanos now);
  // The largest factor of those that hold; 1 where none does.
  [[nodiscard]] double factor(std::string_view stream, UnixNanos at) const;
  [[nodiscard]] const std::vector<ExpectedEvent>& events() const { return events_; }

 private:
  std::vector<ExpectedEvent> events_;
};

}  // namespace linkpilot::optimizer
