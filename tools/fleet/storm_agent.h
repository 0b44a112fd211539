// One agent of a reconnect storm: the agent's own uplink and spool cores (agent/uplink,
// agent/spool) over a real socket, with their own delays, windows and pace. Played are the
// measuring and the disk: what the spool reads back is made again when it is asked for
// (ReportMill).
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/spool/report_spool.h"
#include "agent/uplink/uplink.h"
#include "base/runtime/message_socket.h"
#include "tools/fleet/played_agent.h"
#include "tools/fleet/report_mill.h"

namespace linkpilot::fleet {

class StormAgent {
 public:
  StormAgent(asio::io_context& loop, AgentIdentity identity, std::string server,
             std::string server_key, std::uint64_t epoch);

  // As often as an agent's tick.
  void tick(Now now);
  // Once it has its number.
  void use_mill(std::unique_ptr<ReportMill> mill) { mill_ = std::move(mill); }
  [[nodiscard]] ReportMill* mill() { return mill_.get(); }
  // This many more reports lie in the spool.
  void spool(std::uint64_t reports);
  void raise(const Alarm& alarm, Now now) { uplink_.raise(alarm, now); }

  [[nodiscard]] bool online() const { return uplink_.online(); }
  // Since it was last welcome: when that was, and when the first report after it was acknowledged.
  [[nodiscard]] UnixNanos online_since() const { return online_since_; }
  [[nodiscard]] std::optional<UnixNanos> first_ack() const { return first_ack_; }
  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return identity_.name; }
  [[nodiscard]] std::uint64_t acked() const { return acked_; }
  [[nodiscard]] std::uint64_t spooled() const { return spooled_; }
  [[nodiscard]] std::uint64_t ack_timeouts() const { return uplink_.ack_timeouts(); }

 private:
  void connect(Now now);
  void on_bytes(std::span<const std::uint8_t> bytes);
  void on_state(MessageClient::State state);
  void note_acked(std::uint64_t sequence, Now now);
  void read_spool();

  asio::io_context& loop_;
  AgentIdentity identity_;
  std::string server_;
  std::string server_key_;
  std::uint64_t epoch_;
  agent::Uplink uplink_;
  agent::ReportSpool spool_;
  std::unique_ptr<ReportMill> mill_;
  std::unique_ptr<MessageClient> client_;
  std::uint64_t spooled_ = 0;  // sequences 1 and on; also their positions
  std::uint64_t acked_ = 0;
  UnixNanos online_since_;
  std::optional<UnixNanos> first_ack_;
  NodeId id_;
};

}  // namespace linkpilot::fleet
