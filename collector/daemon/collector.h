// The collector: everything that runs on its loop, and what joins the parts. Messages come in,
// reports go to the store, estimates to the solve thread, tables and plans to the agents, a view of
// it all to HTTP.
//
// Threads: the loop (owns every member but the insides of the parts), the store's two, the
// solver's, the mailer's, the poster's, the HTTP pool. They meet in bounded queues and in `view()`.
#pragma once

#include <array>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/runtime/message_socket.h"
#include "base/snapshot.h"
#include "collector/api/collector_view.h"
#include "collector/api/probe_desk.h"
#include "collector/config/config.h"
#include "collector/daemon/entrances.h"
#include "collector/evidence/evidence_shelf.h"
#include "collector/evidence/fault_finder.h"
#include "collector/faults/fault_judge.h"
#include "collector/faults/route_moves.h"
#include "collector/hand/audit_log.h"
#include "collector/hand/hand.h"
#include "collector/ingest/damped_links.h"
#include "collector/ingest/ingest.h"
#include "collector/notify/link_trails.h"
#include "collector/notify/notifier.h"
#include "collector/plan/plan_keeper.h"
#include "collector/publish/publisher.h"
#include "collector/registry/door.h"
#include "collector/registry/enrolled_directory.h"
#include "collector/registry/registry.h"
#include "collector/solve/solver.h"
#include "collector/store/event_log.h"
#include "collector/store/store.h"
#include "optimizer/estimate/fleet_estimates.h"

namespace linkpilot::collector {

class Collector {
 public:
  // Opens the store, loads the keys, binds. Fails with what an operator must mend.
  [[nodiscard]] static Result<std::unique_ptr<Collector>> create(asio::io_context& loop,
                                                                 const CollectorConfig& config);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  void start();
  // Commits what is in hand; the loop may be stopped afterwards.
  void stop();
  // Applies what can change while running; names what needs a restart.
  void reconfigure(const CollectorConfig& config);
  void refuse_configuration(const Error& error);
  // Any thread: carries the operator's order out and returns when it is on the disk, or says that
  // it is not. Blocks for a few seconds at most.
  [[nodiscard]] Result<OrderDone> order(const Order& order);

  // For the HTTP threads: thread-safe. At most kViewFresh old; when the loop is too busy to make a
  // new one in time, what there is. Nobody asks, nothing is copied.
  [[nodiscard]] std::shared_ptr<const CollectorView> view();
  [[nodiscard]] const EventLog& events() const { return *events_; }
  [[nodiscard]] ProbeDesk& probes() { return probes_; }
  [[nodiscard]] Notifier& notifier() { return *notifier_; }
  [[nodiscard]] std::string bound_endpoint() const { return entrances_->bound_endpoint(); }
  [[nodiscard]] std::string next_endpoint() const { return entrances_->next_endpoint(); }
  [[nodiscard]] const std::string& store_path() const { return config_.store.path; }

 private:
  struct Keys {
    SigningKey signing;
    PairSeals::Master probing;        // null: probes are open
    PairSeals::Master probing_older;  // null: no change under way
  };
  [[nodiscard]] static Result<Keys> load_keys(const CollectorConfig& config);
  Collector(asio::io_context& loop, const CollectorConfig& config, const Keys& keys,
            std::unique_ptr<Store> store, Restored restored);

  // collector.cc: composition
  void restore(const Restored& restored);
  void on_scan(Result<DirectoryScan> scan);
  void admit_enrolled();
  void on_nodes_durable();
  void on_pulse();  // ten times a second
  void on_tick();   // every [routing] tick
  void arm_pulse();
  void arm_tick();
  void publish_view();
  [[nodiscard]] static StoreBounds store_bounds(const StoreConfig& config);
  void work_backlog();
  void use_keys(const Keys& keys);
  void tell(EventLevel level, std::string_view name, std::string node, std::string detail);

  // collector_hand.cc: the operator's hand
  using OrderAnswer = std::function<void(Result<OrderDone>)>;
  void carry_out(const Order& order, OrderAnswer answer);
  [[nodiscard]] Result<HandOutcome> dispatch(const Order& order, Now now);
  [[nodiscard]] Result<HandOutcome> override_routes(const Order& order, Now now);
  [[nodiscard]] Result<HandOutcome> roll_back(Order order, Now now);
  [[nodiscard]] RouteTable rolled_back(const RouteTable& current, const RouteTable& old, Now now,
                                       std::size_t& kept) const;
  [[nodiscard]] std::vector<CandidatePath> usable_candidates(const RouteTable& table,
                                                             const Route& route, Now now) const;
  [[nodiscard]] Result<HandOutcome> enrol(const Order& order);
  [[nodiscard]] Result<HandOutcome> revoke(const Order& order);
  [[nodiscard]] Result<HandOutcome> rekey(const Order& order);
  [[nodiscard]] Result<HandOutcome> finish_rekey(const Order& order);
  [[nodiscard]] Error unknown_node(const std::string& name) const;
  [[nodiscard]] HandFleet hand_fleet(Now now) const;
  void answer_durable(std::uint64_t ticket);
  void watch_hand(Now now);
  void renew_tables(Now now);
  void add_pins(optimizer::NetworkView& view) const;
  void add_earlier_paths(optimizer::NetworkView& view) const;

