#include "collector/api/metrics.h"

#include <algorithm>
#include <map>

#include "base/runtime/metrics_page.h"
#include "collector/api/json_parts.h"
#include "collector/api/json_views.h"
#include "collector/api/metric_table.h"

namespace linkpilot::collector {

namespace {

double seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-9; }

double count(std::uint64_t value) { return static_cast<double>(value); }

void write_states(MetricsPage& page, const CollectorView& view) {
  std::map<std::string_view, std::uint64_t> states;
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled) ++states[state_text(agent)];
  }
  page.family("linkpilot_collector_agents");
  for (const char* state : {"connected", "silent", "dead", "never_seen"}) {
    page.sample(count(states[state]), {{"state", state}});
  }
}

// What agents call themselves is theirs to choose: so many versions, the rest in one.
void write_software(MetricsPage& page, const CollectorView& view) {
  constexpr std::size_t kVersionsMax = 8;
  std::map<std::string, std::uint64_t> versions;
  for (const auto& [id, agent] : view.agents) {
    if (!agent.enrolled || !agent.heard()) continue;
    const bool has_room = versions.size() < kVersionsMax || versions.contains(agent.software);
    ++versions[has_room ? agent.software : "other"];
  }
  page.family("linkpilot_collector_agents_by_software");
  for (const auto& [software, agents] : versions) {
    page.sample(count(agents), {{"software", software}});
  }
}

// Sums over the fleet, so that nobody needs a series of each node.
void write_agents(MetricsPage& page, const CollectorView& view) {
  constexpr Duration kClockWrong = std::chrono::seconds(2);
  std::uint64_t refused = 0;
  std::uint64_t behind = 0;
  std::uint64_t stale = 0;
  std::uint64_t failing = 0;
  std::uint64_t waiting = 0;
  std::uint64_t dropped = 0;
  std::uint64_t clock_wrong = 0;
  std::uint64_t capped = 0;
  Duration offset_max{};
  for (const auto& [id, agent] : view.agents) {
    if (!agent.enrolled) continue;
    refused += agent.table.refused_reason.empty() ? 0 : 1;
    const auto table = view.tables.find(id);
    const bool uses_newest =
        table == view.tables.end() || agent.table.loaded == table->second.table->version;
    if (agent.heard()) {
      behind += uses_newest ? 0 : 1;
      const Duration offset = std::chrono::abs(agent.clock_ahead);
      offset_max = std::max(offset_max, offset);
      clock_wrong += offset > kClockWrong ? 1 : 0;
      capped += agent.plan.capped;
    }
    if (!agent.status) continue;
    const bool is_stale =
        agent.status->table == Freshness::stale || agent.status->table == Freshness::expired;
    stale += is_stale ? 1 : 0;
    failing += agent.status->spool_error.empty() ? 0 : 1;
    waiting += agent.status->spool_reports;
    dropped += agent.status->spool_dropped;
  }
  page.one("linkpilot_collector_agents_table_refused", count(refused));
  page.one("linkpilot_collector_agents_table_behind", count(behind));
  page.one("linkpilot_collector_agents_table_stale", count(stale));
  page.one("linkpilot_collector_agents_spool_failing", count(failing));
  page.one("linkpilot_collector_agents_spool_reports", count(waiting));
  page.one("linkpilot_collector_agents_spool_dropped_reports", count(dropped));
  page.one("linkpilot_collector_agents_clock_wrong", count(clock_wrong));
  page.one("linkpilot_collector_agents_clock_offset_max_seconds", seconds(offset_max));
  page.one("linkpilot_collector_planned_links_capped", count(capped));
}

