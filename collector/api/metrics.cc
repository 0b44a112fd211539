#include "collector/api/metrics.h"

#include <algorithm>
#include <map>

#include "base/runtime/metrics_page.h"
#include "collector/api/json_views.h"

namespace linkpilot::collector {

namespace {

double seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-9; }

double count(std::uint64_t value) { return static_cast<double>(value); }

void one_counter(MetricsPage& page, std::string_view name, std::string_view help,
                 std::uint64_t value) {
  page.counter(name, help);
  page.sample(count(value));
}

void one_gauge(MetricsPage& page, std::string_view name, std::string_view help, double value) {
  page.gauge(name, help);
  page.sample(value);
}

void write_fleet(MetricsPage& page, const CollectorView& view) {
  page.gauge("linkpilot_collector_build_info", "Always 1; the labels say which program this is.");
  page.sample(1, {{"version", LINKPILOT_VERSION}});
  one_gauge(page, "linkpilot_collector_epoch", "Grows with every start of the collector.",
            count(view.epoch));
  one_gauge(page, "linkpilot_collector_start_time_seconds",
            "When the collector started, unix time.", static_cast<double>(view.started.ns) * 1e-9);
  one_gauge(page, "linkpilot_collector_healthy", "1 if /v1/status says healthy.",
            complaints(view).empty() ? 1 : 0);
  one_gauge(page, "linkpilot_collector_agents_enrolled", "Keys in the enrolled directory.",
            count(view.enrolled));
  page.gauge("linkpilot_collector_agent_connected", "1 while the agent is heard.");
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled) page.sample(agent.heard() ? 1 : 0, {{"node", agent.name}});
  }
  page.gauge("linkpilot_collector_node_dead", "1 while the node is believed to be down.");
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled) page.sample(agent.dead ? 1 : 0, {{"node", agent.name}});
  }
  page.gauge("linkpilot_collector_table_age_seconds",
             "Age of the table a node uses, if it is the newest.");
  for (const auto& [node, published] : view.tables) {
    const auto agent = view.agents.find(node);
    if (agent == view.agents.end() || agent->second.table.loaded != published.table->version)
      continue;
    page.sample(seconds(view.now - published.table->created), {{"node", agent->second.name}});
  }
  page.gauge("linkpilot_collector_table_up_to_date",
             "1 if the node uses the newest table made for it.");
  for (const auto& [node, published] : view.tables) {
    const auto agent = view.agents.find(node);
    if (agent == view.agents.end()) continue;
    page.sample(agent->second.table.loaded == published.table->version ? 1 : 0,
                {{"node", agent->second.name}});
  }
}

void write_ingest(MetricsPage& page, const CollectorView& view) {
  const IngestCounters& in = view.ingest;
  one_counter(page, "linkpilot_collector_messages_total",
              "Messages from enrolled or once enrolled keys.", in.messages);
  page.counter("linkpilot_collector_messages_refused_total", "Messages not acted on, by reason.");
  page.sample(count(in.undecodable), {{"reason", "undecodable"}});
  page.sample(count(in.not_enrolled), {{"reason", "not_enrolled"}});
  page.sample(count(in.before_hello), {{"reason", "before_hello"}});
  page.sample(count(in.duplicate_agents), {{"reason", "duplicate_agent"}});
  page.sample(count(view.sockets.refused_malformed), {{"reason", "malformed"}});
  one_counter(page, "linkpilot_collector_handshakes_refused_total",
              "Connections with keys that are not enrolled.", view.sockets.refused_keys);
  one_counter(page, "linkpilot_collector_connections_ended_total",
              "Live connections of revoked keys that were shut down.", view.sockets.disconnected);
  one_gauge(page, "linkpilot_collector_overrides", "Operators' overrides in force.",
            count(view.overrides.size()));
  page.counter("linkpilot_collector_reports_total", "Reports received, by what became of them.");
  page.sample(count(in.reports), {{"fate", "taken"}});
  page.sample(count(in.reports_duplicate), {{"fate", "duplicate"}});
  page.sample(count(in.reports_refused), {{"fate", "refused"}});
  page.sample(count(in.reports_no_room), {{"fate", "no_room"}});
  page.counter("linkpilot_collector_samples_total",
               "Link samples received, by what became of them.");
  page.sample(count(in.samples_folded), {{"fate", "folded"}});
  page.sample(count(in.samples_kept), {{"fate", "kept"}});
  page.sample(count(in.samples_refused), {{"fate", "refused"}});
  one_counter(page, "linkpilot_collector_acks_total", "Acknowledgements sent.", in.acks);
  one_counter(page, "linkpilot_collector_alarms_total", "Alarms received.", in.alarms);
  one_counter(page, "linkpilot_collector_alarms_refused_total", "Alarms that could not be true.",
              in.alarms_refused);
  page.counter("linkpilot_collector_socket_dropped_total",
               "Messages to agents that were dropped, by reason.");
  page.sample(count(view.sockets.dropped_queue_full), {{"reason", "queue_full"}});
  page.sample(count(view.sockets.dropped_unroutable), {{"reason", "unroutable"}});
  one_gauge(page, "linkpilot_collector_estimates", "Links with an estimate.",
            count(view.estimates));
  one_counter(page, "linkpilot_collector_estimates_refused_total",
              "Samples of links beyond the bound.", view.estimates_refused);
}

