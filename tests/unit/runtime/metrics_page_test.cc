#include "base/runtime/metrics_page.h"

#include <gtest/gtest.h>

#include <limits>

namespace linkpilot {
namespace {

TEST(MetricsPage, WritesFamiliesInTheTextFormat) {
  MetricsPage page;
  page.counter("linkpilot_agent_reports_total", "Reports sent.");
  page.sample(3);
  page.gauge("linkpilot_agent_spool_fill_ratio", "How full the spool is.");
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
  MetricsPage page;
  page.gauge("g", "a\\b\n\"c\"");
  page.sample(1, {{"l", "a\\b\n\"c\""}});
  EXPECT_EQ(page.take(),
            "# HELP g a\\\\b\\n\"c\"\n# TYPE g gauge\ng{l=\"a\\\\b\\n\\\"c\\\"\"} 1\n");
}

TEST(MetricsPage, WritesNumbersThatParseBack) {
  MetricsPage page;
  page.gauge("g", "h");
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