void write_fleet(MetricsPage& page, const CollectorView& view) {
  page.one("linkpilot_collector_build_info", 1, {{"version", LINKPILOT_VERSION}});
  page.one("linkpilot_collector_epoch", count(view.epoch));
  page.one("linkpilot_collector_start_time_seconds", static_cast<double>(view.started.ns) * 1e-9);
  page.one("linkpilot_collector_healthy", complaints(view).empty() ? 1 : 0);
  page.one("linkpilot_collector_agents_enrolled", count(view.enrolled));
  write_states(page, view);
  write_software(page, view);
  write_agents(page, view);
  page.family("linkpilot_collector_agent_connected");
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled) page.sample(agent.heard() ? 1 : 0, {{"node", agent.name}});
  }
  page.family("linkpilot_collector_node_dead");
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled) page.sample(agent.dead ? 1 : 0, {{"node", agent.name}});
  }
  page.family("linkpilot_collector_table_age_seconds");
  for (const auto& [node, published] : view.tables) {
    const auto agent = view.agents.find(node);
    if (agent == view.agents.end() || agent->second.table.loaded != published.table->version)
      continue;
    page.sample(seconds(view.now - published.table->created), {{"node", agent->second.name}});
  }
  page.family("linkpilot_collector_table_up_to_date");
  for (const auto& [node, published] : view.tables) {
    const auto agent = view.agents.find(node);
    if (agent == view.agents.end()) continue;
    page.sample(agent->second.table.loaded == published.table->version ? 1 : 0,
                {{"node", agent->second.name}});
  }
}

void write_ingest(MetricsPage& page, const CollectorView& view) {
  const IngestCounters& in = view.ingest;
  page.one("linkpilot_collector_messages_total", count(in.messages));
  page.family("linkpilot_collector_messages_refused_total");
  page.sample(count(in.undecodable), {{"reason", "undecodable"}});
  page.sample(count(in.not_enrolled), {{"reason", "not_enrolled"}});
  page.sample(count(in.before_hello), {{"reason", "before_hello"}});
  page.sample(count(in.duplicate_agents), {{"reason", "duplicate_agent"}});
  page.sample(count(view.sockets.refused_malformed), {{"reason", "malformed"}});
  page.one("linkpilot_collector_handshakes_refused_total", count(view.sockets.refused_keys));
  page.one("linkpilot_collector_connections_ended_total", count(view.sockets.disconnected));
  page.one("linkpilot_collector_refused_keys", count(view.refused_keys.size()));
  page.one("linkpilot_collector_refused_keys_max", count(kRefusedKeysMax));
  page.one("linkpilot_collector_ingest_backlog_reports", count(view.backlog_reports));
  page.one("linkpilot_collector_ingest_backlog_bytes", count(view.backlog_octets));
  page.one("linkpilot_collector_ingest_backlog_max_bytes", count(Ingest::kBacklogOctetsMax));
  page.one("linkpilot_collector_overrides", count(view.overrides.size()));
  page.family("linkpilot_collector_reports_total");
  page.sample(count(in.reports), {{"fate", "taken"}});
  page.sample(count(in.reports_duplicate), {{"fate", "duplicate"}});
  page.sample(count(in.reports_refused), {{"fate", "refused"}});
  page.sample(count(in.reports_no_room), {{"fate", "no_room"}});
  page.family("linkpilot_collector_samples_total");
  page.sample(count(in.samples_folded), {{"fate", "folded"}});
  page.sample(count(in.samples_kept), {{"fate", "kept"}});
  page.sample(count(in.samples_held), {{"fate", "held"}});
  page.sample(count(in.samples_refused), {{"fate", "refused"}});
  page.one("linkpilot_collector_acks_total", count(in.acks));
  page.one("linkpilot_collector_alarms_total", count(in.alarms));
  page.one("linkpilot_collector_alarms_held_total", count(in.alarms_held));
  page.one("linkpilot_collector_alarms_refused_total", count(in.alarms_refused));
  page.family("linkpilot_collector_socket_dropped_total");
  page.sample(count(view.sockets.dropped_queue_full), {{"reason", "queue_full"}});
  page.sample(count(view.sockets.dropped_unroutable), {{"reason", "unroutable"}});
  page.one("linkpilot_collector_estimates", count(view.estimates));
  page.one("linkpilot_collector_estimates_refused_total", count(view.estimates_refused));
}

