// What every daemon does the same way: signals, readiness, watchdog.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string_view>

namespace linkpilot {

// Sends "READY=1", "RELOADING=1", "WATCHDOG=1", "STATUS=..." to the service manager; without one
// ($NOTIFY_SOCKET unset) it does nothing. sd_notify(3).
void notify_service_manager(std::string_view state);

// SIGINT/SIGTERM -> stop (once; a second one ends the process), SIGHUP -> reload; SIGUSR2 ->
// restart, which stops too, for who has something to say about the difference (systemd.kill(5),
// RestartKillSignal=; without it the signal is left alone). Lives as long as the object.
class SignalWatch {
 public:
  SignalWatch(asio::io_context& loop, std::function<void()> stop, std::function<void()> reload,
              std::function<void()> restart = nullptr);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;  // also held by the pending waits
};

}  // namespace linkpilot
