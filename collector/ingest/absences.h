// Agents that said that they restart. For `grace` after such a word nothing is concluded about the
// links of the node, neither from its peers' alarms nor from probes that nobody answered: the media
// process of the node is another process, and forwards on while its agent is exchanged. Were its
// links called dead, every upgrade of an agent would move routes, and tables would leave out a node
// that media still reaches.
//
// Life of an absence: the agent leaves; back() when it greets again, from when on a link is
// believed as usual once a sample without a loss was measured after that, and all links after
// kSettle. Not back in time: the absence is over, and what was said meanwhile is believed at once.
// An agent that is killed or just stops says no such word, and nobody waits. One that restarts
// again and again is waited for kInARowMax in all, so that its word cannot hide a dead node.
//
// What an alarm said is kept, the newest word of each reporter and link, and handed out when the
// absence ends. Pure; the collector's monotonic time. Bounds: nodes of the fleet, and
// kAlarmsHeldMax; an alarm beyond is not held, so it acts.
#pragma once

#include <cstddef>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/link_sample.h"
#include "base/plan.h"
#include "base/report.h"
#include "base/time.h"

namespace linkpilot::collector {

class Absences {
 public:
  // A sample is reported when its last probe has timed out, so what peers lost while the agent was
  // away comes in for some seconds after it is back.
  static constexpr Duration kSettle = std::chrono::seconds(8);
  static constexpr Duration kInARowMax = std::chrono::seconds(60);
  static constexpr std::size_t kAlarmsHeldMax = 2 * kPlanLinksMax;

  struct HeldAlarm {
    NodeId reporter;
    Alarm alarm;
  };
  struct Ended {
    NodeId node;
    bool came_back = false;
    std::vector<HeldAlarm> alarms;  // what is still said against its links
  };

  // For how long it is waited for: at most `grace`; zero: not at all.
  Duration leave(NodeId node, Duration grace, MonoTime now);
  // True if it had left.
  bool back(NodeId node, MonoTime now);
  // It is no member any more: what was held of it is void.
  void forget(NodeId node);

  [[nodiscard]] bool empty() const { return absences_.empty(); }
  // Nothing is concluded about this node now.
  [[nodiscard]] bool holds(NodeId node, MonoTime now) const;
  // True: the alarm is kept for later. Also takes back what the same reporter said before.
  bool hold(const Alarm& alarm, NodeId reporter, MonoTime now);
  // Whether a sample, begun at `start`, may teach something; notes links that were measured again.
  bool admits(const LinkSample& sample, MonoTime start, MonoTime now);
  // Those that are over; ask a few times a second.
  [[nodiscard]] std::vector<Ended> take_ended(MonoTime now);

 private:
  struct Absence {
    MonoTime first_left_at;  // of restarts in a row
    MonoTime left_at;
    MonoTime until;  // of the grace, then of the settling
    MonoTime back_at;
    bool came_back = false;
    std::unordered_set<LinkId> measured;                // since back_at, both directions
    std::map<std::pair<NodeId, LinkId>, Alarm> alarms;  // by reporter and link
  };
  [[nodiscard]] Absence* of(LinkId link, MonoTime now);

  std::map<NodeId, Absence> absences_;
  std::size_t alarms_ = 0;
};

}  // namespace linkpilot::collector
