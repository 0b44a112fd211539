#include "agent/report/metrics_file.h"

#include <array>

#include "base/freshness_text.h"
#include "base/runtime/metrics_page.h"

namespace linkpilot::agent {

namespace {

struct Line {
  std::string_view name;
  std::string_view help;
  double value;
};

double in_seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-9; }
double count(std::uint64_t value) { return static_cast<double>(value); }

void write_state(MetricsPage& page, Freshness now) {
  for (const Freshness state :
       {Freshness::none, Freshness::fresh, Freshness::stale, Freshness::expired}) {
    page.sample(state == now ? 1 : 0, {{"state", std::string(to_string(state))}});
  }
}

}  // namespace

std::string metrics_text(const AgentMetrics& m) {
  MetricsPage page;
  page.gauge("linkpilot_agent_plan_state",
             "1 for the state of the plan; stale: the collector is away.");
  write_state(page, m.status.plan);
  page.gauge("linkpilot_agent_table_state",
             "1 for the state of the route table; stale: past its soft expiry, expired: the hard.");
  write_state(page, m.status.table);
  const std::array gauges{
      Line{"linkpilot_agent_online", "1 while a collector is connected.", m.online ? 1.0 : 0.0},
      Line{"linkpilot_agent_plan_age_seconds", "Since the collector was last heard.",
           in_seconds(m.status.plan_age)},
      Line{"linkpilot_agent_table_age_seconds", "Since the table in use was made.",
           in_seconds(m.status.table_age)},
      Line{"linkpilot_agent_spool_reports", "Reports not acknowledged.", count(m.spool.reports)},
      Line{"linkpilot_agent_spool_bytes", "Of those reports.", count(m.spool.octets)},
      Line{"linkpilot_agent_spool_disk_bytes", "All segments.", count(m.spool.disk_octets)},
      Line{"linkpilot_agent_spool_memory_reports", "Reports the disk has not taken.",
           count(m.spool.in_memory)},
      Line{"linkpilot_agent_spool_waiting_reports", "Reports the file thread has not taken.",
           count(m.spool_waiting)},
      Line{"linkpilot_agent_spool_disk_ok", "0 while the disk refuses.",
           m.spool.error.empty() ? 1.0 : 0.0}};
  for (const Line& line : gauges) {
    page.gauge(line.name, line.help);
    page.sample(line.value);
  }
  const std::array counters{
      Line{"linkpilot_agent_spool_dropped_reports_total",
           "Reports lost because spool or queue was full.", count(m.status.spool_dropped)},
      Line{"linkpilot_agent_spool_failures_total", "Writes and syncs that the disk refused.",
           count(m.spool.failures)},
      Line{"linkpilot_agent_spool_torn_bytes_total", "Cut off or unreadable at start.",
           count(m.spool.torn_octets)},
      Line{"linkpilot_agent_file_jobs_refused_total", "The file thread's queue was full.",
           count(m.status.file_jobs_refused)},
      Line{"linkpilot_agent_probes_refused_authentication_total",
           "Probes and answers that were not under their pair's secret.",
           count(m.status.probes_refused_authentication)},
      Line{"linkpilot_agent_ack_timeouts_total",
           "Times reports were sent again because nobody acknowledged them.",
           count(m.ack_timeouts)},
      Line{"linkpilot_agent_samples_dropped_total", "Samples that found no room in a report.",
           count(m.samples_dropped)}};
  for (const Line& line : counters) {
    page.counter(line.name, line.help);
    page.sample(line.value);
  }
  return page.take();
}

}  // namespace linkpilot::agent
