// The transport under the Uplink: one MessageClient at a time, for one of the configured
// collectors. Throwing it away and making the next one is how the agent fails over, and how keys
// are changed over: every address is tried with each of the collector's keys that may be in use,
// first with our newest own key, then with the one before. Owned by the loop's thread;
// connect_next() must not be called from within one of its callbacks.
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
    std::vector<std::string> addresses;       // tried in order, never empty
    std::vector<std::string> collector_keys;  // Z85, never empty
    std::vector<CurveKeyPair> keys;           // our own, newest first, never empty
    std::string bind_address;
  };

  CollectorLink(asio::io_context& loop, Options options, MessageClient::OnMessage on_message,
                MessageClient::OnState on_state);

  // Drops the connection there is and opens one to the next choice of address and keys.
  [[nodiscard]] Status connect_next();
  // This choice works: its keys are the first to be tried again, with the first address. When it
  // was made with our newest key, older ones are forgotten.
  void settle();
  // Begin with the first choice again, of what may be new.
  void configure(std::vector<std::string> addresses, std::vector<std::string> collector_keys);
  // A new key pair of ours, the first to be tried from now on.
  void add_keys(CurveKeyPair keys);
  [[nodiscard]] std::size_t choices() const;
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const CurveKeyPair& newest_keys() const { return options_.keys.front(); }
  [[nodiscard]] const std::vector<std::string>& collector_keys() const {
    return options_.collector_keys;
  }

  // False: not connected, or its queue is full.
  bool send(const AgentMessage& message);
  bool send(std::span<const std::uint8_t> bytes);

 private:
  asio::io_context& loop_;
  Options options_;
  MessageClient::OnMessage on_message_;
  MessageClient::OnState on_state_;
  std::size_t next_ = 0;
  std::size_t collector_key_ = 0;  // of the choice in use
  std::size_t own_key_ = 0;
  std::string address_;
  std::unique_ptr<MessageClient> client_;
};

}  // namespace linkpilot::agent
