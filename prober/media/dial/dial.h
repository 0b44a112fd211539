// A Dial: one running test of one URL on a DialLoop of the caller's. RTMP(S) and HTTP(S)-FLV are
// the two implementations; make_dial chooses by the URL's scheme.
//
//   auto loop = DialLoop::create().value();
//   auto dial = make_dial(*loop, request);
//   dial->start();
//   while (!dial->done()) loop->turn(std::chrono::milliseconds(100));
//   print(dial->report());
//
// A dial never fails to be made: a URL that cannot be parsed is a report with a failure. It ends by
// itself; `stop` ends it in order before that. One thread, that of the loop, which must outlive it.
#pragma once

#include <array>
#include <memory>

#include "base/time.h"
#include "prober/media/dial/dial_report.h"
#include "prober/media/dial/dial_request.h"

namespace linkpilot::prober {

class DialLoop;

// For live progress; cheaper than a report.
struct DialProgress {
  std::optional<DialPhase> newest;  // the newest phase reached
  std::uint64_t octets = 0;
  std::uint64_t video_frames = 0;
  std::array<Duration, 3> buffered{};  // media ahead of each virtual player
};

class Dial {
 public:
  virtual ~Dial() = default;
  virtual void start() = 0;  // once
  virtual void stop() = 0;   // before media came: a failure of the stage it was in
  [[nodiscard]] virtual bool done() const = 0;
  // At any time: as if the dial ended now. Final once it is done.
  [[nodiscard]] virtual DialReport report() const = 0;
  [[nodiscard]] virtual DialProgress progress() const = 0;
};

[[nodiscard]] std::unique_ptr<Dial> make_dial(DialLoop& loop, DialRequest request);

}  // namespace linkpilot::prober
