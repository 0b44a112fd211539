#include "collector/daemon/entrances.h"

#include "base/message.h"

namespace linkpilot::collector {

namespace {

Result<std::unique_ptr<MessageServer>> open_one(asio::io_context& loop,
                                                const CollectorConfig& config,
                                                const std::string& bind, const std::string& key,
                                                char name, const MessageServer::Allow& allow,
                                                const MessageServer::OnMessage& on_message) {
  Result<CurveKeyPair> curve = load_curve_key_pair(key);
  if (!curve) return fail(curve.error());
  MessageServer::Options options;
  options.bind = bind;
  options.keys = *std::move(curve);
  options.io_threads = config.listen.io_threads;
  options.message_bytes_max = kMessageBytesMax;
  return MessageServer::create(
      loop, options, allow,
      [name, on_message](const PeerId& from, std::span<const std::uint8_t> bytes) {
        PeerId named = from;
        named.connection.insert(named.connection.begin(), name);
        on_message(named, bytes);
      });
}

}  // namespace

Result<std::unique_ptr<Entrances>> Entrances::open(asio::io_context& loop,
                                                   const CollectorConfig& config,
                                                   const MessageServer::Allow& allow,
                                                   const MessageServer::OnMessage& on_message) {
  auto entrances = std::make_unique<Entrances>();
  auto first =
      open_one(loop, config, config.listen.agents, config.keys.curve_file, '0', allow, on_message);
  if (!first) return fail(first.error().in("[listen] agents, [keys] curve_file"));
  entrances->servers_.push_back(*std::move(first));
  if (config.listen.agents_next.empty()) return entrances;
  auto next = open_one(loop, config, config.listen.agents_next, config.keys.curve_next_file, '1',
                       allow, on_message);
  if (!next) return fail(next.error().in("[listen] agents_next, [keys] curve_next_file"));
  entrances->servers_.push_back(*std::move(next));
  return entrances;
}

bool Entrances::send(const std::string& connection, std::span<const std::uint8_t> bytes) {
  if (connection.empty() || connection.front() < '0') return false;
  const auto index = static_cast<std::size_t>(connection.front() - '0');
  return index < servers_.size() && servers_[index]->send(connection.substr(1), bytes);
}

void Entrances::disconnect(const TransportId& transport) {
  servers_.front()->disconnect(transport);
}

std::string Entrances::next_endpoint() const {
  return servers_.size() > 1 ? servers_[1]->bound_endpoint() : "";
}

SocketCounters Entrances::counters() const {
  SocketCounters sum;
  for (const auto& server : servers_) {
    const SocketCounters one = server->counters();
    sum.messages_received += one.messages_received;
    sum.messages_sent += one.messages_sent;
    sum.dropped_queue_full += one.dropped_queue_full;
    sum.dropped_unroutable += one.dropped_unroutable;
    sum.refused_malformed += one.refused_malformed;
    sum.refused_keys += one.refused_keys;
    sum.disconnected += one.disconnected;
  }
  return sum;
}

}  // namespace linkpilot::collector
