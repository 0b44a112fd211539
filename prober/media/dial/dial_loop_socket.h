// DialLoop: one epoll loop for thousands of dials, owned and turned by the caller. Descriptors and
// timers with handlers, one shared read buffer, and a watch on its own lateness.
//
// Handlers run inside `turn` only and may add, change and remove any watch or timer, their own
// included. A level-triggered loop: a handler reads at most a few buffers and comes again, so that
// one fast stream does not hold up the others. Times are read anew for each handler. `fd` is
// readable when a descriptor has work, so the loop nests in another one (which must also call
// `turn` at next_wakeup). One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/runtime/files.h"
#include "base/time.h"
#include "prober/media/dial/dial_report.h"

namespace linkpilot::prober {

struct Interest {
  bool read = true;
  bool write = false;
  friend bool operator==(const Interest&, const Interest&) = default;
};

struct Readiness {  // errors and hang-ups make a descriptor both
  bool read = false;
  bool write = false;
};

using ReadyHandler = std::function<void(Readiness)>;
using TimerHandler = std::function<void()>;

// How late the loop's own heartbeat fired, in quarter octaves of microseconds from 2^3: cumulative,
// so a dial takes a copy at its start and subtracts.
struct LagCounts {
  std::array<std::uint32_t, 96> counts{};
  void add(Duration lag);
  // Upper edge of the bucket below which a share q lies; counts of `before` are taken out.
  [[nodiscard]] Duration quantile(double q, const LagCounts& before) const;
};

// What a dial that ran between two copies of the counts may say of its own machine.
[[nodiscard]] ProbeHealth health_between(const LagCounts& before, const LagCounts& after);

class LoopTimer;
class TrustedContexts;

class DialLoop {
 public:
  static constexpr std::size_t kBufferOctets = 65536;
  // For the lag alone; oftener, it would wake a dial more than an HTTP server's media does.
  static constexpr Duration kHeartbeat = std::chrono::milliseconds(200);
  static constexpr Duration kOverloadedLag = std::chrono::milliseconds(20);

  [[nodiscard]] static Result<std::unique_ptr<DialLoop>> create();
  ~DialLoop();
  DialLoop(const DialLoop&) = delete;
  DialLoop& operator=(const DialLoop&) = delete;

  // Waits for at most `wait_max` for something to do, and does it. Returns early after any work.
  void turn(Duration wait_max);
  [[nodiscard]] int fd() const { return epoll_.get(); }
  [[nodiscard]] std::optional<MonoTime> next_wakeup() const;
  [[nodiscard]] Now now() { return clock_.now(); }

  // Valid within a handler until something else runs.
  [[nodiscard]] std::span<std::uint8_t> buffer() { return buffer_; }
  [[nodiscard]] const LagCounts& lag() const { return lag_; }
  [[nodiscard]] TrustedContexts& trust() { return *trust_; }

 private:
  friend class FdWatch;
  friend class LoopTimer;
  struct Watched {
    int fd = -1;
    std::shared_ptr<ReadyHandler> handler;
  };

  explicit DialLoop(UniqueFd epoll);
  [[nodiscard]] std::uint64_t add(int fd, Interest interest, ReadyHandler handler);
  void change(std::uint64_t id, Interest interest);
  void remove(std::uint64_t id);
  void schedule(LoopTimer* timer, std::optional<MonoTime> before, std::optional<MonoTime> at);
  void fire_timers();
  [[nodiscard]] int wait_ms(Duration wait_max);
  void beat();

  UniqueFd epoll_;
  SystemClock clock_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Watched> watched_;
  std::set<std::pair<MonoTime, LoopTimer*>> timers_;
  std::vector<std::uint8_t> buffer_;
  LagCounts lag_;
  std::unique_ptr<TrustedContexts> trust_;
  MonoTime next_beat_{};
  MonoTime turned_at_{};
};

// A descriptor on the loop; the descriptor is the owner's and must outlive the watch.
class FdWatch {
 public:
  FdWatch() = default;
  FdWatch(DialLoop& loop, int fd, Interest interest, ReadyHandler handler);
  ~FdWatch() { reset(); }
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  FdWatch(FdWatch&& other) noexcept { *this = std::move(other); }
  FdWatch& operator=(FdWatch&& other) noexcept;

  void want(Interest interest);  // no system call if nothing changes
  void reset();

 private:
  DialLoop* loop_ = nullptr;
  std::uint64_t id_ = 0;
  Interest interest_;
};

// One timer; set again, it moves.
class LoopTimer {
 public:
  LoopTimer(DialLoop& loop, TimerHandler handler) : loop_(loop), handler_(std::move(handler)) {}
  ~LoopTimer() { cancel(); }
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  void set(MonoTime at);
  void cancel();
  [[nodiscard]] std::optional<MonoTime> at() const { return at_; }

 private:
  friend class DialLoop;
  DialLoop& loop_;
  TimerHandler handler_;
  std::optional<MonoTime> at_;
};

}  // namespace linkpilot::prober
