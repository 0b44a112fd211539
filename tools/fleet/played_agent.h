// One agent as the collector sees it: a CURVE key of its own, a real socket, Hello, pings, numbered
// reports under a window, alarms ahead of them. It measures nothing. What it must send comes from
// its owner; what it has sent and is not acknowledged, it can make again (ReportMill), so that an
// outage loses nothing.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/message.h"
#include "base/runtime/message_socket.h"
#include "tools/fleet/report_mill.h"

namespace linkpilot::fleet {

struct AgentIdentity {
  std::string name;
  std::size_t index = 0;  // of the fleet: where it says its ports are
  CurveKeyPair keys;
};

// What it says of itself in its Hello.
[[nodiscard]] Node profile_of(const AgentIdentity& identity);

struct AgentTotals {
  std::uint64_t sent = 0;      // reports, repeats included
  std::uint64_t refusals = 0;  // messages of that kind
  std::uint64_t welcomes = 0;
  std::uint64_t plans = 0;
  std::uint64_t tables = 0;
};

class PlayedAgent {
 public:
  struct Hooks {
    // A report is durable: how long after it was due.
    std::function<void(Duration latency)> on_ack;
    std::function<void()> on_welcome;
  };
  PlayedAgent(asio::io_context& loop, AgentIdentity identity, std::string server,
              std::string server_key, std::uint64_t epoch, Hooks hooks);

  [[nodiscard]] Status connect();
  void use_mill(std::unique_ptr<ReportMill> mill) { mill_ = std::move(mill); }
  [[nodiscard]] ReportMill* mill() { return mill_.get(); }

  // One more report is due; it leaves when window and connection allow.
  void add_report(MonoTime due, UnixNanos created);
  // Sends what may be sent: at most `reports_max` reports, `window` unacknowledged.
  void send_due(std::size_t window, std::size_t reports_max);
  void send(const AgentMessage& message);
  void ping();

  [[nodiscard]] bool welcome() const { return welcome_; }
  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return identity_.name; }
  [[nodiscard]] std::uint64_t acked() const { return acked_; }
  [[nodiscard]] std::uint64_t last() const { return acked_ + waiting_.size(); }
  [[nodiscard]] std::size_t unacked() const { return waiting_.size(); }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] const AgentTotals& totals() const { return totals_; }

 private:
  struct Waiting {
    MonoTime due;
    UnixNanos created;
  };
  void on_message(std::span<const std::uint8_t> bytes);
  void on_state(MessageClient::State state);
  void say_hello();
  void acknowledge(std::uint64_t sequence);

  asio::io_context& loop_;
  AgentIdentity identity_;
  std::string server_;
  std::string server_key_;
  std::uint64_t epoch_;
  std::uint64_t run_id_;
  Hooks hooks_;
  std::unique_ptr<MessageClient> client_;
  std::unique_ptr<ReportMill> mill_;
  std::deque<Waiting> waiting_;  // sequences acked_ + 1 and on
  std::size_t in_flight_ = 0;    // of them, sent on this connection
  std::uint64_t acked_ = 0;
  bool welcome_ = false;
  NodeId id_;
  AgentTotals totals_;
};

}  // namespace linkpilot::fleet
