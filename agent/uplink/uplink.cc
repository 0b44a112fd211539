#include "agent/uplink/uplink.h"

#include <algorithm>
#include <type_traits>

namespace linkpilot::agent {

namespace {
constexpr std::size_t kEpochsToldMax = 64;  // forgetting one costs a repeated ReportsGone
}  // namespace

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

void Uplink::on_new_transport(std::size_t choices, Now now) {
  state_ = UplinkState::connecting;
  choices_ = std::max<std::size_t>(choices, 1);
  hello_due_ = false;
  retry_at_.reset();
  last_heard_ = now.mono;
}

void Uplink::on_connected(Now now) {
  state_ = UplinkState::greeting;
  hello_due_ = true;
  retry_at_.reset();
  last_heard_ = now.mono;
}

void Uplink::on_disconnected(Now now) {
  hello_due_ = false;
  if (state_ == UplinkState::refused) return;
  if (!retry_at_) {
    const bool stood = state_ == UplinkState::online;
    failures_ = stood ? 0 : failures_ + 1;
    retry_at_ = now.mono + retry_delay(stood);
  }
  state_ = UplinkState::connecting;
}

Duration Uplink::retry_delay(bool stood) {
  const auto some_of = [&](Duration span) {
    return Duration(static_cast<std::int64_t>(rng_.uniform() * static_cast<double>(span.count())));
  };
  if (stood) return some_of(options_.spread);
  // Within a round of all addresses there is nothing to wait for.
  if (failures_ % choices_ != 0) return some_of(options_.spread / 5);
  const std::uint64_t round = std::min<std::uint64_t>(failures_ / choices_ - 1, 16);
  const Duration span = std::min(options_.retry * (std::int64_t{1} << round), options_.retry_max);
  return span / 2 + some_of(span / 2);
}

void Uplink::on_message(const CollectorMessage& message, ReportSpool& spool, Now now) {
  last_heard_ = now.mono;
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, Welcome>) {
          on_welcome(m, spool, now);
        } else if constexpr (std::is_same_v<M, ReportAck>) {
          spool.acknowledge(m.up_to);
        } else if constexpr (std::is_same_v<M, ResendFrom>) {
          spool.resend(m.first);
          std::uint64_t& told = told_[m.first.epoch];
          told = std::min(told, m.first.sequence == 0 ? 0 : m.first.sequence - 1);
        } else if constexpr (std::is_same_v<M, ByeAck>) {
          if (leave_) leave_->acknowledged = true;
        } else if constexpr (std::is_same_v<M, Refused>) {
          state_ = UplinkState::refused;
          refusal_ = m.reason;
          refused_until_ = now.mono + options_.refused_pause;
        }
      },
      message);
}

void Uplink::on_welcome(const Welcome& welcome, ReportSpool& spool, Now now) {
  state_ = UplinkState::online;
  refusal_.clear();
  failures_ = 0;
  next_ping_ = now.mono + options_.ping_interval;
  spool.acknowledge({hello_epoch_, welcome.acked_sequence});
  spool.rewind();
  acknowledgements_ = spool.acknowledgements();
  told_.clear();
  told_[hello_epoch_] = welcome.acked_sequence;
  window_ = 1;
  ack_wait_ = options_.ack_timeout;
  progress_at_ = credit_at_ = now.mono;
  credit_ = options_.report_octets_burst;
  // A collector that has just come knows nothing of what is dead: tell it again.
  for (auto& [link, pending] : alarms_) {
    pending.repeats_left = options_.alarm_repeats;
    pending.next = now.mono;
  }
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
  hello.report_epoch = hello_epoch_ = epoch;
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

void Uplink::send_reports(ReportSpool& spool, Now now, const SendMessage& send,
                          const SendBytes& send_bytes) {
  if (state_ != UplinkState::online) return;
  pace(spool, now);
  while (credit_ > 0) {
    const SpooledReport* report = spool.next();
    if (report == nullptr || !announce_gap(report->id, send) || !send_bytes(*report->bytes)) return;
    credit_ -= static_cast<double>(report->bytes->size());
    std::uint64_t& told = told_[report->id.epoch];
    told = std::max(told, report->id.sequence);
    spool.sent();
  }
}

// Window and credit of this turn.
void Uplink::pace(ReportSpool& spool, Now now) {
  const double elapsed = static_cast<double>((now.mono - credit_at_).count()) / 1e9;
  credit_ =
      std::min(credit_ + elapsed * options_.report_octets_per_second, options_.report_octets_burst);
  credit_at_ = now.mono;
  if (spool.acknowledgements() != acknowledgements_) {
    acknowledgements_ = spool.acknowledgements();
    window_ = std::min(2 * window_, options_.window_reports_max);
    ack_wait_ = options_.ack_timeout;
    progress_at_ = now.mono;
  } else if (spool.under_way() == 0) {
    progress_at_ = now.mono;
  } else if (now.mono - progress_at_ > ack_wait_) {
    spool.rewind();
    window_ = 1;
    ack_wait_ = std::min(2 * ack_wait_, options_.ack_timeout_max);
    progress_at_ = now.mono;
    ++ack_timeouts_;
  }
  spool.set_window(window_);
}

// Ahead of the first report of an epoch, and where sequences skip: those between will not come.
// False: there was no room to say so.
bool Uplink::announce_gap(ReportId id, const SendMessage& send) {
  const auto told = told_.find(id.epoch);
  if (told != told_.end() && id.sequence <= told->second + 1) return true;
  if (id.sequence <= 1) return true;
  if (told_.size() >= kEpochsToldMax && told == told_.end()) told_.erase(told_.begin());
  if (!send(ReportsGone{{id.epoch, id.sequence - 1}})) return false;
  told_[id.epoch] = id.sequence - 1;
  return true;
}

void Uplink::take_leave(ByeReason reason, Now now) {
  if (!leave_) leave_ = Leave{{reason}, now.mono + options_.leave_max, false, false};
}

void Uplink::send_bye(const SendMessage& send) {
  if (state_ == UplinkState::online && leave_ && !leave_->sent) leave_->sent = send(leave_->bye);
}

bool Uplink::has_left(const ReportSpool& spool, Now now) const {
  if (!leave_) return false;
  if (state_ != UplinkState::online || now.mono >= leave_->until) return true;
  return leave_->acknowledged && spool.waiting() == 0 && spool.ready() == 0;
}

bool Uplink::wants_new_transport(Now now) const {
  if (state_ == UplinkState::refused) return now.mono >= refused_until_;
  if (retry_at_) return now.mono >= *retry_at_;
  return now.mono - last_heard_ > options_.silence_max;
}

}  // namespace linkpilot::agent
