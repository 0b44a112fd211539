// Detector: which links of this node are silent, from what arrives on them (design 2.5).
//
// It watches every packet of a peer, probes and answers alike, over all flows, at its kernel
// receive time. When `missed_min` expected arrivals in a row are missing (plus a margin for jitter)
// the link is *suspect*: both directions are marked, the peer is told, a burst goes out, an
// unconfirmed alarm leaves. The first arrival undoes an unconfirmed suspicion; a burst that stays
// unanswered makes it *dead*, and a dead link returns only after several arrivals and a dwell. What
// this side cannot see, its own sending direction, it knows from the peer's word in each packet.
//
// A core: no sockets, no clock. Call on_arrivals() with everything that was drained, then judge():
// the order matters, timers must not be judged before the packets that stop them. One thread.
// Bounds: one small record per planned link (kPlanLinksMax); output is taken with each call.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "agent/detect/cadence.h"
#include "base/ids.h"
#include "base/plan.h"
#include "base/report.h"
#include "base/time.h"
#include "prober/stamp/engine.h"

namespace linkpilot::agent {

struct DetectorOptions {
  // Figures behind these: with 50 ms probes both ways, 7 missed of two rhythms is 150-200 ms after
  // the last arrival; false suspicions are then about 0.1 a day over 182 links at 3 % independent
  // loss.
  std::uint32_t missed_min = 7;
  Duration margin = std::chrono::milliseconds(10);
  std::uint32_t burst_count = 32;
  Duration burst_interval = std::chrono::milliseconds(1);
  Duration confirm_margin = std::chrono::milliseconds(35);
  Duration rtt_unknown = std::chrono::milliseconds(300);
  std::uint32_t return_arrivals = 10;
  Duration return_dwell = std::chrono::seconds(1);
  // A link that was never heard is marked, silently, this long after it was planned.
  Duration unheard_grace = std::chrono::seconds(3);
  // After a change of rate nothing is expected for this long: the other end changes when its plan
  // comes.
  Duration settle = std::chrono::milliseconds(500);
  // Being late by less than this delays a few answers by as little, which the rule has room for;
  // more pushes all deadlines by the whole lateness.
  Duration stall_min = std::chrono::milliseconds(20);
  // Losing this many peers, and all of them, at once is our own trouble.
  std::size_t self_peers_min = 3;
};

enum class LinkEvent : std::uint8_t {
  suspected,       // silence
  undone,          // an unconfirmed suspicion was cancelled by an arrival or by the peer's word
  dead,            // the burst stayed unanswered, or the peer stayed deaf
  returned,        // enough arrivals and the dwell
  peer_deaf,       // the peer says that it does not hear us
  peer_hears,      // ... and now does again
  never_heard,     // planned, probed, and nothing ever came
  first_heard,     // came at last
  self_suspected,  // all peers silent at once
  self_cleared,
};
[[nodiscard]] std::string_view to_string(LinkEvent event);

// Why a suspicion was taken back.
enum class UndoCause : std::uint8_t {
  none,
  probe_arrived,   // of the peer
  answer_arrived,  // to a probe of ours
  peer_hears,      // the peer's word: it hears us again
  own_trouble,     // all peers were silent at once: it was us
};
[[nodiscard]] std::string_view to_string(UndoCause cause);

// What an operator sees: the change, on which link (in the direction packets arrive; zero for
// events about this node), and the silence that led to it.
struct LinkTransition {
  LinkEvent event = LinkEvent::suspected;
  LinkId link{};
  std::uint64_t episode = 0;
  UnixNanos time{};
  Duration silence{};
  Duration skipped{};  // undone: for how long look-ups went another way
  UndoCause cause = UndoCause::none;
  std::uint32_t peers = 0;  // self_suspected: how many
};

// The marks of one port pair, as a whole.
struct MarkChange {
  LinkId outgoing{};  // from = our port
  bool outbound_dead = false;
  bool inbound_dead = false;
};

struct HearingChange {
  LinkId incoming{};
  bool hearing = true;
  Duration silence{};
};

// What is to be done after a call, in this order: marks first, they are what saves a stream.
struct DetectorOutput {
  std::vector<MarkChange> marks;
  std::vector<HearingChange> hearing;
  std::vector<LinkId> bursts;  // outgoing links that need a burst of `burst_count`
  std::vector<Alarm> alarms;
  std::vector<LinkTransition> transitions;
  void clear();
};

class Detector {
 public:
  explicit Detector(const DetectorOptions& options) : options_(options) {}

