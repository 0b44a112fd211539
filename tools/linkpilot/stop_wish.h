// SIGINT and SIGTERM as a descriptor, for as long as it lives: a command that was interrupted ends
// in order and reports what it saw.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/runtime/files.h"

namespace linkpilot::cli {

class StopWish {
 public:
  StopWish() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals_, &before_);
    fd_ = UniqueFd(::signalfd(-1, &signals_, SFD_NONBLOCK | SFD_CLOEXEC));
  }
  ~StopWish() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  StopWish(const StopWish&) = delete;
  StopWish& operator=(const StopWish&) = delete;

  [[nodiscard]] int fd() const { return fd_.get(); }
  void note() {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof info) == sizeof info) wished_ = true;
  }
  [[nodiscard]] bool wished() const { return wished_; }

 private:
  sigset_t signals_{};
  sigset_t before_{};
  UniqueFd fd_;
  bool wished_ = false;
};

}  // namespace linkpilot::cli
