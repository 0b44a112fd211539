#include "base/runtime/lifecycle.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <asio/signal_set.hpp>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/runtime/files.h"

namespace linkpilot {

void notify_service_manager(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract namespace, unix(7)
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  // The manager may be gone; the daemon goes on without it.
  ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

struct SignalWatch::State : std::enable_shared_from_this<SignalWatch::State> {
  State(asio::io_context& loop, std::function<void()> on_stop, std::function<void()> on_reload,
        std::function<void()> on_restart)
      : stop_signals(loop, SIGINT, SIGTERM),
        reload_signals(loop, SIGHUP),
        stop(std::move(on_stop)),
        reload(std::move(on_reload)),
        restart(std::move(on_restart)) {
    if (restart) stop_signals.add(SIGUSR2);
  }

  void wait_for_stop() {
    stop_signals.async_wait([self = shared_from_this()](const asio::error_code& error, int signal) {
      if (error) return;
      // Back to the default action: the second signal ends a process that hangs while stopping.
      self->stop_signals.clear();
      const auto& act = signal == SIGUSR2 ? self->restart : self->stop;
      if (act) act();
    });
  }
  void wait_for_reload() {
    reload_signals.async_wait([self = shared_from_this()](const asio::error_code& error, int) {
      if (error) return;
      self->wait_for_reload();
      if (self->reload) self->reload();
    });
  }

  asio::signal_set stop_signals;
  asio::signal_set reload_signals;
  std::function<void()> stop;
  std::function<void()> reload;
  std::function<void()> restart;
};

SignalWatch::SignalWatch(asio::io_context& loop, std::function<void()> stop,
                         std::function<void()> reload, std::function<void()> restart)
    : state_(
          std::make_shared<State>(loop, std::move(stop), std::move(reload), std::move(restart))) {
  state_->wait_for_stop();
  state_->wait_for_reload();
}

SignalWatch::~SignalWatch() {
  state_->stop = nullptr;
  state_->restart = nullptr;
  state_->reload = nullptr;
  state_->stop_signals.cancel();
  state_->reload_signals.cancel();
}

}  // namespace linkpilot
