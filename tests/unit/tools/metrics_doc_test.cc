// playbooks/monitoring/METRICS.md is made from the tables that the programs print by.
// LINKPILOT_WRITE_METRICS=1 writes it anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "agent/report/metric_table.h"
#include "collector/api/metric_table.h"

namespace linkpilot::cli {
namespace {

constexpr const char* kPath = "playbooks/monitoring/METRICS.md";

std::string document() {
  return "# Metrics\n"
         "Every figure that LinkPilot exposes in the Prometheus text format: what it counts and "
         "what "
         "an operator\nreads from it. This file is made from the tables that the programs print by "
         "(`LINKPILOT_WRITE_METRICS=1\nbuild/dev/tests/unit/tools/cli_test "
         "--gtest_filter='MetricsDocument.*'`); alerts on them are in\n[alerts.yml](alerts.yml), "
         "a view of them in [dashboard.json](dashboard.json).\n\n"
         "## The collector\n`GET /metrics` at `[listen] http`. No series is per link; those with a "
         "`node` label are per agent.\n\n" +
         metrics_table(collector::collector_metrics()) +
         "\n## The agent\n`metrics.prom` in its state directory, written every 10 s, for node "
         "exporter's textfile "
         "collector\n(`--collector.textfile.directory=/var/lib/linkpilot`).\n\n" +
         metrics_table(agent::agent_metrics()) +
         "\n## The agent's exporter\n`GET /metrics` at `[exporter] listen`.\n\n" +
         metrics_table(agent::exporter_metrics()) +
         "\n## A dial\n`GET /probe` there; a page has those that apply.\n\n" +
         metrics_table(agent::dial_metrics());
}

TEST(MetricsDocument, IsWhatTheProgramsDeclare) {
  if (const char* write = std::getenv("LINKPILOT_WRITE_METRICS"); write != nullptr) {
    std::ofstream(kPath) << document();
  }
  std::ifstream file(kPath);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text, document()) << "LINKPILOT_WRITE_METRICS=1 writes it anew";
}

TEST(MetricsDocument, NamesEachMetricOnceAndSaysWhatToReadFromIt) {
  std::set<std::string_view> names;
  for (const auto table : {collector::collector_metrics(), agent::agent_metrics(),
                           agent::exporter_metrics(), agent::dial_metrics()}) {
    for (const Metric& metric : table) {
      SCOPED_TRACE(metric.name);
      EXPECT_TRUE(names.insert(metric.name).second);
      EXPECT_FALSE(metric.help.empty());
      EXPECT_FALSE(metric.meaning.empty());
      EXPECT_EQ(metric.type == MetricType::counter, metric.name.ends_with("_total"));
    }
  }
}

}  // namespace
}  // namespace linkpilot::cli
