// FaultJudge: what is wrong with the fleet and worth telling, from the causes found at each look
// (about once a second). Waits for patience before it speaks, keeps silent about what a larger
// fault explains, and calls a fault over only on good evidence: missing data is never good news.
// Pure; one thread.
//
// Bounds: kOpenMax open faults; further ones are counted and not told.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "collector/faults/causes.h"
#include "collector/faults/fault.h"
#include "collector/faults/fault_rules.h"
#include "collector/faults/standing.h"

namespace linkpilot::collector {

class FaultJudge {
 public:
  static constexpr std::size_t kOpenMax = 1'000;
  // A fault whose links are no longer measured by anybody ends after this.
  static constexpr Duration kForgottenAfter = std::chrono::minutes(10);

  // `open`: what an earlier run told and did not resolve.
  FaultJudge(FaultRules rules, std::vector<Fault> open);

  // What people should hear of now.
  [[nodiscard]] std::vector<FaultChange> look(const FleetFacts& facts, Now now);
  // Which routes moved because of it, found by others: kept with the open fault.
  void note_routes(const Fault& fault);
  void set_rules(const FaultRules& rules) { rules_ = rules; }

  [[nodiscard]] std::vector<Fault> open() const;
  [[nodiscard]] std::size_t open_count() const { return open_.size(); }
  // Causes that waited for no other reason than kOpenMax.
  [[nodiscard]] std::uint64_t suppressed() const { return suppressed_; }

 private:
  struct Open {
    Fault fault;
    MonoTime good_since;     // zero: it is not good
    MonoTime unknown_since;  // zero: there is something to judge by
  };

  void review(const FleetFacts& facts, const Causes& causes, Now now,
              std::vector<FaultChange>& changes);
  void open_new(const FleetFacts& facts, const Causes& causes, Now now,
                std::vector<FaultChange>& changes);
  [[nodiscard]] Duration patience(FaultGrade grade) const;

  FaultRules rules_;
  std::map<std::string, Open> open_;       // by key
  std::map<std::string, UnixNanos> over_;  // when the last fault of a key ended, at most kOpenMax
  std::uint64_t suppressed_ = 0;
};

}  // namespace linkpilot::collector
