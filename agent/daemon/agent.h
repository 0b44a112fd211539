// Agent: the composition. Every tick it drains the sockets, judges the cadence, writes marks, sends
// alarms and due probes; every second it reports. All logic is in the cores it owns; here is only
// what joins them to sockets, files and the log. One thread, one loop; all files that are written
// while it runs are written by a second one.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "agent/config/agent_config.h"
#include "agent/detect/detector.h"
#include "agent/exporter/dial_exporter.h"
#include "agent/plan/pace.h"
#include "agent/plan/plan_keeper.h"
#include "agent/plan/probe_requests.h"
#include "agent/report/load_reader.h"
#include "agent/report/report_builder.h"
#include "agent/route_client/marks_file.h"
#include "agent/route_client/table_store.h"
#include "agent/spool/file_thread.h"
#include "agent/spool/report_numbers.h"
#include "agent/spool/report_spool.h"
#include "agent/spool/spool_log.h"
#include "agent/uplink/collector_link.h"
#include "agent/uplink/uplink.h"
#include "base/time.h"
#include "prober/stamp/engine.h"

namespace linkpilot::agent {

class Agent {
 public:
  // Reads keys and state, maps the marks, loads the last table and plan. Nothing is sent before
  // start().
  [[nodiscard]] static Result<std::unique_ptr<Agent>> create(asio::io_context& loop,
                                                             AgentConfig config, Clock& clock);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void start();
  // SIGTERM, SIGUSR2: reports once more, says Bye, and stops the loop when both are acknowledged or
  // half a second has passed; measures until then. Meanwhile and afterwards the node's media
  // process, which is another process, forwards on by the table and marks that are there.
  void leave(ByeReason reason);
  // SIGHUP: applies what can change of the file; keeps everything as it is when the file is wrong.
  void reload(const std::string& path);
  // Set when the agent cannot go on (a STAMP port that cannot be bound); the loop is stopped then.
  [[nodiscard]] const Status& outcome() const { return outcome_; }

 private:
  struct Parts;
  Agent(asio::io_context& loop, AgentConfig config, Clock& clock, Parts parts);

  void schedule();
  [[nodiscard]] Duration tick_length(Now now) const;
  void tick();
  void every_second(Now now);
  void reload_link(const AgentConfig& next, Now now);
  void reload_signers(const AgentConfig& next, Now now);

  // probing.cc
  [[nodiscard]] Status become(NodeId self, Now now);
  void load_plan(Now now);
  void on_plan(const Plan& plan, Now now);
  void save_plan(const Plan& plan, Now now);
  void apply_probe_set(Now now);
  void check_plan_age(Now now);
  void tell_unauthenticated(Now now);
  void on_probe_request(const ProbeRequest& request, Now now);
  void carry_out(DetectorOutput& output, Now now);
  void report(Now now);

  // keeping.cc
  void recover_spool();
  void feed_files();
  void run_file_job(FileThread::Job job);
  void keep(Now now);
  void reserve_numbers();
  void write_metrics(const AgentStatus& status);
  void on_spool_figures(const SpoolFigures& figures, Now now);
  [[nodiscard]] AgentStatus status(Now now) const;
  void send_status(Now now);
  [[nodiscard]] std::string numbers_path() const;

  // conversation.cc
  void on_bytes(std::span<const std::uint8_t> bytes);
  void on_message(const CollectorMessage& message, Now now);
  void on_welcome(const Welcome& welcome, Now now);
  void load_next_table(Now now);
  void on_table_loaded(const TableAck& ack, Now now);
  void connect(Now now);
  void on_transport(MessageClient::State state);
  void converse(Now now);
  void queue(AgentMessage message);
  void note(std::string name, std::string detail, Now now, LogLevel level = LogLevel::info);
  void give_up(Status outcome);

  asio::io_context& loop_;
  AgentConfig config_;
  Clock& clock_;
  asio::steady_timer timer_;
  MonoTime next_tick_;
  Duration pace_;           // between ticks when nothing is being found out
  MonoTime brisk_until_{};  // the configured tick holds until then
  MonoTime next_second_;
  Now started_{};
  bool acknowledged_ = false;  // a report of this run
  Status outcome_;

  NodeId self_;
  std::uint64_t run_id_;
  std::uint64_t links_capped_ = 0;   // of the plan in force
  std::uint64_t plans_refused_ = 0;  // these three are for metrics.prom
  std::uint64_t tables_refused_ = 0;
  std::uint64_t messages_dropped_ = 0;
  std::unique_ptr<prober::StampEngine> engine_;
  Detector detector_;
  DetectorOutput detected_;
  PlanKeeper plan_;
  PlanAge plan_age_ = PlanAge::none;
  struct Unauthenticated {
    MonoTime next;              // when it may be told again
    std::uint64_t packets = 0;  // not told yet
  };
  std::map<LinkId, Unauthenticated> unauthenticated_;  // links of the plan
  std::uint64_t told_unauthenticated_ = 0;
  ProbeRequests probe_requests_;
  std::unique_ptr<route_client::MarksFile> marks_;
  route_client::TableStore tables_;
  LoadReader load_;
  ReportBuilder builder_;
  std::deque<SignedTable> tables_waiting_;  // at most kTablesWaitingMax; the first is being loaded
  bool loading_table_ = false;
  Freshness table_freshness_ = Freshness::none;
  ReportNumbers numbers_;
  bool reserving_ = false;
  std::shared_ptr<SpoolLog> spool_log_;  // used by jobs of the file thread only
  ReportSpool spool_;
  SpoolFigures spool_figures_;
  bool maintaining_ = false;
  bool status_due_ = false;
  MonoTime next_status_;
  MonoTime next_metrics_;
  MonoTime next_drop_note_;
  Uplink uplink_;
  CollectorLink link_;
  std::deque<AgentMessage> outbox_;  // acks and results that found no room; at most kOutboxMax
  std::unique_ptr<DialExporter> exporter_;  // if it is switched on
  FileThread files_;                        // last: its jobs end before anything else does
};

}  // namespace linkpilot::agent
