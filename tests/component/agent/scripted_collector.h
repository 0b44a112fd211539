// A collector that does what the test says: enrols keys, welcomes, answers pings, acknowledges
// reports, hands out plans and tables, and keeps all that it hears. On the test's own loop.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/message.h"
#include "base/runtime/message_socket.h"

namespace linkpilot::test {

class ScriptedCollector {
 public:
  struct Client {
    NodeId id;
    std::string name;
    std::string connection;  // of its last message
    std::vector<Hello> hellos;
    std::vector<Report> reports;
    std::vector<Alarm> alarms;
    std::vector<TableAck> table_acks;
    std::vector<PlanAck> plan_acks;
    std::vector<ProbeResult> probe_results;
    std::vector<ReportsGone> gone;
    std::vector<AgentStatus> statuses;
    std::vector<Bye> byes;
    std::uint64_t pings = 0;
    std::optional<Plan> plan;  // sent after Welcome
    std::optional<SignedTable> table;
  };

  explicit ScriptedCollector(asio::io_context& loop);

  Client& enrol(const std::string& public_key, NodeId id, const std::string& name);
  [[nodiscard]] Client& client(const std::string& public_key) { return clients_.at(public_key); }
  void send(const Client& to, const CollectorMessage& message);
  void send_bytes(const Client& to, std::span<const std::uint8_t> bytes);

  // Gone, and back at the same address: with the same key, or another one.
  void close();
  void open(std::optional<CurveKeyPair> keys = std::nullopt);

  // Runs the loop until `condition` holds; false after `patience`.
  bool wait(const std::function<bool()>& condition,
            std::chrono::milliseconds patience = std::chrono::seconds(20));
  void run_for(std::chrono::milliseconds length);

  [[nodiscard]] std::string endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& public_key() const { return keys_.public_key; }
  [[nodiscard]] const SigningKey& signing_key() const { return signing_key_; }
  [[nodiscard]] SignedTable sign_table(const RouteTable& table) const;

  bool acknowledge_reports = true;
  std::string refuse_with;  // not empty: every Hello is refused

 private:
  void listen(const std::string& bind);
  void on_message(const PeerId& from, std::span<const std::uint8_t> bytes);

  asio::io_context& loop_;
  CurveKeyPair keys_ = make_curve_key_pair();
  SigningKey signing_key_ = make_signing_key();
  std::mutex mutex_;  // guards allowed_
  std::set<std::string> allowed_;
  std::map<std::string, Client> clients_;
  std::string endpoint_;
  std::unique_ptr<MessageServer> server_;
};

}  // namespace linkpilot::test