  // collector_routes.cc: from estimates to tables in the agents' hands
  [[nodiscard]] bool may_solve(Now now);
  [[nodiscard]] optimizer::NetworkView network_view(Now now) const;
  // How a node stands, by its number.
  enum class Standing : std::uint8_t { stranger, member, dead };
  using Standings = std::vector<Standing>;
  [[nodiscard]] Standings standings() const;
  [[nodiscard]] std::vector<optimizer::LinkBelief> beliefs(Now now) const;
  [[nodiscard]] static std::vector<optimizer::LinkBelief> fleet_beliefs(
      const optimizer::FleetEstimates& estimates, const Standings& standings, MonoTime now);
  [[nodiscard]] std::shared_ptr<const optimizer::FleetEstimates> new_estimates_copy(Now now);
  [[nodiscard]] std::shared_ptr<const optimizer::FleetEstimates> estimates_copy(Now now);
  [[nodiscard]] SolveJob solve_job(Now now);
  void solve_tick();
  void rest_from_ticks(Duration took);
  void look_at(const std::vector<optimizer::LinkBelief>& links, Now now);
  void solve_alarm();
  void on_outcome(SolveOutcome outcome);
  void publish_tables(std::vector<RouteTable> tables, const SolveOutcome& outcome);
  void send_tables(const std::vector<PublishedTable>& published);
  void send_table(const AgentRecord& agent);
  void follow_epoch(const AgentRecord& agent, Now now);
  void explain_dropped(RouteTable& table) const;
  void add_changed_reasons(std::vector<RouteTable>& tables) const;
  void watch_nodes(Now now);
  void note_link_state(LinkId link);
  void schedule_alarm(Now now);
  void note_loaded(const AgentRecord& agent);

  // collector_faults.cc: what is wrong and worth telling
  [[nodiscard]] NodeTable node_table(Now now) const;
  [[nodiscard]] std::unique_ptr<Notifier> make_notifier(Restored& restored);
  [[nodiscard]] FaultBackground background_of(const Fault& fault) const;
  [[nodiscard]] std::vector<Fault> faults_lately() const;
  [[nodiscard]] FleetState fleet_state() const;
  void judge_faults(Now now);
  void tell_fault(const FaultChange& change);
  void keep_evidence(const Fault& fault, const NodeTable& nodes, Now now);

  // collector_plan.cc: who measures what
  [[nodiscard]] std::vector<Node> planned_nodes() const;
  void update_plans(Now now);
  void send_plan(AgentRecord& agent, Now now);
  void on_hello(AgentRecord& agent, bool returned);
  void tell_away(const AgentRecord& agent, Duration grace);
  void note_profile(const AgentRecord& agent);
  void dispatch_probes(Now now);

  asio::io_context& loop_;
  CollectorConfig config_;
  optimizer::Policy policy_;
  SystemClock clock_;
  const UnixNanos started_;
  const MonoTime started_mono_;
  const std::uint64_t epoch_;

  std::unique_ptr<Store> store_;
  std::unique_ptr<EventLog> events_;
  Registry registry_;
  Door door_;
  Agents agents_;
  optimizer::FleetEstimates estimates_;
  std::array<std::shared_ptr<optimizer::FleetEstimates>, 4> copies_;  // for solver and views
  std::shared_ptr<const optimizer::FleetEstimates> newest_copy_;      // one of them
  MonoTime copy_again_at_;
  PlanKeeper plans_;
  Publisher publisher_;
  ProbeDesk probes_;
  FaultFinder finder_;
  EvidenceShelf shelf_;
  FaultJudge judge_;
  DampedLinks damped_links_;
  RouteMoves moves_;
  LinkTrails trails_;
  std::deque<Fault> past_faults_;  // the newest resolved ones, oldest first
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<Entrances> entrances_;
  std::unique_ptr<EnrolledDirectory> directory_;
  std::unique_ptr<Solver> solver_;
  asio::steady_timer pulse_;
  asio::steady_timer tick_;
  asio::steady_timer alarm_;

  std::uint64_t nodes_ticket_ = 0;  // enrolments on their way to the disk
  std::set<NodeId> durable_nodes_;  // whose number is there
  std::string scan_error_;          // as told last
  MonoTime next_sign_of_life_;
  bool plans_dirty_ = true;
  MonoTime plans_updated_;
  MonoTime plans_rest_until_;
  MonoTime hello_planned_;  // when a new node was planned for without delay
  std::map<NodeId, std::vector<std::uint8_t>> stored_profiles_;  // as handed to the store
  bool solving_ = false;               // the first solve of this run was allowed
  bool decided_ = false;               // ... and the planner has paths of its own
  std::vector<LinkId> changed_links_;  // since the last alarm solve was submitted
  MonoTime next_tick_solve_;           // ticks before it do not solve
  bool alarm_scheduled_ = false;
  MonoTime alarm_moved_;            // when an alarm last changed tables
  bool reasons_changed_ = false;    // why nodes are left out; tables do not say so yet
  std::set<TableVersion> awaited_;  // versions not loaded by all yet, for `table_loaded`
  SolveFigures solve_;
  MonoTime refusal_told_;

  Hand hand_;
  AuditLog audit_;
  struct OpenOrder {
    std::uint64_t ticket = 0;
    MonoTime deadline;
    OrderDone done;
    OrderAnswer answer;
  };
  std::vector<OpenOrder> open_orders_;  // carried out, on their way to the disk
  bool tables_differ_ = false;          // what is published is not what the solver decided last
  std::set<LinkId> troubled_;           // links that an alarm holds for suspect or dead

  Snapshot<CollectorView> view_;
  std::mutex view_mutex_;
  std::condition_variable view_made_;
  bool view_asked_ = false;  // guarded by view_mutex_
  bool stopped_ = false;
};

}  // namespace linkpilot::collector
