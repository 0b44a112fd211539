// Snapshot<T>: one writer publishes immutable values, any thread reads the newest one.
// A mutex held for one pointer copy; std::atomic<std::shared_ptr> trips ThreadSanitizer on GCC 12.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace linkpilot {

template <typename T>
class Snapshot {
 public:
  // The newest value, or null before the first publish. Thread-safe.
  [[nodiscard]] std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  void publish(std::shared_ptr<const T> value) {
    {
      const std::lock_guard lock(mutex_);
      value_.swap(value);
    }
    // The old value, if this was its last owner, is destroyed here, outside the lock.
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace linkpilot
