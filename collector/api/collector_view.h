// What the API may see: one immutable copy of the collector's state, made by the loop now and then
// and read by HTTP threads without locks. Values only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/runtime/message_socket.h"
#include "collector/evidence/finder_figures.h"
#include "collector/faults/fault.h"
#include "collector/hand/override.h"
#include "collector/ingest/agent_record.h"
#include "collector/ingest/ingest.h"
#include "collector/ingest/link_history.h"
#include "collector/notify/mailer.h"
#include "collector/notify/poster.h"
#include "collector/plan/plan_keeper.h"
#include "collector/publish/publisher.h"
#include "collector/registry/door.h"
#include "collector/store/store.h"
#include "optimizer/policy/policy.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

struct SolveFigures {
  std::uint64_t runs = 0;
  std::uint64_t alarm_runs = 0;
  std::uint64_t refused = 0;
  std::uint64_t replaced = 0;  // jobs that a newer one overtook
  std::uint64_t moves = 0;
  UnixNanos last;
  Duration last_took{};
  std::string last_trigger;
  std::string last_refusal;  // empty: the last solve was accepted
  LatencySketch took;
};

struct ProbeFigures {
  std::uint64_t requested = 0;
  std::uint64_t answered = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t active = 0;
};

// Beliefs of all links, sorted by link, made when somebody first asks: of a large fleet a fifth of
// a second's work, which belongs to the thread that wants them. Any thread may ask.
class LazyBeliefs {
 public:
  using Make = std::function<std::vector<optimizer::LinkBelief>()>;
  void make_with(Make make) { make_ = std::move(make); }
  [[nodiscard]] const std::vector<optimizer::LinkBelief>& operator()() const {
    std::call_once(made_once_, [this] {
      if (make_) made_ = make_();
    });
    return made_;
  }

 private:
  Make make_;
  mutable std::once_flag made_once_;
  mutable std::vector<optimizer::LinkBelief> made_;
};

struct StoreBounds {
  std::uint64_t size_max = 0;
  std::uint64_t disk_free = 0;  // of the disk it lies on; 0: not known
  std::uint64_t queue_reports_max = 0;
  std::uint64_t queue_octets_max = 0;
};

struct CollectorView {
  UnixNanos now;
  MonoTime now_mono;
  UnixNanos started;
  std::uint64_t epoch = 0;

  Agents agents;
  LazyBeliefs beliefs;
  LinkHistories histories;
  std::map<NodeId, NodePlan> plans;
  bool following = false;
  bool authenticated = false;     // probes are to be
  std::size_t pairs_waiting = 0;  // that do not probe under the newest secret yet
  std::map<NodeId, PublishedTable> tables;
  std::vector<RefusedKey> refused_keys;
  std::vector<Override> overrides;  // the operator's hand
  std::shared_ptr<const std::vector<AuditEntry>> audit;
  optimizer::Policy policy;
  SigningPublicKey signer{};

  StoreFigures store;
  StoreBounds store_bounds;
  IngestCounters ingest;
  std::uint64_t backlog_reports = 0;
  std::uint64_t backlog_octets = 0;
  SocketCounters sockets;
  SolveFigures solve;
  ProbeFigures probes;
  std::vector<Fault> faults;  // open ones by key, then resolved ones, oldest first
  std::uint64_t faults_suppressed = 0;
  FinderFigures finder;
  ShelfFigures shelf;
  MailFigures mail;
  SinkFigures sinks;
  std::uint64_t estimates = 0;
  std::uint64_t estimates_refused = 0;
  std::uint64_t enrolled = 0;
  std::uint64_t events = 0;
};

}  // namespace linkpilot::collector
