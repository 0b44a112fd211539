#include "tests/component/agent/scripted_collector.h"

#include <utility>

#include "base/assert.h"
#include "schemas/codec.h"
#include "schemas/route_file_codec.h"

namespace linkpilot::test {

ScriptedCollector::ScriptedCollector(asio::io_context& loop) : loop_(loop) {
  listen("tcp://127.0.0.1:*");
}

void ScriptedCollector::close() { server_.reset(); }

void ScriptedCollector::open(std::optional<CurveKeyPair> keys) {
  if (keys) keys_ = *std::move(keys);
  listen(endpoint_);
}

void ScriptedCollector::listen(const std::string& bind) {
  MessageServer::Options options;
  options.bind = bind;
  options.keys = keys_;
  auto server = MessageServer::create(
      loop_, options,
      [this](const std::string& key, const std::string&) {
        const std::lock_guard lock(mutex_);
        return allowed_.contains(key);
      },
      [this](const PeerId& from, std::span<const std::uint8_t> bytes) { on_message(from, bytes); });
  LP_ASSERT(server);
  server_ = std::move(*server);
  endpoint_ = server_->bound_endpoint();
}

ScriptedCollector::Client& ScriptedCollector::enrol(const std::string& public_key, NodeId id,
                                                    const std::string& name) {
  const std::lock_guard lock(mutex_);
  allowed_.insert(public_key);
  Client& client = clients_[public_key];
  client.id = id;
  client.name = name;
  return client;
}

void ScriptedCollector::send(const Client& to, const CollectorMessage& message) {
  if (server_) server_->send(to.connection, schemas::encode(message));
}

void ScriptedCollector::send_bytes(const Client& to, std::span<const std::uint8_t> bytes) {
  if (server_) server_->send(to.connection, bytes);
}

bool ScriptedCollector::wait(const std::function<bool()>& condition,
                             std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    run_for(std::chrono::milliseconds(10));
  }
  return true;
}

void ScriptedCollector::run_for(std::chrono::milliseconds length) {
  loop_.restart();
  loop_.run_for(length);
}

SignedTable ScriptedCollector::sign_table(const RouteTable& table) const {
  SignedTable signed_table;
  signed_table.node = table.node;
  signed_table.version = table.version;
  signed_table.signer.assign(signing_key_.public_key.begin(), signing_key_.public_key.end());
  auto body = schemas::encode_route_file(table);
  LP_ASSERT(body);
  signed_table.body = std::move(*body);
  const Signature signature = sign(signing_key_, signed_table.body);
  signed_table.signature.assign(signature.begin(), signature.end());
  return signed_table;
}

void ScriptedCollector::on_message(const PeerId& from, std::span<const std::uint8_t> bytes) {
  const auto message = schemas::decode_agent_message(bytes);
  LP_ASSERT(message);
  Client& client = clients_.at(from.public_key);
  client.connection = from.connection;
  const UnixNanos now = SystemClock().now().wall;
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, Hello>) {
          client.hellos.push_back(m);
          if (!refuse_with.empty()) {
            send(client, Refused{refuse_with});
            return;
          }
          const std::uint64_t acked =
              client.reports.empty() ? 0 : client.reports.back().id.sequence;
          send(client, Welcome{client.id, client.name, "scripted", now, acked});
          if (client.plan) send(client, *client.plan);
          if (client.table) send(client, *client.table);
        } else if constexpr (std::is_same_v<M, Report>) {
          client.reports.push_back(m);
          if (acknowledge_reports) send(client, ReportAck{m.id});
        } else if constexpr (std::is_same_v<M, Alarm>) {
          client.alarms.push_back(m);
        } else if constexpr (std::is_same_v<M, TableAck>) {
          client.table_acks.push_back(m);
        } else if constexpr (std::is_same_v<M, PlanAck>) {
          client.plan_acks.push_back(m);
        } else if constexpr (std::is_same_v<M, Ping>) {
          ++client.pings;
          send(client, Pong{m.nonce, now});
        } else if constexpr (std::is_same_v<M, ProbeResult>) {
          client.probe_results.push_back(m);
        } else if constexpr (std::is_same_v<M, ReportsGone>) {
          client.gone.push_back(m);
        } else if constexpr (std::is_same_v<M, AgentStatus>) {
          client.statuses.push_back(m);
        } else if constexpr (std::is_same_v<M, Bye>) {
          client.byes.push_back(m);
          send(client, ByeAck{});
        }
      },
      *message);
}

}  // namespace linkpilot::test