void write_store(MetricsPage& page, const CollectorView& view) {
  const StoreFigures& store = view.store;
  page.one("linkpilot_collector_store_ok", store.ok ? 1 : 0);
  page.one("linkpilot_collector_store_reports_total", count(store.reports));
  page.one("linkpilot_collector_store_commits_total", count(store.commits));
  page.one("linkpilot_collector_store_failures_total", count(store.failures));
  page.one("linkpilot_collector_store_expired_reports_total", count(store.expired));
  page.one("linkpilot_collector_store_size_bytes", count(store.bytes));
  const StoreBounds& bounds = view.store_bounds;
  page.one("linkpilot_collector_store_size_max_bytes", count(bounds.size_max));
  page.one("linkpilot_collector_store_disk_free_bytes", count(bounds.disk_free));
  page.one("linkpilot_collector_store_queue_max_reports", count(bounds.queue_reports_max));
  page.one("linkpilot_collector_store_queue_max_bytes", count(bounds.queue_octets_max));
  page.one("linkpilot_collector_store_segments", count(store.segments));
  page.one("linkpilot_collector_store_queue_reports", count(store.queue_reports));
  page.one("linkpilot_collector_store_queue_bytes", count(store.queue_bytes));
  page.one("linkpilot_collector_store_queue_refused_total", count(store.refused));
  page.one("linkpilot_collector_store_notes_dropped_total", count(store.dropped_notes));
  page.one("linkpilot_collector_store_commit_median_seconds",
           seconds(store.commit_time.quantile(0.5).value_or(Duration{})));
  page.one("linkpilot_collector_store_commit_worst_seconds",
           seconds(store.commit_time.quantile(0.99).value_or(Duration{})));
  page.one("linkpilot_collector_events_total", count(view.events));
}

void write_routes(MetricsPage& page, const CollectorView& view) {
  page.family("linkpilot_collector_solves_total");
  page.sample(count(view.solve.runs - view.solve.alarm_runs), {{"trigger", "tick"}});
  page.sample(count(view.solve.alarm_runs), {{"trigger", "alarm"}});
  page.one("linkpilot_collector_solves_refused_total", count(view.solve.refused));
  page.one("linkpilot_collector_solves_replaced_total", count(view.solve.replaced));
  page.one("linkpilot_collector_route_moves_total", count(view.solve.moves));
  page.one("linkpilot_collector_solve_last_seconds", seconds(view.solve.last_took));
  std::uint64_t fast = 0;
  std::uint64_t slow = 0;
  double probes = 0;
  for (const auto& [node, plan] : view.plans) {
    probes += probe_load(plan).probes_per_second;
    for (const PacedLink& link : plan.links) ++(is_fast(link.pace) ? fast : slow);
  }
  page.family("linkpilot_collector_planned_links");
  page.sample(count(fast), {{"pace", "fast"}});
  page.sample(count(slow), {{"pace", "slow"}});
  page.one("linkpilot_collector_planned_probes_per_second", probes);
  page.one("linkpilot_collector_pairs_awaiting_secret", count(view.pairs_waiting));
  page.family("linkpilot_collector_agent_probes_refused_authentication");
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
  page.one("linkpilot_collector_links_measured", count(measured));
  page.one("linkpilot_collector_links_dead", count(dead));
  page.one("linkpilot_collector_probe_requests_active", count(view.probes.active));
  page.family("linkpilot_collector_probe_requests_total");
  page.sample(count(view.probes.requested), {{"outcome", "requested"}});
  page.sample(count(view.probes.answered), {{"outcome", "answered"}});
  page.sample(count(view.probes.timed_out), {{"outcome", "timed_out"}});
}

void write_announcer(MetricsPage& page, const MailFigures& mail) {
  page.one("linkpilot_collector_notices_waiting", count(mail.untold));
  page.one("linkpilot_collector_notices_rate_limited_total", count(mail.announcer.limited));
  page.one("linkpilot_collector_mail_digests_total", count(mail.announcer.digests));
  page.family("linkpilot_collector_faults_untold_total");
  page.sample(count(mail.announcer.muted), {{"reason", "explained"}});
  page.sample(count(mail.announcer.unheard), {{"reason", "concerns_nobody"}});
  page.sample(count(mail.announcer.overflow), {{"reason", "too_many"}});
}

