// LinkBook: the detectors of every link of the fleet, fed by the samples of both its ends and by
// the word of the alarms, and how each direction stands. One thread.
//
// A link's two directions are a pair; each end of it measures both of them with probes of its own,
// so a pair has two detectors. A direction is judged by the end it leaves ("near") and by the one
// it reaches ("far"). What an outage loses is no lossy link: looks while an alarm stands, and
// those that began before it was taken back, do not reach the detectors. A look that is missing
// says nothing: after kFresh a direction is neither bad nor fine.
//
// A sample without a loss and near the usual round trip of a link on which nothing stands out waits
// until kGathered of them are one look: most samples are such, and a detector is many times dearer
// than a line of memory. What is out of the ordinary is looked at by itself.
//
// Bounds: `pairs_max` pairs, about 2 kB each; further ones are refused and counted. Samples that do
// not come in order of time are left out.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/link_sample.h"
#include "base/report.h"
#include "collector/faults/link_outlook.h"
#include "optimizer/detect/link_detector.h"
#include "optimizer/estimate/link_index.h"

namespace linkpilot::collector {

class LinkBook {
 public:
  static constexpr std::size_t kPairsMax = 1'000'000;
  static constexpr Duration kFresh = std::chrono::seconds(20);
  static constexpr std::uint8_t kGathered = 4;
  // Evidence for loss of one direction at one end that is worth a finding.
  static constexpr double kOddNats = 2.0;

  explicit LinkBook(std::size_t pairs_max = kPairsMax) : pairs_max_(pairs_max) {}

  void set_options(const optimizer::LinkDetectorOptions& options) { options_ = options; }

  // A sample that was judged plausible, by the node that its link leaves. `at`: the end of its
  // interval by the collector's clock. What the detector then knows of one-way delays.
  struct Looked {
    bool timed = false;   // both one-way delays are believed
    bool skewed = false;  // they moved apart while the round trip stayed: a clock moved
  };
  Looked add(const LinkSample& sample, Now at);
  // What the alarms of both ends come to for one direction.
  void note_state(LinkId link, LinkState state, Now now);
  // What an earlier run knew of a direction that was degraded: its usual values; negative: this is
  // not what was wrong with it.
  void resume(LinkId link, double usual_rtt_ms, double usual_loss_ratio);
  void forget(NodeId node);

  [[nodiscard]] LinkOutlook outlook(LinkId link, MonoTime now) const;
  [[nodiscard]] std::size_t pairs() const { return pairs_.size(); }
  [[nodiscard]] std::size_t odd_pairs() const { return odd_.size(); }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

  // --- by pair, for who makes evidence of it ---
  using Place = std::uint32_t;
  [[nodiscard]] LinkId link_of(Place pair) const { return pairs_[pair].link; }
  // Direction 0 is link_of(pair), 1 the reversed one.
  [[nodiscard]] LinkState state_of(Place pair, unsigned direction) const {
    return pairs_[pair].sides[direction].state;
  }
  [[nodiscard]] LinkOutlook outlook_of(Place pair, unsigned direction, MonoTime now) const;
  // What the end says that a direction leaves (near), or the one that it reaches; not known: it has
  // not measured lately.
  [[nodiscard]] optimizer::DirectionClaim near_claim(Place pair, unsigned direction,
                                                     MonoTime now) const;
  [[nodiscard]] optimizer::DirectionClaim far_claim(Place pair, unsigned direction,
                                                    MonoTime now) const;
  [[nodiscard]] bool fresh(Place pair, MonoTime now) const { return now - newest_[pair] <= kFresh; }
  [[nodiscard]] const std::vector<Place>& pairs_of(NodeId node) const;
  // Pairs on which something stands out; forgets those on which nothing does any more.
  [[nodiscard]] const std::vector<Place>& find_odd();
  // Grows whenever places change their meaning.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  static constexpr std::uint32_t kNone = optimizer::LinkIndex::kNone;
  // One direction, and the session of the end that it leaves.
  struct Side {
    MonoTime looked;                     // newest look of the session; zero: none
    MonoTime judged;                     // the newest that reached its detector
    LinkState state = LinkState::alive;  // of the direction, by alarms
    LinkHealth health = LinkHealth::unknown;
    bool odd = false;  // the session's detector
    bool timed = false;
    bool skewed = false;
    std::uint8_t waiting = 0;  // quiet samples that are no look yet ...
    std::uint32_t waiting_sent = 0;
    float usual_ms = -1.0F;  // round trip; negative: not settled
    Now health_since{};
    Now bad_since{};
    MonoTime revived;  // the last alarm was taken back
  };
  struct Pair {
    LinkId link;
    std::array<Side, 2> sides;
    bool listed = false;  // in odd_
  };
  // Twice the pair, plus the direction; kNone: refused.
  std::uint32_t find_or_create(LinkId link);
  [[nodiscard]] bool has_word(const Pair& pair) const {
    return pair.sides[0].state != LinkState::alive || pair.sides[1].state != LinkState::alive;
  }
  // The session of the side has judged the pair lately, and since the last alarm was taken back.
  [[nodiscard]] bool speaks(const Pair& pair, unsigned side, MonoTime now) const;
  [[nodiscard]] LinkHealth judge(Place pair, unsigned direction, MonoTime now) const;
  [[nodiscard]] static bool quiet(const Pair& pair, const Side& side, const LinkSample& sample);
  [[nodiscard]] bool stands_out(const Pair& pair) const;
  void review(Place pair, Now now);
  void list(Place pair);

  std::size_t pairs_max_;
  optimizer::LinkDetectorOptions options_;
  optimizer::LinkIndex index_;  // both directions of each pair
  std::vector<Pair> pairs_;
  std::vector<MonoTime> newest_;                    // by pair: the newest look of either end
  std::vector<optimizer::LinkDetector> detectors_;  // two a pair
  std::vector<std::vector<Place>> of_node_;         // by number
  std::vector<Place> odd_;
  std::uint64_t refused_ = 0;
  std::uint64_t generation_ = 1;
};

}  // namespace linkpilot::collector
