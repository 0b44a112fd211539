// Confirmer: which causes have lasted long enough to be told. The localiser looks at one moment; a
// cause is confirmed when rounds that follow one another keep naming it, for a shorter time where
// it is dead (agents have confirmed that by bursts) than where it is lossy or slow. One round
// without it is forgiven, since evidence at the edge comes and goes. Pure; one thread.
//
// Bound: kTrackedMax causes; what is more is not tracked, and counted.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/time.h"
#include "optimizer/localise/cause.h"

namespace linkpilot::optimizer {

struct ConfirmOptions {
  Duration dead_for = std::chrono::milliseconds(500);
  Duration impaired_for = std::chrono::seconds(3);
  Duration forgiven = std::chrono::milliseconds(2'500);  // without being named, at most
};

class Confirmer {
 public:
  static constexpr std::size_t kTrackedMax = 4'096;

  // The confirmed ones among the causes of this round.
  [[nodiscard]] std::vector<Cause> look(const Diagnosis& diagnosis, MonoTime now,
                                        const ConfirmOptions& options);
  [[nodiscard]] std::uint64_t untracked() const { return untracked_; }

 private:
  struct Track {
    MonoTime first;
    MonoTime last;
  };
  std::map<CauseId, Track> tracks_;
  std::uint64_t untracked_ = 0;
};

}  // namespace linkpilot::optimizer
