// The ZeroMQ seam: a server that talks to many authenticated peers (ROUTER) and a client that talks
// to one server (DEALER), both over CURVE, both driven by an Asio loop, both with stated bounds.
//
// A message is two frames: a one-octet topic/version frame and a payload. Heartbeats are our own
// messages; ZMTP heartbeats stay off (libzmq 4.3.4 aborts with them under a stalled reader).
// A socket belongs to the thread of its loop. Nothing blocks: a full queue drops and counts.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime/curve_keys.h"

namespace linkpilot {

struct SocketCounters {
  std::uint64_t messages_received = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t dropped_queue_full = 0;
  std::uint64_t dropped_unroutable = 0;
  std::uint64_t refused_malformed = 0;  // wrong frame count, wrong version, oversized
  std::uint64_t refused_keys = 0;       // handshakes refused by `allow`
  std::uint64_t disconnected = 0;       // connections ended by `disconnect`
};

// Names one TCP connection of this process: the descriptor, and the kernel's cookie of the socket
// behind it, which no other socket ever has (SO_COOKIE), because descriptors are used again.
struct TransportId {
  int descriptor = -1;
  std::uint64_t cookie = 0;
};

// Which connection a message came from. `connection` is ROUTER's routing id, new for every
// connection; `public_key` is what CURVE proved.
struct PeerId {
  std::string connection;
  std::string public_key;
  TransportId transport{};
};

class MessageServer {
 public:
  struct Options {
    std::string bind;  // "tcp://192.0.2.1:7100"; port 0 or "*" binds any free one
    CurveKeyPair keys;
    int queue_messages_max = 1'000;  // per peer and direction
    std::size_t message_bytes_max = std::size_t{8} << 20;
    int io_threads = 1;
    int backlog = 1'024;
  };
  // Whether a key may connect; called for every handshake, on a thread of its own: must be
  // thread-safe and quick.
  using Allow = std::function<bool(const std::string& public_key, const std::string& address)>;
  // `bytes` is valid during the call and 8-byte aligned (Cap'n Proto reads it in place).
  using OnMessage = std::function<void(const PeerId& from, std::span<const std::uint8_t> bytes)>;

  [[nodiscard]] static Result<std::unique_ptr<MessageServer>> create(asio::io_context& loop,
                                                                     const Options& options,
                                                                     Allow allow,
                                                                     OnMessage on_message);
  virtual ~MessageServer() = default;
  // False if the peer is gone or its queue is full: counted, nothing is queued.
  virtual bool send(const std::string& connection, std::span<const std::uint8_t> bytes) = 0;
  // Ends the TCP connection a tenth of a second from now, so that a last message still leaves. What
  // the peer sent before may still arrive: who ends a connection refuses its messages. libzmq has
  // no call for this; it finds its socket shut down and takes the connection for lost.
  virtual void disconnect(const TransportId& transport) = 0;
  [[nodiscard]] virtual std::string bound_endpoint() const = 0;
  [[nodiscard]] virtual SocketCounters counters() const = 0;
};

class MessageClient {
 public:
  struct Options {
    std::string connect;            // "tcp://192.0.2.1:7100"
    std::string server_public_key;  // Z85
    CurveKeyPair keys;
    std::string bind_address;  // local address to connect from; empty: the kernel's choice
    int queue_messages_max = 256;
    std::size_t message_bytes_max = std::size_t{8} << 20;
    int reconnect_min_ms = 100;
    int reconnect_max_ms = 2'000;
  };
  using OnMessage = std::function<void(std::span<const std::uint8_t> bytes)>;
  // Transport-level state, from the socket's monitor. `handshake_refused` is a key the server does
  // not know or a wrong server key.
  enum class State : std::uint8_t { connecting, connected, disconnected, handshake_refused };
  using OnState = std::function<void(State)>;

  [[nodiscard]] static Result<std::unique_ptr<MessageClient>> create(asio::io_context& loop,
                                                                     const Options& options,
                                                                     OnMessage on_message,
                                                                     OnState on_state);
  virtual ~MessageClient() = default;
  virtual bool send(std::span<const std::uint8_t> bytes) = 0;
  [[nodiscard]] virtual SocketCounters counters() const = 0;
};

}  // namespace linkpilot
