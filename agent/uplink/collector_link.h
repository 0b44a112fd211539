// The transport under the Uplink: one MessageClient at a time, for one of the configured
// collectors. Throwing it away and making the next one is how the agent fails over. Owned by the
// loop's thread; connect_next() must not be called from within one of its callbacks.
#pragma once

#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "base/runtime/message_socket.h"

namespace linkpilot::agent {

class CollectorLink {
 public:
  struct Options {
    std::vector<std::string> addresses;  // tried in order, never empty
    std::string collector_key;           // Z85
    CurveKeyPair keys;
    std::string bind_address;
  };

  CollectorLink(asio::io_context& loop, Options options, MessageClient::OnMessage on_message,
                MessageClient::OnState on_state);

  // Drops the connection there is and opens one to the next address of the list.
  [[nodiscard]] Status connect_next();
  // The next connection goes to the first of these.
  void set_addresses(std::vector<std::string> addresses);
  [[nodiscard]] const std::string& address() const { return address_; }

  // False: not connected, or its queue is full.
  bool send(const AgentMessage& message);
  bool send(std::span<const std::uint8_t> bytes);

 private:
  asio::io_context& loop_;
  Options options_;
  MessageClient::OnMessage on_message_;
  MessageClient::OnState on_state_;
  std::size_t next_ = 0;
  std::string address_;
  std::unique_ptr<MessageClient> client_;
};

}  // namespace linkpilot::agent