  // Makes `links` (outgoing) the set that is watched; links that stay keep their state.
  void plan(std::span<const PlannedLink> links, Now now, DetectorOutput& out);
  void on_arrivals(std::span<const prober::Arrival> arrivals, Now now, DetectorOutput& out);
  // `late`: by how much this turn of the loop came later than it should have; zero when it was in
  // time.
  void judge(Now now, Duration late, DetectorOutput& out);
  // The peer's agent restarts, by its own word: for `grace` its silence makes no link to it
  // suspect, because its media process, another process, forwards on. Silent after that, it is
  // suspect at once. Zero: it is back, and has `settle` to be heard. At most kHoldMax, whoever says
  // more.
  void hold(NodeId peer, Duration grace, Now now);
  static constexpr Duration kHoldMax = std::chrono::seconds(30);
  // The newest round-trip time of an outgoing link; bounds how long a burst's answers may take.
  void set_round_trip(LinkId outgoing, Duration round_trip);

  [[nodiscard]] std::size_t watched() const { return watches_.size(); }
  [[nodiscard]] bool self_suspected() const { return self_suspected_; }
  [[nodiscard]] LinkState state_of(LinkId incoming) const;

 private:
  enum class Hearing : std::uint8_t { unheard, alive, suspect, dead };
  enum class Word : std::uint8_t { unknown, hears, deaf };

  struct Watch {
    LinkId incoming;
    Rhythm probes;
    Rhythm answers;
    Duration own_interval{};
    Duration round_trip{};
    MonoTime last_any;
    UnixNanos last_any_wall;
    MonoTime floor;           // nothing is expected before
    MonoTime held_until;      // the peer's agent restarts: its silence means nothing
    Duration stall_before{};  // own lateness summed up when the last packet arrived
    Hearing hearing = Hearing::unheard;
    Word word = Word::unknown;
    bool unheard_marked = false;
    bool deaf_confirmed = false;
    std::uint64_t episode = 0;
    MonoTime suspected_at;
    MonoTime deaf_at;
    MonoTime confirm_at;
    MonoTime deaf_confirm_at;
    std::uint32_t arrivals_since_dead = 0;
    MonoTime return_from;
    // What was last said, so that only changes are said again.
    bool said_outbound_dead = false;
    bool said_inbound_dead = false;
    bool said_hearing = true;
    LinkState said_outgoing = LinkState::alive;
    LinkState said_incoming = LinkState::alive;
  };

  void on_arrival(Watch& watch, const prober::Arrival& arrival, Now now, DetectorOutput& out);
  void take_word(Watch& watch, const prober::Arrival& arrival, Now now, DetectorOutput& out);
  void judge_watch(Watch& watch, Now now, DetectorOutput& out);
  void suspect(Watch& watch, Now now, DetectorOutput& out);
  static void vouch(const Watch& watch, Now now, DetectorOutput& out);
  void say(Watch& watch, Now now, DetectorOutput& out);
  void note(const Watch& watch, LinkId link, LinkEvent event, Now now, DetectorOutput& out) const;
  static void note_undone(const Watch& watch, LinkId link, UndoCause cause, Duration silence,
                          Now now, DetectorOutput& out);
  [[nodiscard]] bool is_silent(const Watch& watch, MonoTime now) const;
  [[nodiscard]] Duration silence_of(const Watch& watch, MonoTime now) const;
  [[nodiscard]] std::uint32_t peers_all_quiet(MonoTime now) const;
  void suspect_self(Now now, std::uint32_t peers, DetectorOutput& out);
  [[nodiscard]] MonoTime confirm_time(const Watch& watch, MonoTime now) const;

  DetectorOptions options_;
  std::unordered_map<LinkId, Watch> watches_;  // by incoming link
  Duration stall_{};                           // own lateness, summed up
  std::uint64_t episodes_ = 0;
  bool self_suspected_ = false;
};

}  // namespace linkpilot::agent
