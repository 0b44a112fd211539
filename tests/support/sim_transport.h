// The simulated twin of the message sockets (base/runtime/message_socket.h): one server and its
// clients in one thread, without keys, bytes on a wire or a loop. Each client has a connection of
// its own with a bounded queue in either direction; what was sent arrives, in order, at deliver().
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/runtime/message_socket.h"

namespace linkpilot {

class SimTransport {
 public:
  using Bytes = std::vector<std::uint8_t>;

 private:
  struct Connection {
    PeerId peer;
    MessageClient::OnMessage on_message;
    MessageClient::OnState on_state;
    std::size_t queue_max = 0;
    std::deque<Bytes> to_server, to_client;
    SocketCounters client;
    bool up = false;
  };

  static bool push(std::deque<Bytes>& queue, std::size_t max, std::span<const std::uint8_t> bytes,
                   SocketCounters& counters) {
    if (queue.size() >= max) {
      ++counters.dropped_queue_full;
      return false;
    }
    ++counters.messages_sent;
    queue.emplace_back(bytes.begin(), bytes.end());
    return true;
  }

  class Client final : public MessageClient {
   public:
    explicit Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
    ~Client() override { connection_->up = false; }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    bool send(std::span<const std::uint8_t> bytes) override {
      Connection& c = *connection_;
      return c.up && push(c.to_server, c.queue_max, bytes, c.client);
    }
    [[nodiscard]] SocketCounters counters() const override { return connection_->client; }

   private:
    std::shared_ptr<Connection> connection_;
  };

  class Server final : public MessageServer {
   public:
    explicit Server(SimTransport& transport) : transport_(transport) {}
    bool send(const std::string& connection, std::span<const std::uint8_t> bytes) override {
      const auto found = transport_.connections_.find(connection);
      if (found == transport_.connections_.end() || !found->second->up) {
        ++transport_.server_counters_.dropped_unroutable;
        return false;
      }
      Connection& c = *found->second;
      return push(c.to_client, c.queue_max, bytes, transport_.server_counters_);
    }
    void disconnect(const TransportId& transport) override { transport_.drop(transport.cookie); }
    [[nodiscard]] std::string bound_endpoint() const override { return "sim://server"; }
    [[nodiscard]] SocketCounters counters() const override { return transport_.server_counters_; }

   private:
    SimTransport& transport_;
  };

 public:
  explicit SimTransport(MessageServer::OnMessage on_message)
      : on_message_(std::move(on_message)), server_(*this) {}
  SimTransport(const SimTransport&) = delete;
  SimTransport& operator=(const SimTransport&) = delete;

  [[nodiscard]] MessageServer& server() { return server_; }

  // As if CURVE had proved `public_key`. The connection is up at the next deliver().
  [[nodiscard]] std::unique_ptr<MessageClient> connect(std::string public_key,
                                                       MessageClient::OnMessage on_message,
                                                       MessageClient::OnState on_state,
                                                       std::size_t queue_max = 256) {
    auto made = std::make_shared<Connection>();
    ++connections_made_;
    made->peer = {"connection-" + std::to_string(connections_made_),
                  std::move(public_key),
                  {0, connections_made_}};
    made->on_message = std::move(on_message);
    made->on_state = std::move(on_state);
    made->queue_max = queue_max;
    fresh_.push_back(made);
    connections_[made->peer.connection] = made;
    return std::make_unique<Client>(std::move(made));
  }

  // The network between the two is gone: whatever was on its way is lost, and all hear of it.
  void drop_all() {
    for (const auto& [name, connection] : std::exchange(connections_, {})) {
      end(*connection);
    }
  }

  // Hands over what was sent before this call; what the receivers send in answer waits for the
  // next.
  void deliver() {
    for (const auto& connection : std::exchange(fresh_, {})) {
      connection->up = true;
      connection->on_state(MessageClient::State::connected);
    }
    for (const auto& [name, connection] : std::map(connections_)) {
      const auto to_server = std::exchange(connection->to_server, {});
      const auto to_client = std::exchange(connection->to_client, {});
      for (const Bytes& bytes : to_server) {
        ++server_counters_.messages_received;
        on_message_(connection->peer, aligned(bytes));
      }
      for (const Bytes& bytes : to_client) {
        if (!connection->up) break;
        ++connection->client.messages_received;
        connection->on_message(aligned(bytes));
      }
    }
  }

 private:
  void drop(std::uint64_t cookie) {
    for (const auto& [name, connection] : std::map(connections_)) {
      if (connection->peer.transport.cookie != cookie) continue;
      ++server_counters_.disconnected;
      connections_.erase(name);
      end(*connection);
    }
  }
  static void end(Connection& connection) {
    connection.up = false;
    connection.to_server.clear();
    connection.to_client.clear();
    connection.on_state(MessageClient::State::disconnected);
  }
  // As the seam promises: Cap'n Proto reads in place, on 8-byte boundaries.
  std::span<const std::uint8_t> aligned(const Bytes& bytes) {
    words_.assign((bytes.size() + 7) / 8, 0);
    auto* start = reinterpret_cast<std::uint8_t*>(words_.data());
    std::copy(bytes.begin(), bytes.end(), start);
    return {start, bytes.size()};
  }

  MessageServer::OnMessage on_message_;
  Server server_;
  SocketCounters server_counters_;
  std::map<std::string, std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Connection>> fresh_;
  std::vector<std::uint64_t> words_;
  std::uint64_t connections_made_ = 0;
};

}  // namespace linkpilot
