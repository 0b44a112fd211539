// Where agents connect: one listening socket, and during a change of the collector's own key a
// second one with the new key (a ZeroMQ socket has one key). Both lead to the same ingest; a
// connection's name begins with the entrance it came through. Loop's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/runtime/message_socket.h"
#include "collector/config/config.h"

namespace linkpilot::collector {

class Entrances {
 public:
  // Fails with what an operator must mend.
  [[nodiscard]] static Result<std::unique_ptr<Entrances>> open(
      asio::io_context& loop, const CollectorConfig& config, const MessageServer::Allow& allow,
      const MessageServer::OnMessage& on_message);

  bool send(const std::string& connection, std::span<const std::uint8_t> bytes);
  void disconnect(const TransportId& transport);
  [[nodiscard]] std::string bound_endpoint() const { return servers_.front()->bound_endpoint(); }
  // Empty: there is no second one.
  [[nodiscard]] std::string next_endpoint() const;
  [[nodiscard]] SocketCounters counters() const;

 private:
  std::vector<std::unique_ptr<MessageServer>> servers_;
};

}  // namespace linkpilot::collector