void write_sinks(MetricsPage& page, const SinkFigures& sinks) {
  page.one("linkpilot_collector_alerts", count(sinks.alerts));
  page.one("linkpilot_collector_alertmanager_ok", sinks.alert_trouble.empty() ? 1 : 0);
  page.one("linkpilot_collector_alerts_posted_total", count(sinks.alert_counters.posted));
  page.family("linkpilot_collector_alerts_failed_total");
  page.sample(count(sinks.alert_counters.failed), {{"outcome", "repeated"}});
  page.sample(count(sinks.alert_counters.refused), {{"outcome", "refused"}});
  page.sample(count(sinks.alert_counters.dropped), {{"outcome", "no_room"}});
  page.one("linkpilot_collector_webhook_waiting", count(sinks.hook_waiting));
  page.one("linkpilot_collector_webhook_delivered_total", count(sinks.hook_counters.delivered));
  page.family("linkpilot_collector_webhook_failed_total");
  page.sample(count(sinks.hook_counters.failed), {{"outcome", "repeated"}});
  page.sample(count(sinks.hook_counters.refused), {{"outcome", "refused"}});
  page.sample(count(sinks.hook_counters.dropped), {{"outcome", "dropped"}});
}

void write_faults(MetricsPage& page, const CollectorView& view) {
  std::map<std::pair<FaultScope, FaultGrade>, std::uint64_t> open;
  for (const Fault& fault : view.faults) {
    if (fault.open()) ++open[{fault.scope, fault.grade}];
  }
  page.family("linkpilot_collector_faults_open");
  for (const FaultScope scope : kFaultScopes) {
    for (const FaultGrade grade : {FaultGrade::degraded, FaultGrade::dead}) {
      page.sample(count(open[{scope, grade}]), {{"scope", std::string(to_string(scope))},
                                                {"grade", std::string(to_string(grade))}});
    }
  }
  page.one("linkpilot_collector_faults_suppressed_total", count(view.faults_suppressed));
  page.one("linkpilot_collector_localiser_rounds_total", count(view.finder.rounds));
  page.one("linkpilot_collector_localiser_findings", count(view.finder.findings));
  page.one("linkpilot_collector_localiser_findings_doubtful", count(view.finder.doubtful));
  page.one("linkpilot_collector_localiser_causes_unconfirmed", count(view.finder.unconfirmed));
  page.one("linkpilot_collector_localiser_nodes_left_out_total", count(view.finder.ends_left_out));
  page.one("linkpilot_collector_detector_pairs", count(view.finder.pairs));
  page.one("linkpilot_collector_detector_samples_refused_total", count(view.finder.pairs_refused));
  page.family("linkpilot_collector_bursts_total");
  page.sample(count(view.finder.asked), {{"outcome", "asked"}});
  page.sample(count(view.finder.put_off), {{"outcome", "put_off"}});
  page.family("linkpilot_collector_evidence_records_total");
  page.sample(count(view.shelf.written), {{"outcome", "written"}});
  page.sample(count(view.shelf.dropped), {{"outcome", "dropped"}});
  page.sample(count(view.shelf.failed), {{"outcome", "failed"}});
  const MailCounters& mail = view.mail.counters;
  page.one("linkpilot_collector_mail_enabled", view.mail.enabled ? 1 : 0);
  page.one("linkpilot_collector_mail_spool_mails", count(view.mail.waiting));
  page.one("linkpilot_collector_mail_spool_max_mails", count(view.mail.waiting_max));
  page.one("linkpilot_collector_mail_server_ok", view.mail.trouble.empty() ? 1 : 0);
  page.one("linkpilot_collector_mails_handed_total", count(mail.handed));
  page.one("linkpilot_collector_mail_recipients_refused_total", count(mail.recipients_refused));
  page.family("linkpilot_collector_mail_attempts_failed_total");
  page.sample(count(mail.put_off), {{"reason", "put_off"}});
  page.sample(count(mail.server_failures), {{"reason", "server"}});
  page.family("linkpilot_collector_mails_dropped_total");
  page.sample(count(mail.dropped_full), {{"reason", "spool_full"}});
  page.sample(count(mail.dropped_old), {{"reason", "given_up"}});
  write_announcer(page, view.mail);
  write_sinks(page, view.sinks);
}

}  // namespace

std::string metrics_page(const CollectorView& view, const HttpFigures& http) {
  MetricsPage page(collector_metrics());
  write_fleet(page, view);
  write_ingest(page, view);
  write_store(page, view);
  write_routes(page, view);
  write_faults(page, view);
  page.family("linkpilot_collector_http_requests_total");
  page.sample(count(http.succeeded), {{"status", "2xx"}});
  page.sample(count(http.refused), {{"status", "4xx"}});
  page.sample(count(http.failed), {{"status", "5xx"}});
  return page.take();
}

}  // namespace linkpilot::collector
