// The ingest loop's core: what every message of an agent leads to. Sans I/O: messages come in with
// the key that CURVE proved, answers leave through `send`, and what others must know leaves through
// the hooks. Who is enrolled is the registry's business, what is durable the store's.
//
// Life of a report: judged (dedup, then plausibility), handed to the store, folded into the
// estimates; acknowledged when the store says it is durable. A report the store has no room for is
// as if it had never come: not folded, not counted, sent again by the agent.
//
// Alarms, greetings and pings do not wait behind reports: those form a backlog, worked off in turns
// (`work`). It is bounded in octets; full, each report that comes makes the oldest be worked off.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/message.h"
#include "base/runtime/message_socket.h"
#include "collector/ingest/absences.h"
#include "collector/ingest/agent_record.h"
#include "collector/ingest/folded_sample.h"
#include "collector/ingest/link_history.h"
#include "collector/ingest/report_dedup.h"
#include "collector/registry/registry.h"
#include "collector/store/event_log.h"
#include "collector/store/store.h"
#include "optimizer/estimate/fleet_estimates.h"

namespace linkpilot::collector {

struct IngestCounters {
  std::uint64_t messages = 0;
  std::uint64_t undecodable = 0;
  std::uint64_t not_enrolled = 0;
  std::uint64_t before_hello = 0;  // from a connection that does not speak for its node
  std::uint64_t reports = 0;
  std::uint64_t reports_duplicate = 0;
  std::uint64_t reports_refused = 0;  // too far ahead, or without a sequence
  std::uint64_t reports_no_room = 0;  // the store's queue was full
  std::uint64_t samples_folded = 0;
  std::uint64_t samples_kept = 0;  // too old to teach anything
  std::uint64_t samples_refused = 0;
  std::uint64_t samples_held = 0;  // of links whose agent restarted: stored, not believed
  std::uint64_t alarms = 0;
  std::uint64_t alarms_held = 0;  // the same
  std::uint64_t alarms_refused = 0;
  std::uint64_t duplicate_agents = 0;
  std::uint64_t acks = 0;
};

struct IngestHooks {
  std::function<bool(const std::string& connection, const CollectorMessage& message)> send;
  // The agent said Hello: send it plan and table. `returned`: it was silent, dead or never seen.
  std::function<void(AgentRecord& agent, bool returned)> on_hello;
  // The combined state of a link changed by an alarm: solve now.
  std::function<void(LinkId link)> on_link_state;
  // A report's samples were folded: those that were believed, in its order. May be left out.
  std::function<void(const AgentRecord& agent, const Report& report,
                     std::span<const FoldedSample> folded, Now at)>
      on_report;
  std::function<void(AgentRecord& agent)> on_table_ack;
  std::function<void(NodeId from, const ProbeResult& result)> on_probe_result;
  // Ends the connection, after what was sent to it.
  std::function<void(const TransportId& transport)> disconnect;
  // Where the connection comes from, by key.
  std::function<std::string(const std::string& public_key)> address_of;
  // The agent restarts, or is back (no grace): its peers are to know. May be left out.
  std::function<void(const AgentRecord& agent, Duration grace)> on_away;
  // Something waits: call `work` soon. Without this hook nothing ever waits.
  std::function<void()> on_backlog;
};

class Ingest {
 public:
  Ingest(const Registry& registry, Agents& agents, optimizer::FleetEstimates& estimates,
         Store& store, EventLog& events, IngestHooks hooks);

  void on_message(const PeerId& from, std::span<const std::uint8_t> bytes, Now now);
  // A turn's worth of the backlog; true if there is more.
  bool work();
  // The store's word: acknowledges.
  void on_commit(const Commit& commit);
  // For how long an agent that says that it restarts is waited for (absences.h); zero: not at all.
  void set_restart_grace(Duration grace) { restart_grace_ = grace; }
  // Nothing is concluded about the node now: its agent restarts, or has just come back.
  [[nodiscard]] bool waits_for(NodeId node, Now now) const {
    return absences_.holds(node, now.mono);
  }
  // Ends silent sessions; call a few times a second.
  void on_timer(Now now, Duration silent_after);
  // The node, or the key it used, is no longer enrolled: its connection is told and ended.
  void on_revoked(NodeId node);

