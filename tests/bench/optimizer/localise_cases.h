// Cases of the `localise` bench: a made-up fleet, planted faults, and what agents would report.
// Knows nothing of how the localiser scores; shares with it only the types of evidence and of
// causes.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "optimizer/localise/cause.h"
#include "optimizer/localise/evidence.h"
#include "tests/bench/optimizer/localise_noise.h"

namespace linkpilot::bench {

using optimizer::CauseId;
using optimizer::CauseKind;
using optimizer::Evidence;

struct Planted {
  CauseId id;
  bool dead = false;
  double loss = 0.0;
  double delay_ms = 0.0;           // of the round trip; of a link: of its one direction
  bool direction_unknown = false;  // no clocks: nobody can tell the direction
};

enum class Sickness : std::uint8_t { well, overloaded, garbled, frozen, clock, silent };

// One push tree of a stream, and who dials it.
struct StreamTree {
  std::vector<std::vector<std::uint16_t>> paths;  // from the origin to each node that has it
  std::vector<std::uint16_t> vendors;
};

struct CaseOptions {
  std::size_t nodes = 14;
  double sick_share = 0.0;
  std::uint64_t seed = 1;
  int faults = -1;  // -1: none in a fifth of the cases, else 1 to 4
};

// What a cause would show on: directed links by number, dials by number, and itself where only an
// agent's own word shows it. Two causes with equal footprints cannot be told apart.
using Footprint = std::set<std::uint64_t>;

class Case {
 public:
  Case(const CaseOptions& options, const NoiseLibrary& noise);

  [[nodiscard]] const Evidence& evidence() const { return evidence_; }
  [[nodiscard]] const std::vector<Planted>& planted() const { return planted_; }
  [[nodiscard]] const std::vector<Sickness>& sickness() const { return sickness_; }
  [[nodiscard]] Footprint footprint(const CauseId& id) const;

 private:
  void draw_fleet();
  void draw_services();
  void draw_sick();
  void draw_faults();
  [[nodiscard]] Planted draw_fault(CauseKind kind);
  [[nodiscard]] bool acceptable(const Planted& fault) const;
  void report_links();
  void report_pair(std::uint16_t a, std::uint16_t b);
  void report_agents();
  void report_dials();
  void lie(std::uint16_t node, std::uint16_t peer, DirectionClaim& forward,
           DirectionClaim& backward);
  [[nodiscard]] bool touches(const CauseId& id, std::uint16_t from, std::uint16_t to) const;
  [[nodiscard]] bool dial_passes(const CauseId& id, const optimizer::DialEvidence& dial) const;
  [[nodiscard]] bool dead_between(std::uint16_t from, std::uint16_t to) const;
  [[nodiscard]] bool node_dead(std::uint16_t node) const;
  [[nodiscard]] bool is_heard(std::uint16_t node) const;
  [[nodiscard]] double wobble() { return 0.9 + 0.2 * rng_.uniform(); }
  [[nodiscard]] std::uint16_t any_node() {
    return static_cast<std::uint16_t>(rng_.below(options_.nodes));
  }

  CaseOptions options_;
  const NoiseLibrary& noise_;
  Rng rng_;
  Evidence evidence_;
  std::vector<std::set<std::pair<std::uint16_t, std::uint16_t>>> hop_links_;
  std::vector<StreamTree> streams_;
  std::uint16_t vendors_ = 0;
  std::uint16_t collector_region_ = 0;
  std::vector<Planted> planted_;
  std::vector<Sickness> sickness_;
  std::vector<bool> clock_;
  std::vector<bool> agent_gone_;  // of planted agents: 1 gone, else not heard
};

}  // namespace linkpilot::bench
