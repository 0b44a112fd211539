#include "base/runtime/metrics_page.h"

#include <gtest/gtest.h>

#include <limits>

namespace linkpilot {
namespace {

constexpr Metric kMetrics[] = {
    {"linkpilot_agent_reports_total", MetricType::counter, "Reports sent.", "Grows."},
    {"linkpilot_agent_spool_fill_ratio", MetricType::gauge, "How full the spool is.", "Below 1.",
     "node"},
    {"e", MetricType::gauge, "a\\b\n\"c\"", ""},
    {"g", MetricType::gauge, "h", ""}};

TEST(MetricsTable, HasARowForEachDeclaredMetric) {
  EXPECT_EQ(metrics_table(std::span(kMetrics).first(2)),
            "| metric | type | counts | reads |\n|---|---|---|---|\n"
            "| `linkpilot_agent_reports_total` | counter | Reports sent. | Grows. |\n"
            "| `linkpilot_agent_spool_fill_ratio` | gauge | How full the spool is. By node. | "
            "Below 1. |\n");
}

TEST(MetricsPage, WritesFamiliesInTheTextFormat) {
  MetricsPage page(kMetrics);
  page.family("linkpilot_agent_reports_total");
  page.sample(3);
  page.family("linkpilot_agent_spool_fill_ratio");
  page.sample(0.25, {{"node", "a"}, {"isp", "x"}});
  EXPECT_EQ(page.take(),
            "# HELP linkpilot_agent_reports_total Reports sent.\n"
            "# TYPE linkpilot_agent_reports_total counter\n"
            "linkpilot_agent_reports_total 3\n"
            "# HELP linkpilot_agent_spool_fill_ratio How full the spool is.\n"
            "# TYPE linkpilot_agent_spool_fill_ratio gauge\n"
            "linkpilot_agent_spool_fill_ratio{node=\"a\",isp=\"x\"} 0.25\n");
  EXPECT_EQ(page.take(), "");
}

TEST(MetricsPage, EscapesHelpAndLabels) {
  MetricsPage page(kMetrics);
  page.family("e");
  page.sample(1, {{"l", "a\\b\n\"c\""}});
  EXPECT_EQ(page.take(),
            "# HELP e a\\\\b\\n\"c\"\n# TYPE e gauge\ne{l=\"a\\\\b\\n\\\"c\\\"\"} 1\n");
}

TEST(MetricsPage, WritesNumbersThatParseBack) {
  MetricsPage page(kMetrics);
  page.family("g");
  page.sample(std::numeric_limits<double>::quiet_NaN());
  page.sample(std::numeric_limits<double>::infinity());
  page.sample(-std::numeric_limits<double>::infinity());
  page.sample(9007199254740993.0);
  page.sample(0.1);
  EXPECT_EQ(page.take(),
            "# HELP g h\n# TYPE g gauge\ng NaN\ng +Inf\ng -Inf\ng 9007199254740992\ng 0.1\n");
}

}  // namespace
}  // namespace linkpilot
