// The talking half of the Agent: what the collector says, and what is said to it.
#include <utility>

#include "agent/daemon/agent.h"
#include "base/runtime/log.h"
#include "schemas/codec.h"

namespace linkpilot::agent {

namespace {

constexpr std::size_t kOutboxMax = 64;
constexpr std::size_t kTablesWaitingMax = 8;
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
          // The oldest of those that wait is superseded by what comes after it anyway.
          if (tables_waiting_.size() >= kTablesWaitingMax)
            tables_waiting_.erase(++tables_waiting_.begin());
          tables_waiting_.push_back(m);
          load_next_table(now);
        } else if constexpr (std::is_same_v<M, ProbeRequest>) {
          on_probe_request(m, now);
        } else if constexpr (std::is_same_v<M, ReportAck>) {
          if (!std::exchange(acknowledged_, true)) {
            log_event(LogLevel::info, "first_report_acknowledged",
                      {{"after", format_duration(now.mono - started_.mono)}});
          }
        } else if constexpr (std::is_same_v<M, PeerAway>) {
          detector_.hold(m.node, m.grace, now);
          log_event(LogLevel::info, m.grace > Duration::zero() ? "peer_restarts" : "peer_is_back",
                    {{"peer", plan_.name_of(m.node)}, {"grace", format_duration(m.grace)}});
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
  link_.settle();
  status_due_ = true;
  if (Status became = become(welcome.id, now); !became) give_up(std::move(became));
}

// One table at a time: the next is judged against what this one leaves in use.
void Agent::load_next_table(Now now) {
  if (loading_table_ || tables_waiting_.empty()) return;
  const auto judged = std::make_shared<route_client::TableStore::Judged>(
      tables_.judge(tables_waiting_.front(), now.wall));
  loading_table_ = files_.run([this, judged, path = tables_.options().path] {
    Status written = route_client::TableStore::write(path, *judged);
    return [this, judged, written = std::move(written)] {
      const Now later = clock_.now();
      loading_table_ = false;
      tables_waiting_.pop_front();
      on_table_loaded(tables_.adopt(std::move(*judged), written, later.wall), later);
      load_next_table(later);
    };
  });
}

void Agent::on_table_loaded(const TableAck& ack, Now now) {
  if (ack.accepted) {
    log_event(LogLevel::debug, "table_loaded", {{"version", text_of(ack.in_use)}});
  } else {
    ++tables_refused_;
    note("table_refused", "version=" + text_of(ack.version) + " reason=" + ack.reason, now,
         LogLevel::warn);
  }
  queue(ack);
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
                 {"hint", "linkpilot agent enrol " + config_.self.name + " --file " +
                              config_.key_file + ".pub, or correct collector.public_key_file"}});
      uplink_.on_disconnected(now);
      break;
  }
}

void Agent::connect(Now now) {
  if (Status connected = link_.connect_next(); !connected) {
    log_event(LogLevel::error, "connect_failed", {{"reason", connected.error().message}});
  }
  uplink_.on_new_transport(link_.choices(), now);
}

// Alarms ahead of everything else.
void Agent::converse(Now now) {
  if (link_.address().empty() || uplink_.wants_new_transport(now)) {
    if (!link_.address().empty() && uplink_.silent(now)) {
      log_event(LogLevel::warn, "collector_silent", {{"address", link_.address()}});
    }
    connect(now);
  }
  const SendMessage send = [this](const AgentMessage& message) { return link_.send(message); };
  uplink_.send_bye(send);
  uplink_.send_alarms(now, send);
  if (uplink_.hello_due()) {
    const Greeting greeting{config_.self, run_id_, std::string(kSoftware), tables_.version(),
                            plan_.version()};
    uplink_.send_hello(greeting, numbers_.epoch(), send);
  }
  uplink_.send_ping(now, send);
  if (!uplink_.online()) return;
  while (!outbox_.empty() && link_.send(outbox_.front())) outbox_.pop_front();
  send_status(now);
  uplink_.send_reports(spool_, now, send,
                       [this](std::span<const std::uint8_t> b) { return link_.send(b); });
}

void Agent::queue(AgentMessage message) {
  if (outbox_.size() >= kOutboxMax) {
    outbox_.pop_front();
    ++messages_dropped_;
  }
  outbox_.push_back(std::move(message));
}

}  // namespace linkpilot::agent
