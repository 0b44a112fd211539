#include "agent/uplink/uplink.h"

#include <type_traits>

namespace linkpilot::agent {

std::string_view to_string(UplinkState state) {
  switch (state) {
    case UplinkState::connecting:
      return "connecting";
    case UplinkState::greeting:
      return "greeting";
    case UplinkState::online:
      return "online";
    case UplinkState::refused:
      return "refused";
  }
  return "unknown";
}

void Uplink::on_new_transport(Now now) {
  state_ = UplinkState::connecting;
  hello_due_ = false;
  last_heard_ = now.mono;
}

void Uplink::on_connected(Now now) {
  state_ = UplinkState::greeting;
  hello_due_ = true;
  last_heard_ = now.mono;
}

void Uplink::on_disconnected(Now) {
  if (state_ != UplinkState::refused) state_ = UplinkState::connecting;
  hello_due_ = false;
}

void Uplink::on_message(const CollectorMessage& message, ReportSpool& spool, Now now) {
  last_heard_ = now.mono;
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, Welcome>) {
          state_ = UplinkState::online;
          refusal_.clear();
          next_ping_ = now.mono + options_.ping_interval;
          spool.acknowledge({spool.epoch(), m.acked_sequence});
          spool.rewind();
          // A collector that has just come knows nothing of what is dead: tell it again.
          for (auto& [link, pending] : alarms_) {
            pending.repeats_left = options_.alarm_repeats;
            pending.next = now.mono;
          }
        } else if constexpr (std::is_same_v<M, ReportAck>) {
          spool.acknowledge(m.up_to);
        } else if constexpr (std::is_same_v<M, Refused>) {
          state_ = UplinkState::refused;
          refusal_ = m.reason;
          refused_until_ = now.mono + options_.refused_pause;
        }
      },
      message);
}

void Uplink::raise(const Alarm& alarm, Now now) {
  if (!alarms_.contains(alarm.link) && alarms_.size() >= options_.alarms_max) return;
  alarms_[alarm.link] = {alarm, options_.alarm_repeats, now.mono};
}

void Uplink::send_alarms(Now now, const SendMessage& send) {
  if (state_ != UplinkState::online) return;
  for (auto it = alarms_.begin(); it != alarms_.end();) {
    PendingAlarm& pending = it->second;
    if (pending.repeats_left > 0 && now.mono >= pending.next && send(pending.alarm)) {
      --pending.repeats_left;
      pending.next = now.mono + options_.alarm_repeat;
    }
    const bool over = pending.repeats_left == 0 && pending.alarm.state == LinkState::alive;
    it = over ? alarms_.erase(it) : std::next(it);
  }
}

void Uplink::send_hello(const Greeting& greeting, std::uint64_t epoch, const SendMessage& send) {
  Hello hello;
  hello.kind = ClientKind::agent;
  hello.self = greeting.self;
  hello.report_epoch = epoch;
  hello.run_id = greeting.run_id;
  hello.software = greeting.software;
  hello.loaded = greeting.loaded;
  hello.plan_version = greeting.plan_version;
  hello_due_ = !send(hello);
}

void Uplink::send_ping(Now now, const SendMessage& send) {
  if (state_ != UplinkState::online || now.mono < next_ping_) return;
  if (send(Ping{++pings_, now.wall})) next_ping_ = now.mono + options_.ping_interval;
}

void Uplink::send_reports(ReportSpool& spool, const SendBytes& send) {
  if (state_ != UplinkState::online) return;
  for (std::uint32_t i = 0; i < options_.reports_per_turn; ++i) {
    const auto bytes = spool.next();
    if (bytes.empty() || !send(bytes)) return;
    spool.sent();
  }
}

bool Uplink::wants_new_transport(Now now) const {
  if (state_ == UplinkState::refused) return now.mono >= refused_until_;
  return now.mono - last_heard_ > options_.silence_max;
}

}  // namespace linkpilot::agent
