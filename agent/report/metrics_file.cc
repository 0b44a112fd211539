#include "agent/report/metrics_file.h"

#include "agent/report/metric_table.h"
#include "base/freshness_text.h"
#include "base/runtime/metrics_page.h"

namespace linkpilot::agent {

namespace {

double in_seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-9; }
double count(std::uint64_t value) { return static_cast<double>(value); }

void write_state(MetricsPage& page, Freshness now) {
  for (const Freshness state :
       {Freshness::none, Freshness::fresh, Freshness::stale, Freshness::expired}) {
    page.sample(state == now ? 1 : 0, {{"state", std::string(to_string(state))}});
  }
}

void write_conversation(MetricsPage& page, const AgentMetrics& m) {
  page.one("linkpilot_agent_build_info", 1, {{"version", std::string(m.version)}});
  page.one("linkpilot_agent_start_time_seconds", static_cast<double>(m.started.ns) * 1e-9);
  page.one("linkpilot_agent_online", m.online ? 1 : 0);
  page.family("linkpilot_agent_plan_state");
  write_state(page, m.status.plan);
  page.family("linkpilot_agent_table_state");
  write_state(page, m.status.table);
  page.one("linkpilot_agent_plan_age_seconds", in_seconds(m.status.plan_age));
  page.one("linkpilot_agent_table_age_seconds", in_seconds(m.status.table_age));
  page.one("linkpilot_agent_tables_refused_total", count(m.tables_refused));
  page.one("linkpilot_agent_links", count(m.links));
  page.one("linkpilot_agent_links_capped", count(m.links_capped));
  page.one("linkpilot_agent_plans_refused_total", count(m.plans_refused));
  page.one("linkpilot_agent_ack_timeouts_total", count(m.ack_timeouts));
  page.one("linkpilot_agent_samples_dropped_total", count(m.samples_dropped));
  page.one("linkpilot_agent_events_dropped_total", count(m.events_dropped));
  page.one("linkpilot_agent_messages_dropped_total", count(m.messages_dropped));
}

void write_probing(MetricsPage& page, const AgentMetrics& m) {
  const prober::StampCounters& stamp = m.stamp;
  page.one("linkpilot_agent_probes_sent_total", count(stamp.probes_sent));
  page.one("linkpilot_agent_probe_answers_total", count(stamp.answers_received));
  page.one("linkpilot_agent_probes_reflected_total", count(stamp.probes_reflected));
  page.one("linkpilot_agent_probes_missed_total", count(stamp.missed_by_us));
  page.one("linkpilot_agent_probe_send_errors_total", count(stamp.send_errors));
  page.one("linkpilot_agent_probe_answers_unmatched_total", count(stamp.answers_unmatched));
  page.family("linkpilot_agent_probes_refused_total");
  page.sample(count(stamp.refused_unknown_session), {{"reason", "unknown_session"}});
  page.sample(count(stamp.refused_rate), {{"reason", "rate"}});
  page.sample(count(stamp.refused_malformed), {{"reason", "malformed"}});
  page.sample(count(stamp.refused_replay), {{"reason", "replay"}});
  page.sample(count(stamp.refused_table_full), {{"reason", "table_full"}});
  page.one("linkpilot_agent_probes_refused_authentication_total",
           count(m.status.probes_refused_authentication));
  page.one("linkpilot_agent_receive_queue_drops_total", count(stamp.receive_queue_drops));
  page.one("linkpilot_agent_timestamps_missing_total", count(stamp.timestamps_missing));
  page.one("linkpilot_agent_clock_steps_total", count(stamp.clock_steps));
}

void write_spool(MetricsPage& page, const AgentMetrics& m) {
  page.one("linkpilot_agent_spool_reports", count(m.spool.reports));
  page.one("linkpilot_agent_spool_bytes", count(m.spool.octets));
  page.one("linkpilot_agent_spool_disk_bytes", count(m.spool.disk_octets));
  page.one("linkpilot_agent_spool_max_bytes", count(m.spool_size_max));
  page.one("linkpilot_agent_spool_memory_reports", count(m.spool.in_memory));
  page.one("linkpilot_agent_spool_waiting_reports", count(m.spool_waiting));
  page.one("linkpilot_agent_spool_disk_ok", m.spool.error.empty() ? 1 : 0);
  page.one("linkpilot_agent_spool_dropped_reports_total", count(m.status.spool_dropped));
  page.one("linkpilot_agent_spool_failures_total", count(m.spool.failures));
  page.one("linkpilot_agent_spool_torn_bytes_total", count(m.spool.torn_octets));
  page.one("linkpilot_agent_file_jobs_refused_total", count(m.status.file_jobs_refused));
}

}  // namespace

std::string metrics_text(const AgentMetrics& metrics) {
  MetricsPage page(agent_metrics());
  write_conversation(page, metrics);
  write_probing(page, metrics);
  write_spool(page, metrics);
  return page.take();
}

}  // namespace linkpilot::agent
