// An HTTP server of a test's own on loopback, as wrong as the test wants: each connection runs the
// script, in a thread of its own, with blocking calls that end when the server goes.
#pragma once

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "base/runtime/files.h"
#include "tests/support/rtmp_dial.h"

namespace linkpilot {

// One connection. Calls return false once the other side or the server is gone.
class HttpPeer {
 public:
  HttpPeer(UniqueFd fd, int stop) : fd_(std::move(fd)), stop_(stop) {}

  // Up to and with the empty line; what was read so far if the connection ended before.
  std::string read_request() {
    std::string text;
    while (text.find("\r\n\r\n") == std::string::npos && wait(POLLIN)) {
      std::array<char, 4096> buffer{};
      const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  bool send(std::string_view text) {
    while (!text.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // A part every `gap`.
  bool trickle(std::string_view text, std::size_t octets, std::chrono::milliseconds gap) {
    for (; !text.empty(); text.remove_prefix(std::min(octets, text.size()))) {
      if (!send(text.substr(0, octets)) || !pause(gap)) return false;
    }
    return true;
  }
  bool pause(std::chrono::milliseconds length) {
    pollfd entry{.fd = stop_, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, static_cast<int>(length.count())) == 0;
  }
  // Until the server goes or the client does.
  void stay() {
    std::array<char, 4096> buffer{};
    while (wait(POLLIN) && ::recv(fd_.get(), buffer.data(), buffer.size(), 0) > 0) {
    }
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_.reset();
  }

 private:
  bool wait(short events) {
    std::array<pollfd, 2> entries{pollfd{.fd = fd_.get(), .events = events, .revents = 0},
                                  pollfd{.fd = stop_, .events = POLLIN, .revents = 0}};
    while (::poll(entries.data(), entries.size(), -1) < 0) {
    }
    return entries[1].revents == 0;
  }

  UniqueFd fd_;
  int stop_;
};

class ScriptedHttpServer {
 public:
  using Script = std::function<void(HttpPeer&)>;

  explicit ScriptedHttpServer(Script script)
      : script_(std::move(script)),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        stop_(::eventfd(0, EFD_CLOEXEC)) {
    sockaddr_in address = rtmp::loopback(0);
    socklen_t size = sizeof(address);
    LP_ASSERT(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    LP_ASSERT(::listen(listener_.get(), 64) == 0);
    LP_ASSERT(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedHttpServer() {
    const std::uint64_t one = 1;
    LP_ASSERT(::write(stop_.get(), &one, sizeof(one)) == sizeof(one));
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
  }
  ScriptedHttpServer(const ScriptedHttpServer&) = delete;
  ScriptedHttpServer& operator=(const ScriptedHttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path = "live/x.flv") const {
    return fmt::format("http://127.0.0.1:{}/{}", port_, path);
  }

 private:
  void accept_all() {
    std::array<pollfd, 2> entries{pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    while (true) {
      if (::poll(entries.data(), entries.size(), -1) < 0) continue;
      if (entries[1].revents != 0) return;
      UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) continue;
      threads_.emplace_back([this, held = std::move(fd)]() mutable {
        HttpPeer peer(std::move(held), stop_.get());
        script_(peer);
      });
    }
  }

  Script script_;
  UniqueFd listener_;
  UniqueFd stop_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;  // the acceptor's, until it has ended
  std::thread acceptor_;
};

}  // namespace linkpilot
