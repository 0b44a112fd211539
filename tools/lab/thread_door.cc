#include "tools/lab/thread_door.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/assert.h"

namespace linkpilot::lab {

ThreadDoor::ThreadDoor() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  LP_ASSERT(bool(wake_));
}

bool ThreadDoor::run_on_owner(const std::function<void()>& visit) {
  const std::lock_guard one_at_a_time(visitors_);
  std::unique_lock lock(state_);
  if (closed_) return false;
  visit_ = &visit;
  const std::uint64_t knock = 1;
  LP_ASSERT(::write(wake_.get(), &knock, sizeof(knock)) == sizeof(knock));
  done_.wait(lock, [this] { return visit_ == nullptr || closed_; });
  const bool served = visit_ == nullptr;
  visit_ = nullptr;
  return served;
}

void ThreadDoor::serve() {
  std::uint64_t knocks = 0;
  (void)!::read(wake_.get(), &knocks, sizeof(knocks));
  const std::lock_guard lock(state_);
  if (visit_ == nullptr) return;
  (*visit_)();
  visit_ = nullptr;
  done_.notify_all();
}

void ThreadDoor::close() {
  const std::lock_guard lock(state_);
  closed_ = true;
  done_.notify_all();
}

}  // namespace linkpilot::lab
