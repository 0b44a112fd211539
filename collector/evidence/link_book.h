// LinkBook: the detectors of every link of the fleet, fed by the samples of both its ends and by
// the word of the alarms, and how each direction stands. One thread.
//
// A link's two directions are a pair; each end of it measures both of them with probes of its own:
// a pair has two sessions, and a detector each. A direction is judged by the end it leaves ("near")
// and by the one it reaches ("far"). What an outage loses is no lossy link: looks while an alarm
// stands, and those that began before it was taken back, do not reach the detectors. A look that is
// missing says nothing: after kFresh a direction is neither bad nor fine.
//
// Most samples lose nothing and come near the usual round trip of a link on which nothing stands
// out. Such a one touches the index and one line of memory, and waits until kGathered of them are
// one look; a detector is ten lines and a hundred times the work. When something out of the
// ordinary comes, what waits goes to the detector before it, the newest ones as looks of their own,
// so that no median of a few looks sees fewer quiet ones than there were.
//
// Bounds: `pairs_max` pairs, about 1.7 kB each; further ones are refused and counted. Samples that
// do not come in order of time are left out.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/huge_pages.h"
#include "base/link_sample.h"
#include "base/report.h"
#include "collector/faults/link_outlook.h"
#include "collector/ingest/folded_sample.h"
#include "optimizer/detect/link_detector.h"
#include "optimizer/estimate/link_index.h"

namespace linkpilot::collector {

class LinkBook {
 public:
  static constexpr std::size_t kPairsMax = 1'000'000;
  static constexpr Duration kFresh = std::chrono::seconds(20);
  static constexpr std::uint8_t kGathered = 13;
  // Evidence for loss of one direction at one end that is worth a finding.
  static constexpr double kOddNats = 2.0;

  explicit LinkBook(std::size_t pairs_max = kPairsMax) : pairs_max_(pairs_max) {}

  void set_options(const optimizer::LinkDetectorOptions& options) { options_ = options; }

  // --- sessions, named by the link as the end that measures says it ---
  using Session = std::uint32_t;
  static constexpr Session kNone = optimizer::LinkIndex::kNone;  // refused
  // Those of the samples of one report, in its order; their lines of memory are asked for.
  void find(std::span<const FoldedSample> samples, std::vector<Session>& sessions);
  [[nodiscard]] Session find_or_create(LinkId link);
  // Its next sample may reach the detector: asks for its memory, a handful of samples ahead.
  // (Inlined by order, as LinkIndex::prefetch is.)
  [[gnu::always_inline]] void expect(Session session) const {
    constexpr std::size_t kLine = 64;
    if (session == kNone || !pulse(session).reaches_detector()) return;
    const auto* octets = reinterpret_cast<const char*>(&detector(session));
    for (std::size_t at = 0; at < sizeof(optimizer::LinkDetector); at += kLine) {
      __builtin_prefetch(octets + at, 1);
    }
    __builtin_prefetch(&pairs_[session / 2], 1);
  }
  // A sample that was judged plausible, by the node that its link leaves. `at`: the end of its
  // interval by the collector's clock. What the detector then knows of one-way delays.
  struct Looked {
    bool timed = false;   // both one-way delays are believed
    bool skewed = false;  // they moved apart while the round trip stayed: a clock moved
  };
  Looked add(Session session, const LinkSample& sample, Now at);
  // What the alarms of both ends come to for one direction.
  void note_state(LinkId link, LinkState state, Now now);
  // What an earlier run knew of a direction that was degraded: its usual values; negative: this is
  // not what was wrong with it.
  void resume(LinkId link, double usual_rtt_ms, double usual_loss_ratio);
  void forget(NodeId node);

  [[nodiscard]] LinkOutlook outlook(LinkId link, MonoTime now) const;
  [[nodiscard]] std::size_t pairs() const { return pairs_.size() - free_.size(); }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

