// The emulation thread: moves packets between the devices and the core at the right moment.
// Real-time priority and a short spin before each deadline, because a half-loaded core costs an
// ordinary thread 2.6 ms at p99 and a sleeping one its 20-50 us to wake (measured; 17/60 us with
// both at 4-10 k/s). Beyond kSpinPacketsPerSecondMax, or when the thread uses too much of its core,
// it stops spinning: the kernel halts real-time threads that take more than 95 % of a core for 50
// ms at a time.
//
// It measures itself: lateness = moment of the write - moment due.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/sketch.h"
#include "base/time.h"
#include "tools/lab/ledger_file.h"
#include "tools/lab/thread_door.h"
#include "tools/lab/wan.h"

namespace linkpilot::lab {

inline constexpr double kSpinPacketsPerSecondMax = 20'000;
inline constexpr double kCoreShareMax = 0.8;
// A second is noisy if its p99 was later than the first (on a quiet machine it repeats below 0.2
// ms), and overloaded if its p90 was later than the second or anything was lost.
inline constexpr Duration kNoisyLateness = std::chrono::microseconds(500);
inline constexpr Duration kOverloadedLateness = std::chrono::milliseconds(5);

struct EmulatorHealth {
  LatencySketch late;  // since the start or the last reset
  Duration late_max{};
  std::uint64_t seconds = 0;
  std::uint64_t seconds_noisy = 0;
  std::uint64_t seconds_overloaded = 0;
  bool noisy = false;  // the second before
  bool overloaded = false;
  bool spinning = false;
  bool real_time = false;
  double packets_per_s = 0;  // of the second before
  double core_share = 0;     // of one core, by this thread, in the second before
};

class Emulator {
 public:
  struct Options {
    bool real_time = true;
    Duration spin = std::chrono::microseconds(70);
  };
  // All must outlive the object. `devices` in node order. The thread starts at once.
  Emulator(Wan& wan, std::vector<int> devices, LedgerFile& ledger, ThreadDoor& door,
           const Options& options);
  // Stops the thread; packets still on their way are not delivered.
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  // On the emulation thread only (through the door).
  [[nodiscard]] const EmulatorHealth& health() const { return health_; }
  void reset_lateness();

 private:
  struct Window {  // what a judgement of the last 100 ms or 1 s is made from
    MonoTime start;
    std::uint64_t packets = 0;
    Duration cpu{};
  };
  void run();
  void become_real_time();
  void wait(int epoll);
  void read_device(NodeIndex node);
  void deliver_due();
  void judge_spin(MonoTime now);
  void judge_second(Now now);

  Wan& wan_;
  std::vector<int> devices_;
  LedgerFile& ledger_;
  ThreadDoor& door_;
  Options options_;
  EmulatorHealth health_;
  LatencySketch late_second_;
  Window spin_window_;
  Window second_window_;
  std::uint64_t overloaded_drops_seen_ = 0;
  std::uint64_t lost_records_seen_ = 0;
  bool may_spin_ = true;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace linkpilot::lab
