// PushPacer: when a push sends which tag, and what its report says of how the server took them.
//
//   pacer.begin(now);                                      the server's word to publish
//   while (auto tag = pacer.take_due(now)) pacer.note(queue(*tag));
//   pacer.on_offered(taken, left, now);                    after the queue was offered to the
//   socket wake at pacer.next_wakeup();
//
// Each tag goes at its own time, whatever else the loop does: a pacer that gathered what is due
// would make the bursts it is to find. Sans-I/O. Single thread.
#pragma once

#include <optional>

#include "base/time.h"
#include "prober/media/dial/dial_report.h"
#include "prober/media/dial/push_feeder.h"

namespace linkpilot::prober {

class PushPacer {
 public:
  static constexpr Duration kStuckAfter = std::chrono::seconds(5);

  explicit PushPacer(PushFeeder feeder) : feeder_(std::move(feeder)) {}

  // Again for a connection that follows the first: the stream goes on from here, with its
  // configurations and without making up for the time between.
  void begin(MonoTime at);
  [[nodiscard]] std::optional<MonoTime> began() const { return began_; }  // the first time
  [[nodiscard]] std::optional<OwnedTag> take_due(Now now);
  // Of the tag just taken: its octets, or nothing if the queue was full.
  void note(std::optional<std::size_t> queued);
  // How many octets of the queue the socket took, and how many are left.
  void on_offered(std::size_t taken, std::size_t left, MonoTime now);
  // The server takes nothing at all, for so long that it never will.
  [[nodiscard]] bool is_stuck(MonoTime now) const;
  [[nodiscard]] std::optional<MonoTime> next_wakeup() const;

  PushReport report;  // all but what is counted here is the dial's to fill

 private:
  PushFeeder feeder_;
  std::optional<MonoTime> began_;
  MonoTime origin_{};  // the time of the feeder's zero
  std::optional<MonoTime> waiting_since_;
  MonoTime moved_at_{};
};

}  // namespace linkpilot::prober
