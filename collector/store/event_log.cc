#include "collector/store/event_log.h"

#include <algorithm>
#include <iterator>

#include "base/runtime/log.h"

namespace linkpilot::collector {

namespace {

void clean(std::string& text) {
  if (text.size() > EventLog::kDetailLengthMax) text.resize(EventLog::kDetailLengthMax);
  for (char& c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet >= 0x7f) c = '?';
  }
}

LogLevel level_of(EventLevel level) {
  switch (level) {
    case EventLevel::info:
      return LogLevel::info;
    case EventLevel::warn:
      return LogLevel::warn;
    case EventLevel::error:
      return LogLevel::error;
  }
  return LogLevel::info;
}

}  // namespace

EventLog::EventLog(Store& store, std::vector<Event> restored) : store_(store) {
  for (Event& event : restored) {
    next_id_ = event.id + 1;
    events_.push_back(std::move(event));
  }
}

void EventLog::add(Event event) {
  clean(event.name);
  clean(event.detail);
  log_event(level_of(event.level), event.name,
            {{"node", event.node}, {"link", event.link}, {"detail", event.detail}});
  {
    const std::lock_guard lock(mutex_);
    event.id = next_id_++;
    events_.push_back(event);
    if (events_.size() > kEventsHeld) events_.pop_front();
  }
  store_.put_event(std::move(event));
}

EventLog::Page EventLog::after(std::uint64_t id, std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  Page page;
  page.first_kept_id = events_.empty() ? next_id_ : events_.front().id;
  auto first = std::partition_point(events_.begin(), events_.end(),
                                    [&](const Event& event) { return event.id <= id; });
  const auto left = static_cast<std::size_t>(std::distance(first, events_.end()));
  std::copy_n(first, std::min(limit, left), std::back_inserter(page.events));
  page.last_id = page.events.empty() ? next_id_ - 1 : page.events.back().id;
  return page;
}

EventLog::Page EventLog::newest(std::size_t limit) const {
  const std::uint64_t last = count();
  return after(last > limit ? last - limit : 0, limit);
}

std::uint64_t EventLog::count() const {
  const std::lock_guard lock(mutex_);
  return next_id_ - 1;
}

}  // namespace linkpilot::collector
