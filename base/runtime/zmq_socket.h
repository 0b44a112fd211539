// What MessageServer and MessageClient share of ZeroMQ: owned contexts and sockets, messages in our
// two frames, and a socket watched by an Asio loop. Internal to base/runtime.
//
// The C API is used as it is: it reports errors as return values, which is what we want.
#pragma once

#include <zmq.h>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace linkpilot {

// First frame of every message: the one octet that names the format of the second.
inline constexpr std::uint8_t kMessageFormat = 1;
// What CURVE adds around a frame (ZeroMQ RFC 26: 33 octets), and then some: a frame over our own
// bound is still received and counted; one over this on top ends the connection inside libzmq.
inline constexpr std::size_t kOversizeMargin = std::size_t{64} * 1024;
// Messages handled per turn of the loop, so that a flooding peer cannot starve timers.
inline constexpr int kMessagesPerTurn = 64;

[[nodiscard]] tl::unexpected<Error> fail_zmq(const std::string& what);

class ZmqContext {
 public:
  ZmqContext(int io_threads, int sockets_max);
  ~ZmqContext();
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;
  [[nodiscard]] void* get() const { return context_; }
  // Every blocking call on this context's sockets returns ETERM from now on. Thread-safe.
  void shut_down() { zmq_ctx_shutdown(context_); }

 private:
  void* context_;
};

class ZmqSocket {
 public:
  ZmqSocket(ZmqContext& context, int type) : socket_(zmq_socket(context.get(), type)) {}
  ~ZmqSocket() { close(); }
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;
  [[nodiscard]] void* get() const { return socket_; }
  [[nodiscard]] explicit operator bool() const { return socket_ != nullptr; }
  void close();

  // Remembers the first option that failed; `options_status` tells.
  void set(int option, int value);
  void set(int option, std::int64_t value);
  void set(int option, const std::string& value);
  [[nodiscard]] Status options_status() const;

  [[nodiscard]] bool readable() const;

 private:
  void note(int option, int result);
  void* socket_;
  int failed_option_ = 0;
  int failed_errno_ = 0;
};

// Options that both ends of a connection share: bounds, no lingering, dead peers found by TCP.
// ZMTP heartbeats stay off: libzmq 4.3.4 aborts when they meet a stalled reader (libzmq issue
// 3937).
struct TransportOptions {
  int queue_messages_max = 0;
  std::size_t message_bytes_max = 0;
};
void set_transport_options(ZmqSocket& socket, const TransportOptions& options);

// One frame; owns its octets.
class ZmqFrame {
 public:
  ZmqFrame() { zmq_msg_init(&message_); }
  ~ZmqFrame() { zmq_msg_close(&message_); }
  ZmqFrame(const ZmqFrame&) = delete;
  ZmqFrame& operator=(const ZmqFrame&) = delete;
  [[nodiscard]] bool receive(void* socket) {
    return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0;
  }
  [[nodiscard]] bool more() const { return zmq_msg_more(&message_) != 0; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() {
    return {static_cast<const std::uint8_t*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  [[nodiscard]] std::string text() {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  // The TCP socket the message came through, which may be gone by now; -1: none.
  [[nodiscard]] int source_descriptor() { return zmq_msg_get(&message_, ZMQ_SRCFD); }
  // Empty if the message carries no such property.
  [[nodiscard]] std::string property(const char* name);

 private:
  zmq_msg_t message_;
};

// Receives and throws away the rest of a message after `last`.
void skip_rest(void* socket, const ZmqFrame& last);

// Format frame and payload, read after any frames in front of them.
enum class BodyFate : std::uint8_t { received, malformed };
[[nodiscard]] BodyFate receive_body(void* socket, std::size_t message_bytes_max, ZmqFrame& payload);
// Sends format frame and payload without blocking; zero or the errno.
[[nodiscard]] int send_body(void* socket, std::span<const std::uint8_t> bytes);

// A view of octets on an 8-byte boundary: the given ones where they lie right, else a copy.
class AlignedView {
 public:
  [[nodiscard]] std::span<const std::uint8_t> of(std::span<const std::uint8_t> bytes);

 private:
  std::vector<std::uint64_t> copy_;
};

// Calls `receive_one` from the loop while the socket is readable, at most kMessagesPerTurn times
// per turn. ZMQ_FD is edge triggered: poke() after every send, because sending may swallow the
// edge.
class SocketWatch {
 public:
  SocketWatch(asio::io_context& loop, void* socket, std::function<void()> receive_one);
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;
  void poke();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace linkpilot
