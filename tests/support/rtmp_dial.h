// An RtmpClient over a loopback socket, for tests against real servers: small, blocking in poll, no
// redirects. Several dials are driven together by run_dials.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "prober/media/rtmp/rtmp_client.h"
#include "tests/support/rtmp_wire.h"

namespace linkpilot::rtmp {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A TCP port of 127.0.0.1 that was free a moment ago, never the same twice.
inline std::uint16_t free_port() {
  static std::set<std::uint16_t> given;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  LP_ASSERT(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  LP_ASSERT(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  const std::uint16_t port = ntohs(address.sin_port);
  return given.insert(port).second ? port : free_port();
}

class RtmpDial {
 public:
  // Connects to 127.0.0.1 at the port of the options' URL.
  explicit RtmpDial(const RtmpClientOptions& options) : client(options, sink) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(options.url.port);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    client.start(clock_.now());
  }
  ~RtmpDial() {
    if (fd_ >= 0) ::close(fd_);
  }
  RtmpDial(const RtmpDial&) = delete;
  RtmpDial& operator=(const RtmpDial&) = delete;

  [[nodiscard]] bool is_connected() const { return connected_; }
  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] pollfd poll_entry() const {
    const bool writes = !client.output().empty();
    return {.fd = closed_ ? -1 : fd_,
            .events = static_cast<short>(POLLIN | (writes ? POLLOUT : 0)),
            .revents = 0};
  }
  void step(short ready) {
    if ((ready & POLLOUT) != 0) write_some();
    if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0) read_some();
    client.on_timer(clock_.now());
    take_events();
  }
  // "started", "first_video", ...; with a text after it if the event had one.
  [[nodiscard]] bool has_phase(std::string_view name) const {
    for (const std::string& phase : phases) {
      if (phase == name) return true;
    }
    return false;
  }
  [[nodiscard]] std::string verdict() const {
    if (!client.outcome()) return "open";
    if (!client.outcome()->failure) return "ended";
    const Failure& f = *client.outcome()->failure;
    return std::string(to_string(f.stage)) + " " + std::string(to_string(f.kind)) +
           (f.code.empty() ? "" : " " + f.code);
  }

  RecordingSink sink;
  RtmpClient client;
  std::vector<std::string> phases;

 private:
  void write_some() {
    const auto out = client.output();
    const ssize_t sent = ::send(fd_, out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) client.on_sent(static_cast<std::size_t>(sent));
  }
  void read_some() {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    std::array<std::uint8_t, 65536> buffer{};
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
      client.on_bytes(std::span(buffer).first(static_cast<std::size_t>(got)), clock_.now());
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      closed_ = true;
      client.on_closed(got == 0 ? PeerClose::finished : PeerClose::reset, clock_.now());
    }
  }
  void take_events() {
    while (const auto event = client.take_event()) {
      phases.push_back(std::string(to_string(event->phase)) +
                       (event->text.empty() ? "" : " " + event->text));
    }
  }

  SystemClock clock_;
  int fd_ = -1;
  bool connected_ = false;
  bool closed_ = false;
};

// Drives the dials until `done` or the limit; `turn` is called before each wait of at most 10 ms.
inline bool run_dials(std::initializer_list<RtmpDial*> dials, Duration limit,
                      const std::function<bool()>& done,
                      const std::function<void()>& turn = nullptr) {
  SystemClock clock;
  const MonoTime end = clock.now().mono + limit;
  while (!done()) {
    if (clock.now().mono >= end) return false;
    if (turn) turn();
    std::vector<pollfd> entries;
    for (const RtmpDial* dial : dials) entries.push_back(dial->poll_entry());
    ::poll(entries.data(), entries.size(), 10);
    std::size_t i = 0;
    for (RtmpDial* dial : dials) dial->step(entries[i++].revents);
  }
  return true;
}

}  // namespace linkpilot::rtmp
