// What operators may want to know, in order: kept in memory for the API (the newest kEventsHeld),
// in the store for later, and on the log. Written by the loop's thread, read by any.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "collector/store/store.h"

namespace linkpilot::collector {

class EventLog {
 public:
  static constexpr std::size_t kEventsHeld = 4'096;
  static constexpr std::size_t kDetailLengthMax = 512;

  EventLog(Store& store, std::vector<Event> restored);

  // `id` is assigned here; an overlong or unprintable detail is cut and cleaned.
  void add(Event event);

  struct Page {
    std::vector<Event> events;  // oldest first
    std::uint64_t last_id = 0;  // of the log when the page is empty
    std::uint64_t first_kept_id = 0;
  };
  // Those after `id`, the oldest `limit` of them.
  [[nodiscard]] Page after(std::uint64_t id, std::size_t limit) const;
  [[nodiscard]] Page newest(std::size_t limit) const;
  [[nodiscard]] std::uint64_t count() const;

 private:
  Store& store_;
  mutable std::mutex mutex_;
  std::deque<Event> events_;   // guarded by mutex_
  std::uint64_t next_id_ = 1;  // guarded by mutex_
};

}  // namespace linkpilot::collector
