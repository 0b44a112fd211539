// A TCP server on loopback whose every connection follows a script of the test, in a thread of its
// own and with blocking calls: what real servers do not do on command. The peer speaks enough RTMP
// to bring a client to any point of its session.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"
#include "prober/media/rtmp/amf0.h"
#include "prober/media/rtmp/chunk_reader.h"
#include "tests/support/rtmp_wire.h"

namespace linkpilot::rtmp {

class ScriptedPeer {
 public:
  ScriptedPeer(int fd, const std::atomic<bool>& stopping) : fd_(fd), stopping_(stopping) {}

  // False once the client is gone or the test over.
  bool send(const Bytes& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      if (!wait_for(POLLOUT)) return false;
      const ssize_t n =
          ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) return false;
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  bool send_text(std::string_view text) { return send(bytes_of(text)); }
  // One octet at a time, for ever or until `bytes` is over.
  void trickle(const Bytes& bytes, Duration each = std::chrono::milliseconds(100)) {
    for (const std::uint8_t octet : bytes) {
      if (!send({octet}) || !pause(each)) return;
    }
  }
  bool pause(Duration duration) {
    const MonoTime end = now() + duration;
    while (!stopping_ && now() < end) ::poll(nullptr, 0, 5);
    return !stopping_;
  }
  // Reads and forgets until the client goes.
  void hold() {
    while (receive()) received_.clear();
  }
  // So many octets each time, until the client goes.
  void sip(std::size_t octets, Duration each) {
    Bytes some(octets);
    while (wait_for(POLLIN) && ::recv(fd_, some.data(), octets, MSG_DONTWAIT) > 0 && pause(each)) {
    }
  }
  // Neither reads nor closes until the test is over.
  void ignore() { (void)pause(std::chrono::hours(1)); }
  void reset() {
    reset_ = true;
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }
  // The end of every script but a reset one: a close with octets unread would reset, too.
  void finish() {
    if (reset_) return;
    finish_sending();
    hold();
  }

  // C0 C1 in, S0 S1 S2 out, C2 in.
  bool handshake() {
    if (!read_octets(1537)) return false;
    Bytes answer{3};
    append(answer, filler(1536, 9));
    answer.insert(answer.end(), received_.begin() + 1, received_.begin() + 1537);
    forget(1537);
    if (!send(answer) || !read_octets(1536)) return false;
    forget(1536);
    return true;
  }
  // Reads commands until one has this name.
  std::optional<Command> await(std::string_view name) {
    for (;;) {
      std::span<const std::uint8_t> in(received_);
      while (const auto part = reader_.next(in)) {
        if (part->begins) body_.clear();
        body_.insert(body_.end(), part->body.begin(), part->body.end());
        if (!part->ends || part->message->type != MessageType::command_amf0) continue;
        Result<Command> command = read_command(body_, CommandForm::amf0);
        if (!command || command->name != name) continue;
        forget(received_.size() - in.size());
        return *command;
      }
      received_.clear();
      if (!receive()) return std::nullopt;
    }
  }
  bool send_command(const std::function<void(AmfWriter&)>& write, std::uint32_t stream = 0) {
    Bytes body;
    AmfWriter writer(body);
    write(writer);
    return send(message({.chunk_stream = 3, .type = 20, .stream = stream}, body));
  }
  bool send_status(std::string_view code, std::string_view level = "status") {
    return send_command(
        [&](AmfWriter& writer) {
          writer.text("onStatus").number(0).null().object();
          writer.name("level").text(level).name("code").text(code);
          writer.name("description").text("as the script says").end();
        },
        1);
  }
  bool accept_connect() {
    const auto call = await("connect");
    return call && send_command([&](AmfWriter& writer) {
             writer.text("_result").number(call->transaction).object();
             writer.name("fmsVer").text("SCRIPT/1,0").end().object();
             writer.name("level")
                 .text("status")
                 .name("code")
                 .text("NetConnection.Connect.Success")
                 .end();
           });
  }
  bool accept_stream() {
    const auto call = await("createStream");
    return call && send_command([&](AmfWriter& writer) {
             writer.text("_result").number(call->transaction).null().number(1);
           });
  }
  // Everything up to the client's play or publish, which has been read.
  bool open_until(std::string_view name) {
    return handshake() && accept_connect() && accept_stream() && await(name);
  }

 private:
  static MonoTime now() { return SystemClock().now().mono; }
  bool wait_for(short events) {
    while (!stopping_) {
      pollfd entry{.fd = fd_, .events = events, .revents = 0};
      if (::poll(&entry, 1, 10) > 0) return true;
    }
    return false;
  }
  bool receive() {
    if (!wait_for(POLLIN)) return false;
    std::array<std::uint8_t, 16384> buffer{};
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    received_.insert(received_.end(), buffer.begin(), buffer.begin() + n);
    return true;
  }
  bool read_octets(std::size_t octets) {
    while (received_.size() < octets) {
      if (!receive()) return false;
    }
    return true;
  }
  void forget(std::size_t octets) {
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(octets));
  }

  int fd_;
  const std::atomic<bool>& stopping_;
  bool reset_ = false;
  Bytes received_;
  Bytes body_;
  ChunkReader reader_;
};

class ScriptedServer {
 public:
  using Script = std::function<void(ScriptedPeer&)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    LP_ASSERT(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    LP_ASSERT(::listen(listener_, 64) == 0);
    LP_ASSERT(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    acceptor_.join();  // no peer is added behind it
    for (std::thread& peer : peers_) peer.join();
    ::close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path = "live/stream",
                                std::string_view scheme = "rtmp") const {
    return std::string(scheme) + "://127.0.0.1:" + std::to_string(port_) + "/" + std::string(path);
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void accept_all() {
    while (!stopping_) {
      pollfd entry{.fd = listener_, .events = POLLIN, .revents = 0};
      if (::poll(&entry, 1, 10) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      peers_.emplace_back([this, fd] {
        ScriptedPeer peer(fd, stopping_);
        script_(peer);
        peer.finish();
        ::close(fd);
      });
    }
  }

  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  std::thread acceptor_;
  std::vector<std::thread> peers_;  // only the acceptor adds to them
};

}  // namespace linkpilot::rtmp