  // --- by pair, for who makes evidence of it ---
  using Place = std::uint32_t;
  // Places are below; some of them may be of no pair, which is never fresh.
  [[nodiscard]] std::size_t places() const { return pairs_.size(); }
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
  // One end at least measured it lately.
  [[nodiscard]] bool fresh(Place pair, MonoTime now) const {
    const auto& [near, far] = pulses_[pair].of;
    return now - std::max(near.looked, far.looked) <= kFresh;
  }
  [[nodiscard]] const std::vector<Place>& pairs_of(NodeId node) const;
  // Pairs on which something stands out; forgets those on which nothing does any more.
  [[nodiscard]] const std::vector<Place>& find_odd();
  // Grows when a place loses its pair.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  // Of a session, all that a quiet sample touches; those of a pair are one line of memory.
  struct Pulse {
    static constexpr std::uint8_t kKept = 3;
    static_assert((kGathered - 1) % kKept == 0, "those that stay keep their places");
    static constexpr std::uint32_t kSentMax = 0xffff / kGathered;  // of a sample that waits
    MonoTime looked;                                               // newest sample; zero: none
    float usual_ms = 0.0F;              // round trip, and how far off it is quiet
    float near_ms = -1.0F;              // negative: nothing is usual yet
    std::array<float, kKept> rtt_ms{};  // of the newest ones that wait, at their number's remainder
    std::uint16_t waiting_sent = 0;
    std::uint8_t waiting = 0;
    bool calm : 1 = false;  // nothing stands out on the pair
    bool timed : 1 = false;
    bool skewed : 1 = false;

    [[nodiscard]] bool quiet(const LinkSample& sample) const;
    [[nodiscard]] bool reaches_detector() const { return !calm || waiting + 1 >= kGathered; }
  };
  struct alignas(64) PulsePair {
    std::array<Pulse, 2> of;
  };
  static_assert(sizeof(PulsePair) == 64);
  // One direction, and the session of the end that it leaves.
  struct Side {
    MonoTime judged;   // the newest sample that reached its detector
    MonoTime revived;  // the last alarm was taken back
    Now health_since{};
    Now bad_since{};
    LinkState state = LinkState::alive;  // of the direction, by alarms
    LinkHealth health = LinkHealth::unknown;
    bool odd = false;  // the session's detector
    [[nodiscard]] bool calm() const {
      return !odd && state == LinkState::alive && health == LinkHealth::fine;
    }
  };
  struct Pair {
    LinkId link;
    bool listed = false;  // in odd_
    std::array<Side, 2> sides;
  };
  // So many detectors are one piece of memory: growing moves none of them.
  static constexpr std::size_t kDetectorsEach = 8'192;
  using Detectors = std::vector<optimizer::LinkDetector, HugePages<optimizer::LinkDetector>>;

  [[nodiscard]] Place place_for(LinkId link);
  [[nodiscard]] Pulse& pulse(Session session) { return pulses_[session / 2].of[session % 2]; }
  [[nodiscard]] const Pulse& pulse(Session session) const {
    return pulses_[session / 2].of[session % 2];
  }
  [[nodiscard]] optimizer::LinkDetector& detector(Session session) {
    return detectors_[session / kDetectorsEach][session % kDetectorsEach];
  }
  [[nodiscard]] const optimizer::LinkDetector& detector(Session session) const {
    return detectors_[session / kDetectorsEach][session % kDetectorsEach];
  }
  void look(Session session, const LinkSample& sample, Now at);
  void end_wait(Session session);
  void note_detector(Session session);
  [[nodiscard]] bool has_word(const Pair& pair) const {
    return pair.sides[0].state != LinkState::alive || pair.sides[1].state != LinkState::alive;
  }
  // The session of the side has judged the pair lately, and since the last alarm was taken back.
  [[nodiscard]] bool speaks(Place pair, unsigned side, MonoTime now) const;
  [[nodiscard]] LinkHealth judge(Place pair, unsigned direction, MonoTime now) const;
  [[nodiscard]] bool stands_out(const Pair& pair) const;
  void review(Place pair, Now now);
  void list(Place pair);

  std::size_t pairs_max_;
  optimizer::LinkDetectorOptions options_;
  optimizer::LinkIndex index_;                           // both directions of each pair: sessions
  std::vector<PulsePair, HugePages<PulsePair>> pulses_;  // by pair, as `pairs_`
  std::vector<Pair> pairs_;
  std::vector<Detectors> detectors_;         // two a pair
  std::vector<std::vector<Place>> of_node_;  // by number
  std::vector<Place> odd_;
  std::vector<Place> free_;
  std::uint64_t refused_ = 0;
  std::uint64_t generation_ = 1;
};

}  // namespace linkpilot::collector
