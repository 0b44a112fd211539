// The talking half of the Agent: what the collector says, and what is said to it.
#include <utility>

#include "agent/daemon/agent.h"
#include "base/runtime/log.h"
#include "schemas/codec.h"

namespace linkpilot::agent {

namespace {

constexpr std::size_t kOutboxMax = 64;
constexpr std::string_view kSoftware = "linkpilot-agent " LINKPILOT_VERSION;

std::string text_of(TableVersion version) {
  return std::to_string(version.epoch) + "/" + std::to_string(version.version);
}

}  // namespace

void Agent::on_bytes(std::span<const std::uint8_t> bytes) {
  const Now now = clock_.now();
  const auto message = schemas::decode_collector_message(bytes);
  if (!message) {
    log_event(LogLevel::warn, "message_refused", {{"reason", message.error().message}});
    return;
  }
  on_message(*message, now);
}

void Agent::on_message(const CollectorMessage& message, Now now) {
  uplink_.on_message(message, spool_, now);
  if (uplink_.online()) plan_.touch(now);
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, Welcome>) {
          on_welcome(m, now);
        } else if constexpr (std::is_same_v<M, Plan>) {
          on_plan(m, now);
        } else if constexpr (std::is_same_v<M, SignedTable>) {
          on_table(m, now);
        } else if constexpr (std::is_same_v<M, ProbeRequest>) {
          on_probe_request(m, now);
        } else if constexpr (std::is_same_v<M, Refused>) {
          note("collector_refused", m.reason, now, LogLevel::error);
        }
      },
      message);
}

void Agent::on_welcome(const Welcome& welcome, Now now) {
  log_event(LogLevel::info, "collector_welcome",
            {{"collector", welcome.collector},
             {"address", link_.address()},
             {"node", std::to_string(welcome.id.value)},
             {"name", welcome.name}});
  if (welcome.name != config_.self.name) {
    note("name_differs", "ours=" + config_.self.name + " enrolled=" + welcome.name, now,
         LogLevel::warn);
  }
  if (welcome.id.value == 0) {
    note("welcome_without_number", "", now, LogLevel::warn);
    return;
  }
  if (Status became = become(welcome.id, now); !became) give_up(std::move(became));
}

void Agent::on_table(const SignedTable& table, Now now) {
  TableAck ack = tables_.accept(table, now.wall);
  if (ack.accepted) {
    log_event(LogLevel::debug, "table_loaded", {{"version", text_of(ack.in_use)}});
  } else {
    note("table_refused", "version=" + text_of(ack.version) + " reason=" + ack.reason, now,
         LogLevel::warn);
  }
  queue(std::move(ack));
}

void Agent::on_transport(MessageClient::State state) {
  const Now now = clock_.now();
  switch (state) {
    case MessageClient::State::connecting:
      break;
    case MessageClient::State::connected:
      uplink_.on_connected(now);
      break;
    case MessageClient::State::disconnected:
      // Each failed attempt to reconnect ends up here too: said once.
      if (uplink_.state() != UplinkState::connecting) {
        log_event(LogLevel::info, "collector_disconnected", {{"address", link_.address()}});
      }
      uplink_.on_disconnected(now);
      break;
    case MessageClient::State::handshake_refused:
      log_event(LogLevel::error, "collector_refused_key",
                {{"address", link_.address()},
                 {"hint", "enrol " + config_.key_file + ".pub at the collector as " +
                              config_.self.name + ".pub, or correct collector.public_key_file"}});
      uplink_.on_disconnected(now);
      break;
  }
}

// Alarms ahead of everything else.
void Agent::converse(Now now) {
  if (link_.address().empty() || uplink_.wants_new_transport(now)) {
    if (!link_.address().empty() && uplink_.state() != UplinkState::refused) {
      log_event(LogLevel::warn, "collector_silent", {{"address", link_.address()}});
    }
    if (Status connected = link_.connect_next(); !connected) {
      log_event(LogLevel::error, "connect_failed", {{"reason", connected.error().message}});
    }
    uplink_.on_new_transport(now);
  }
  const SendMessage send = [this](const AgentMessage& message) { return link_.send(message); };
  uplink_.send_alarms(now, send);
  if (uplink_.hello_due()) {
    const Greeting greeting{config_.self, run_id_, std::string(kSoftware), tables_.version(),
                            plan_.version()};
    uplink_.send_hello(greeting, spool_.epoch(), send);
  }
  uplink_.send_ping(now, send);
  if (!uplink_.online()) return;
  while (!outbox_.empty() && link_.send(outbox_.front())) outbox_.pop_front();
  uplink_.send_reports(spool_, [this](std::span<const std::uint8_t> b) { return link_.send(b); });
}

void Agent::queue(AgentMessage message) {
  if (outbox_.size() >= kOutboxMax) outbox_.pop_front();
  outbox_.push_back(std::move(message));
}

}  // namespace linkpilot::agent
