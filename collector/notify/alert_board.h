// AlertBoard: the open faults as an Alertmanager shall see them (its API v2, POST /api/v2/alerts).
// Each is posted when it opens or changes, again every `refresh_interval`, and once more when it is
// over. An alert ends by itself kLivesRefreshes refreshes after the last one, so a collector that
// dies leaves none behind. Pure: time comes in, bodies go out.
//
// Bounds: kAlertsMax alerts, kBatchMax in a body. When full, the oldest that is over goes first,
// then new ones are refused; both are counted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "collector/faults/fault.h"
#include "collector/notify/notice.h"
#include "collector/notify/sink_settings.h"

namespace linkpilot::collector {

struct AlertPush {
  std::string body;
  std::vector<std::pair<std::string, std::uint64_t>> alerts;  // fault and its change
};

struct AlertCounters {
  std::uint64_t posted = 0;   // alerts the server took
  std::uint64_t failed = 0;   // posts to be repeated
  std::uint64_t refused = 0;  // posts it will never take (4xx)
  std::uint64_t dropped = 0;  // alerts there was no room for
};

class AlertBoard {
 public:
  static constexpr std::size_t kAlertsMax = 2'048;
  static constexpr std::size_t kBatchMax = 64;
  static constexpr int kLivesRefreshes = 4;
  static constexpr Duration kRetryMax = std::chrono::minutes(1);

  explicit AlertBoard(AlertSettings settings) : settings_(std::move(settings)) {}
  void set_settings(const AlertSettings& settings);
  void note(const Fault& fault, const FaultBackground& background, const std::string& runbook,
            MonoTime now);
  [[nodiscard]] std::optional<AlertPush> due(Now now);
  [[nodiscard]] std::optional<MonoTime> next_due() const;
  // `status`: of HTTP; 0: it did not come to that.
  void settle(const AlertPush& push, int status, MonoTime now);

  [[nodiscard]] std::size_t size() const { return alerts_.size(); }
  [[nodiscard]] std::size_t waiting() const;  // changes the server has not taken yet
  [[nodiscard]] const AlertCounters& counters() const { return counters_; }

 private:
  struct Alert {
    std::string labels;  // JSON objects
    std::string annotations;
    UnixNanos since;
    UnixNanos resolved;  // zero: open
    MonoTime next;
    std::uint64_t change = 0;
    bool news = true;  // not taken yet
  };
  bool make_room();
  AlertSettings settings_;
  std::map<std::string, Alert> alerts_;  // by fault
  std::uint64_t changes_ = 0;
  std::uint32_t attempts_ = 0;
  MonoTime not_before_;
  AlertCounters counters_;
};

}  // namespace linkpilot::collector
