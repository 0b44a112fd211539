#include "agent/spool/file_thread.h"

#include <signal.h>

#include <asio/post.hpp>
#include <utility>

namespace linkpilot::agent {

namespace {

// Signals are the loop's: none may be delivered to the file thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

FileThread::FileThread(asio::io_context& loop, std::size_t jobs_max)
    : loop_(loop), jobs_max_(jobs_max) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { work(); });
}

FileThread::~FileThread() {
  *alive_ = false;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

bool FileThread::run(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= jobs_max_) {
      ++refused_;
      return false;
    }
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

bool FileThread::has_room() {
  const std::lock_guard lock(mutex_);
  return jobs_.size() < jobs_max_;
}

void FileThread::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    if (Completion completion = job()) {
      asio::post(loop_, [alive = alive_, completion = std::move(completion)] {
        if (*alive) completion();
      });
    }
    lock.lock();
  }
}

}  // namespace linkpilot::agent
