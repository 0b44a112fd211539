#include "collector/notify/alert_board.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "collector/notify/mime.h"

namespace linkpilot::collector {

namespace {

using Json = nlohmann::json;

constexpr Duration kRetryMin = std::chrono::seconds(1);

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void put(Json& labels, const char* name, std::string_view value) {
  if (!value.empty()) labels[name] = clean_line(value);
}

std::string labels_of(const Fault& fault, const FaultBackground& background) {
  Json labels = Json::object();
  put(labels, "alertname", "LinkPilotFault");
  put(labels, "fault", fault.id);
  put(labels, "severity", to_string(severity_of(fault.scope, fault.grade)));
  put(labels, "scope", to_string(fault.scope));
  put(labels, "subject", subject_of(fault));
  put(labels, "vendor", fault.vendor);
  put(labels, "region",
      fault.region.empty() && !background.regions.empty() ? background.regions.front()
                                                          : fault.region);
  return dumped(labels);
}

std::string annotations_of(const Fault& fault, const std::string& runbook) {
  Json out = Json::object();
  put(out, "summary", fmt::format("{}: {}", subject_of(fault), to_string(fault.grade)));
  put(out, "description", fault.open() ? fault.detail : fault.outcome);
  put(out, "grade", to_string(fault.grade));
  put(out, "runbook_url", runbook);
  return dumped(out);
}

}  // namespace

void AlertBoard::set_settings(const AlertSettings& settings) {
  settings_ = settings;
  attempts_ = 0;
  not_before_ = MonoTime{};
  if (settings_.url.empty()) alerts_.clear();
}

bool AlertBoard::make_room() {
  if (alerts_.size() < kAlertsMax) return true;
  ++counters_.dropped;
  auto oldest = alerts_.end();
  for (auto it = alerts_.begin(); it != alerts_.end(); ++it) {
    const bool over = it->second.resolved.ns != 0;
    if (over && (oldest == alerts_.end() || it->second.resolved < oldest->second.resolved)) {
      oldest = it;
    }
  }
  if (oldest == alerts_.end()) return false;
  alerts_.erase(oldest);
  return true;
}

void AlertBoard::note(const Fault& fault, const FaultBackground& background,
                      const std::string& runbook, MonoTime now) {
  if (settings_.url.empty()) return;
  auto found = alerts_.find(fault.id);
  if (found == alerts_.end()) {
    if (!fault.open() && fault.events <= 1) return;
    if (!make_room()) return;
    found = alerts_.try_emplace(fault.id).first;
    found->second.labels = labels_of(fault, background);
  }
  // Labels are what tells one alert from another: with others it is another, and the old one over.
  std::string labels = labels_of(fault, background);
  // Without room for that the old one ends by itself.
  if (fault.open() && labels != found->second.labels) {
    if (make_room()) {
      Alert old = found->second;
      old.resolved = fault.updated;
      old.next = now;
      old.change = ++changes_;
      alerts_[fmt::format("{}#{}", fault.id, old.change)] = std::move(old);
    }
    found->second.labels = std::move(labels);
  }
  Alert& alert = found->second;
  alert.annotations = annotations_of(fault, runbook);
  alert.since = fault.since;
  alert.resolved = fault.resolved;
  alert.next = now;
  alert.change = ++changes_;
  alert.news = true;
}

std::size_t AlertBoard::waiting() const {
  return static_cast<std::size_t>(std::count_if(alerts_.begin(), alerts_.end(),
                                                [](const auto& each) { return each.second.news; }));
}

std::optional<AlertPush> AlertBoard::due(Now now) {
  if (settings_.url.empty() || now.mono < not_before_) return std::nullopt;
  AlertPush push;
  for (const auto& [id, alert] : alerts_) {
    if (alert.next > now.mono) continue;
    const UnixNanos ends =
        alert.resolved.ns != 0
            ? std::max(alert.resolved, alert.since + std::chrono::milliseconds(1))
            : now.wall + kLivesRefreshes * settings_.refresh_interval;
    push.body += fmt::format(R"({}{{"labels":{},"annotations":{},"startsAt":"{}","endsAt":"{}"}})",
                             push.alerts.empty() ? "[" : ",", alert.labels, alert.annotations,
                             format_utc(alert.since), format_utc(ends));
    push.alerts.emplace_back(id, alert.change);
    if (push.alerts.size() >= kBatchMax) break;
  }
  if (push.alerts.empty()) return std::nullopt;
  push.body += "]";
  return push;
}

std::optional<MonoTime> AlertBoard::next_due() const {
  if (settings_.url.empty()) return std::nullopt;
  std::optional<MonoTime> next;
  for (const auto& [id, alert] : alerts_) {
    const MonoTime at = std::max(alert.next, not_before_);
    if (!next || at < *next) next = at;
  }
  return next;
}

void AlertBoard::settle(const AlertPush& push, int status, MonoTime now) {
  const bool taken = status >= 200 && status < 300;
  const bool never = status >= 400 && status < 500 && status != 408 && status != 429;
  if (!taken && !never) {
    ++counters_.failed;
    Duration pause = kRetryMin;
    for (std::uint32_t i = 0; i < attempts_ && pause < kRetryMax; ++i) pause *= 2;
    ++attempts_;
    not_before_ = now + std::min(pause, kRetryMax);
    return;
  }
  attempts_ = 0;
  not_before_ = MonoTime{};
  if (never) ++counters_.refused;
  for (const auto& [id, change] : push.alerts) {
    const auto found = alerts_.find(id);
    if (found == alerts_.end() || found->second.change != change) continue;  // changed meanwhile
    if (taken) ++counters_.posted;
    if (found->second.resolved.ns != 0) {
      alerts_.erase(found);
    } else {
      found->second.next = now + settings_.refresh_interval;
      found->second.news = false;
    }
  }
}

}  // namespace linkpilot::collector
