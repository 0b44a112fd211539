// Answers libzmq's question "may this key connect?" for every handshake of one context (ZeroMQ
// RFC 27, ZAP), on a thread of its own: libzmq wants the answer while the loop may be busy.
// The key that CURVE proved becomes the User-Id of every message of the connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "base/runtime/zmq_socket.h"

namespace linkpilot {

class ZapHandler {
 public:
  inline static constexpr const char* kDomain = "linkpilot";
  using Allow = std::function<bool(const std::string& public_key, const std::string& address)>;

  // Must exist before the context's first socket binds.
  [[nodiscard]] static Result<std::unique_ptr<ZapHandler>> start(ZmqContext& context, Allow allow);
  // Shuts the context down, which is what ends the thread; close its other sockets before.
  ~ZapHandler();
  [[nodiscard]] std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  ZapHandler(ZmqContext& context, Allow allow);
  void run();
  bool answer_one();

  ZmqContext& context_;
  Allow allow_;
  std::atomic<std::uint64_t> refused_{0};
  ZmqSocket socket_;
  std::thread thread_;
};

}  // namespace linkpilot