void write_store(MetricsPage& page, const CollectorView& view) {
  const StoreFigures& store = view.store;
  one_gauge(page, "linkpilot_collector_store_ok", "0 while commits fail.", store.ok ? 1 : 0);
  one_counter(page, "linkpilot_collector_store_reports_total", "Reports made durable.",
              store.reports);
  one_counter(page, "linkpilot_collector_store_commits_total", "Transactions.", store.commits);
  one_counter(page, "linkpilot_collector_store_failures_total",
              "Transactions that failed and were tried again.", store.failures);
  one_counter(page, "linkpilot_collector_store_expired_reports_total",
              "Reports deleted by age or size.", store.expired);
  one_gauge(page, "linkpilot_collector_store_size_bytes",
            "Octets of the disk that the store takes.", count(store.bytes));
  one_gauge(page, "linkpilot_collector_store_segments", "Files that reports lie in.",
            count(store.segments));
  one_gauge(page, "linkpilot_collector_store_queue_reports", "Reports waiting for their commit.",
            count(store.queue_reports));
  one_gauge(page, "linkpilot_collector_store_queue_bytes", "Octets of these reports.",
            count(store.queue_bytes));
  one_counter(page, "linkpilot_collector_store_queue_refused_total",
              "Reports without room in the queue.", store.refused);
  one_counter(page, "linkpilot_collector_store_notes_dropped_total",
              "Events and tables without room in the queue.", store.dropped_notes);
  one_gauge(page, "linkpilot_collector_store_commit_median_seconds",
            "Median of the last few hundred commits.",
            seconds(store.commit_time.quantile(0.5).value_or(Duration{})));
  one_gauge(page, "linkpilot_collector_store_commit_worst_seconds", "99th percentile of the same.",
            seconds(store.commit_time.quantile(0.99).value_or(Duration{})));
  one_counter(page, "linkpilot_collector_events_total", "Events ever written.", view.events);
}

void write_routes(MetricsPage& page, const CollectorView& view) {
  page.counter("linkpilot_collector_solves_total", "Solves, by what started them.");
  page.sample(count(view.solve.runs - view.solve.alarm_runs), {{"trigger", "tick"}});
  page.sample(count(view.solve.alarm_runs), {{"trigger", "alarm"}});
  one_counter(page, "linkpilot_collector_solves_refused_total", "Outcomes the guard held back.",
              view.solve.refused);
  one_counter(page, "linkpilot_collector_solves_replaced_total",
              "Solves overtaken by newer measurements.", view.solve.replaced);
  one_counter(page, "linkpilot_collector_route_moves_total",
              "Routes whose first candidate changed.", view.solve.moves);
  one_gauge(page, "linkpilot_collector_solve_last_seconds", "Time of the last solve.",
            seconds(view.solve.last_took));
  std::uint64_t fast = 0;
  std::uint64_t slow = 0;
  double probes = 0;
  for (const auto& [node, plan] : view.plans) {
    probes += probe_load(plan).probes_per_second;
    for (const PacedLink& link : plan.links) ++(is_fast(link.pace) ? fast : slow);
  }
  page.gauge("linkpilot_collector_planned_links", "Links in all plans, by pace.");
  page.sample(count(fast), {{"pace", "fast"}});
  page.sample(count(slow), {{"pace", "slow"}});
  one_gauge(page, "linkpilot_collector_planned_probes_per_second", "Probes all plans ask for.",
            probes);
  one_gauge(page, "linkpilot_collector_pairs_awaiting_secret",
            "Pairs of nodes that do not probe under the newest secret yet.",
            count(view.pairs_waiting));
  page.gauge("linkpilot_collector_agent_probes_refused_authentication",
             "Probes and answers not under their pair's secret, of the agent's present run.");
  for (const auto& [id, agent] : view.agents) {
    if (!agent.enrolled || !agent.status) continue;
    page.sample(count(agent.status->probes_refused_authentication), {{"node", agent.name}});
  }
  std::uint64_t dead = 0;
  std::uint64_t measured = 0;
  for (const optimizer::LinkBelief& belief : view.beliefs()) {
    if (belief.state == LinkState::dead) ++dead;
    if (belief.measured && !belief.stale) ++measured;
  }
  one_gauge(page, "linkpilot_collector_links_measured", "Links with a current estimate.",
            count(measured));
  one_gauge(page, "linkpilot_collector_links_dead", "Links believed dead.", count(dead));
  one_gauge(page, "linkpilot_collector_probe_requests_active", "Probes on demand that run now.",
            count(view.probes.active));
  one_counter(page, "linkpilot_collector_probe_requests_total", "Probes on demand.",
              view.probes.requested);
}

