// Poster: the thread that tells an Alertmanager and a webhook of faults. What waits is in an
// AlertBoard and a HookQueue (both bounded); what became of each delivery is told to `on_settled`,
// which comes on this thread.
//
// All but `start` and `stop` are for any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collector/notify/alert_board.h"
#include "collector/notify/hook_queue.h"

namespace linkpilot::collector {

struct SinkFigures {
  bool alerts_enabled = false;
  std::uint64_t alerts = 0;
  std::uint64_t alerts_waiting = 0;  // news that the server has not taken yet
  AlertCounters alert_counters;
  std::string alert_trouble;  // of the last post; empty: none
  bool hook_enabled = false;
  std::uint64_t hook_waiting = 0;
  HookCounters hook_counters;
};

class Poster {
 public:
  using OnSettled = std::function<void(HookSettled)>;

  Poster(AlertSettings alerts, HookSettings hook, OnSettled on_settled);
  ~Poster();
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  void start();
  void stop();

  void note(const Fault& fault, const FaultBackground& background, const std::string& runbook);
  // Returns the ids that had to go to make room.
  std::vector<std::string> deliver(HookDelivery delivery);
  void set_settings(const AlertSettings& alerts, const HookSettings& hook);
  [[nodiscard]] SinkFigures figures() const;

 private:
  void run();
  // mutex_ held; gives it back while it posts.
  bool post_alerts(std::unique_lock<std::mutex>& lock);
  bool post_delivery(std::unique_lock<std::mutex>& lock);

  const OnSettled on_settled_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  AlertSettings alert_settings_;  // all guarded by mutex_
  HookSettings hook_settings_;
  AlertBoard board_;
  HookQueue hooks_;
  std::string alert_trouble_;
  bool stopping_ = false;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace linkpilot::collector