  // What the store kept: dedup marks, and reports young enough to teach something.
  void restore(const std::vector<RestoredDedup>& dedup, Now now);
  // The store is a backup's: each agent is asked, at every Hello (a connection may end before it
  // has answered), to send again what it still has of the time since.
  void ask_again() { asks_again_ = true; }
  void refold(NodeId node, const Report& report, UnixNanos received, Now now);

  [[nodiscard]] const IngestCounters& counters() const { return counters_; }
  static constexpr std::size_t kBacklogOctetsMax = std::size_t{64} << 20;
  [[nodiscard]] std::size_t backlog_reports() const { return backlog_.size(); }
  [[nodiscard]] std::size_t backlog_octets() const { return backlog_octets_; }
  // Newest measurement folded in, for the age of decisions.
  [[nodiscard]] StageTimes newest_stages() const { return stages_; }
  // One entry per link that was ever sampled, bounded as the estimates are.
  [[nodiscard]] const LinkHistories& histories() const { return histories_; }
  void forget(NodeId node);

 private:
  void handle(AgentRecord& agent, const PeerId& from, const Hello& hello, Now now);
  struct Arrival {
    NodeId node;
    Now at;
    std::vector<std::uint8_t> bytes;  // a Report, or a ReportsGone
  };
  void take(AgentRecord& agent, std::vector<std::uint8_t> bytes, Now now);
  void work_one();
  void handle(AgentRecord& agent, const Report& report, std::vector<std::uint8_t> bytes, Now now);
  void handle(AgentRecord& agent, Alarm alarm, Now now);
  void handle(AgentRecord& agent, const TableAck& ack, Now now);
  void handle(AgentRecord& agent, const PlanAck& ack);
  void handle(AgentRecord& agent, const Ping& ping, Now now);
  void handle(AgentRecord& agent, const Bye& bye, Now now);
  void believe(AgentRecord& agent, const Alarm& alarm, Now now);
  void end_absences(Now now);
  void heard(AgentRecord& agent, Now now);
  bool admit(AgentRecord& agent, const PeerId& from, Now now);
  // `received`: when the report came in; `agent_now`: what the agent's clock showed then.
  void fold(AgentRecord& agent, const Report& report, Now received, UnixNanos agent_now);
  void fold_sample(AgentRecord& agent, const LinkSample& sample, Now received, UnixNanos agent_now);
  void check_claims(AgentRecord& agent, std::span<const LinkSample> samples, Now now);
  void check_revived(AgentRecord& agent, std::span<const LinkSample> samples, Now now);
  void note_state(AgentRecord& agent, LinkId link, std::string why, Now now);
  void withdraw_claims(AgentRecord& agent, Now now);
  void refuse(const std::string& connection, std::string reason);
  void tell(EventLevel level, std::string_view name, const AgentRecord& agent, std::string detail,
            Now now);

  const Registry& registry_;
  Agents& agents_;
  optimizer::FleetEstimates& estimates_;
  Store& store_;
  EventLog& events_;
  IngestHooks hooks_;
  std::map<NodeId, ReportDedup> dedup_;
  std::map<std::pair<NodeId, std::uint64_t>, std::uint64_t>
      durable_;  // (node, epoch) -> acknowledged
  // Links that an agent called suspect or dead, and when: withdrawn by its own later samples if the
  // good news got lost. At most kPlanLinksMax each.
  std::map<NodeId, std::unordered_map<LinkId, UnixNanos>> claims_;
  // Links last told to be suspect or dead. At most one entry per estimate.
  std::unordered_set<LinkId> told_bad_;
  std::map<std::string, MonoTime> told_;  // rate limit of repeated events, by name and node
  LinkHistories histories_;
  Absences absences_;
  Duration restart_grace_ = std::chrono::seconds(10);
  std::deque<Arrival> backlog_;
  std::size_t backlog_octets_ = 0;
  AgentMessage message_;              // its memory is used again for every report,
  std::vector<FoldedSample> folded_;  // and so is this
  StageTimes stages_;
  bool asks_again_ = false;
  IngestCounters counters_;
};

}  // namespace linkpilot::collector
