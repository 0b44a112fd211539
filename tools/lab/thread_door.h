// How another thread gets something done on the emulation thread: it waits at the door until the
// owner has run its function. One visitor at a time, so there is nothing to queue and nothing to
// bound.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "base/runtime/files.h"

namespace linkpilot::lab {

class ThreadDoor {
 public:
  ThreadDoor();
  // Any thread but the owner: returns when `visit` has been run. After `close` it is not run:
  // false.
  bool run_on_owner(const std::function<void()>& visit);
  // Becomes readable when somebody waits; the owner then calls `serve`.
  [[nodiscard]] int wake_fd() const { return wake_.get(); }
  void serve();
  void close();

 private:
  UniqueFd wake_;
  std::mutex visitors_;  // held by the visitor from knocking to leaving
  std::mutex state_;     // guards the two below
  std::condition_variable done_;
  const std::function<void()>* visit_ = nullptr;
  bool closed_ = false;
};

}  // namespace linkpilot::lab
