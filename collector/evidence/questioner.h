// Questioner: which agents are asked for a burst because the localiser is in doubt. Both ends of a
// link are asked, since each measures both directions; a burst's probes are part of the ordinary
// samples, so its answer needs no road of its own. Pure; one thread.
//
// Bounds: kPairsMax pairs at a time and kEachMax of them at one agent, so a wide outage does not
// turn into a storm of probes: 50 a second and pair for kBurst. A pair is asked again after kRest.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/message.h"
#include "optimizer/localise/cause.h"
#include "optimizer/localise/evidence.h"

namespace linkpilot::collector {

class Questioner {
 public:
  static constexpr std::size_t kPairsMax = 32;
  static constexpr std::size_t kEachMax = 4;
  static constexpr Duration kInterval = std::chrono::milliseconds(20);
  static constexpr std::uint32_t kProbes = 100;
  static constexpr Duration kBurst = kInterval * kProbes;
  static constexpr Duration kRest = std::chrono::seconds(3);
  // Numbers of its requests begin here: those of the probe desk (collector/api) count from 1.
  static constexpr std::uint64_t kFirstRequest = std::uint64_t{1} << 63U;

  // One request per end of each pair to ask now.
  [[nodiscard]] std::vector<ProbeRequest> ask(const std::vector<optimizer::Question>& questions,
                                              const optimizer::Evidence& evidence, MonoTime now);
  [[nodiscard]] std::uint64_t asked() const { return asked_; }      // pairs
  [[nodiscard]] std::uint64_t put_off() const { return put_off_; }  // for want of room

 private:
  std::map<LinkId, MonoTime> pairs_;  // by the smaller direction: when it was asked last
  std::uint64_t next_request_ = kFirstRequest;
  std::uint64_t asked_ = 0;
  std::uint64_t put_off_ = 0;
};

}  // namespace linkpilot::collector