void write_announcer(MetricsPage& page, const MailFigures& mail) {
  one_gauge(page, "linkpilot_collector_notices_waiting", "What is to be told and in no mail yet.",
            count(mail.untold));
  one_counter(page, "linkpilot_collector_notices_rate_limited_total",
              "Notices that had to wait for the hourly limit.", mail.announcer.limited);
  one_counter(page, "linkpilot_collector_mail_digests_total",
              "Mails that told at once what the hourly limit had held up.", mail.announcer.digests);
  page.counter("linkpilot_collector_faults_untold_total", "Faults not told by mail, by reason.");
  page.sample(count(mail.announcer.muted), {{"reason", "explained"}});
  page.sample(count(mail.announcer.unheard), {{"reason", "concerns_nobody"}});
  page.sample(count(mail.announcer.overflow), {{"reason", "too_many"}});
}

void write_sinks(MetricsPage& page, const SinkFigures& sinks) {
  one_gauge(page, "linkpilot_collector_alerts", "Alerts kept for the Alertmanager.",
            count(sinks.alerts));
  one_gauge(page, "linkpilot_collector_alertmanager_ok", "0 while posts to it fail.",
            sinks.alert_trouble.empty() ? 1 : 0);
  one_counter(page, "linkpilot_collector_alerts_posted_total",
              "Alerts it took, refreshes included.", sinks.alert_counters.posted);
  page.counter("linkpilot_collector_alerts_failed_total", "By what became of them.");
  page.sample(count(sinks.alert_counters.failed), {{"outcome", "repeated"}});
  page.sample(count(sinks.alert_counters.refused), {{"outcome", "refused"}});
  page.sample(count(sinks.alert_counters.dropped), {{"outcome", "no_room"}});
  one_gauge(page, "linkpilot_collector_webhook_waiting", "Deliveries not taken yet.",
            count(sinks.hook_waiting));
  one_counter(page, "linkpilot_collector_webhook_delivered_total", "Deliveries taken.",
              sinks.hook_counters.delivered);
  page.counter("linkpilot_collector_webhook_failed_total", "By what became of them.");
  page.sample(count(sinks.hook_counters.failed), {{"outcome", "repeated"}});
  page.sample(count(sinks.hook_counters.refused), {{"outcome", "refused"}});
  page.sample(count(sinks.hook_counters.dropped), {{"outcome", "dropped"}});
}

void write_faults(MetricsPage& page, const CollectorView& view) {
  std::map<std::pair<FaultScope, FaultGrade>, std::uint64_t> open;
  for (const Fault& fault : view.faults) {
    if (fault.open()) ++open[{fault.scope, fault.grade}];
  }
  page.gauge("linkpilot_collector_faults_open", "Faults that are open, by what they are about.");
  for (const FaultScope scope :
       {FaultScope::region, FaultScope::node, FaultScope::port, FaultScope::link}) {
    for (const FaultGrade grade : {FaultGrade::degraded, FaultGrade::dead}) {
      page.sample(count(open[{scope, grade}]), {{"scope", std::string(to_string(scope))},
                                                {"grade", std::string(to_string(grade))}});
    }
  }
  one_counter(page, "linkpilot_collector_faults_suppressed_total",
              "Looks at which a cause waited because too many faults are open.",
              view.faults_suppressed);
  const MailCounters& mail = view.mail.counters;
  one_gauge(page, "linkpilot_collector_mail_enabled", "1 if there is a server and a recipient.",
            view.mail.enabled ? 1 : 0);
  one_gauge(page, "linkpilot_collector_mail_spool_mails", "Mails not handed over yet.",
            count(view.mail.waiting));
  one_gauge(page, "linkpilot_collector_mail_spool_max_mails", "Its bound.",
            count(view.mail.waiting_max));
  one_gauge(page, "linkpilot_collector_mail_server_ok", "0 while the server cannot be talked to.",
            view.mail.trouble.empty() ? 1 : 0);
  one_counter(page, "linkpilot_collector_mails_handed_total",
              "Mails the server took, for one recipient at least.", mail.handed);
  one_counter(page, "linkpilot_collector_mail_recipients_refused_total",
              "Recipients the server refused for good.", mail.recipients_refused);
  page.counter("linkpilot_collector_mail_attempts_failed_total", "Attempts to repeat, by reason.");
  page.sample(count(mail.put_off), {{"reason", "put_off"}});
  page.sample(count(mail.server_failures), {{"reason", "server"}});
  page.counter("linkpilot_collector_mails_dropped_total", "Mails lost, by reason.");
  page.sample(count(mail.dropped_full), {{"reason", "spool_full"}});
  page.sample(count(mail.dropped_old), {{"reason", "given_up"}});
  write_announcer(page, view.mail);
  write_sinks(page, view.sinks);
}

}  // namespace

std::string metrics_page(const CollectorView& view) {
  MetricsPage page;
  write_fleet(page, view);
  write_ingest(page, view);
  write_store(page, view);
  write_routes(page, view);
  write_faults(page, view);
  return page.take();
}

}  // namespace linkpilot::collector
