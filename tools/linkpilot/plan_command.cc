#include <fmt/format.h>

#include <memory>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using Align = TextTable::Align;

struct PlanQuery {
  bool cost = false;
  std::string node;
};

TextTable cost_table(const Json& nodes) {
  TextTable table({{"NODE"},
                   {"SESSIONS", Align::right},
                   {"PROBES/s", Align::right},
                   {"kbit/s", Align::right},
                   {"CAPPED", Align::right},
                   {"WHY"}});
  for (const Json& node : nodes) {
    table.add({text_of(node, "node"), text_of(node, "sessions"),
               number_text(node, "probes_per_second", 1), number_text(node, "kbit_per_second", 1),
               text_of(node, "capped"), text_of(node, "capped_reason")});
  }
  return table;
}

TextTable link_table(const Json& nodes) {
  TextTable table({{"LINK"}, {"EACH ms", Align::right}, {"FLOWS", Align::right}, {"WHY"}});
  for (const Json& node : nodes) {
    for (const Json& link : node.value("links", Json::array())) {
      table.add({text_of(link, "link"), number_text(link, "interval_ms", 0), text_of(link, "flows"),
                 text_of(link, "reason")});
    }
  }
  return table;
}

int show_plan(const Context& context, const PlanQuery& query) {
  const Result<Json> answer = context.client().get("/v1/plan");
  if (!answer) return report_failure(answer.error());
  Json nodes = Json::array();
  for (const Json& node : answer->value("nodes", Json::array())) {
    if (query.node.empty() || text_of(node, "node") == query.node) nodes.push_back(node);
  }
  if (!query.node.empty() && nodes.empty()) {
    return report_failure(
        {ErrorCode::not_found,
         fmt::format("no plan for node {}; linkpilot agent list names the nodes", query.node)});
  }
  if (context.json) {
    for (const Json& node : nodes) print_json("plan", node);
    return kOk;
  }
  fmt::print("{}", (query.cost ? cost_table(nodes) : link_table(nodes)).to_string());
  fmt::print("whole fleet: {} probes/s, {} kbit/s ({})\n",
             number_text(*answer, "probes_per_second", 0),
             number_text(*answer, "kbit_per_second", 0), text_of(*answer, "phase"));
  return kOk;
}

}  // namespace

void add_plan(Command app, Context& context) {
  Command plan = app.verb("plan", "What agents are asked to measure").needs_verb();
  Command show = plan.verb("show", "Links, intervals and why; or what that costs");
  auto query = std::make_shared<PlanQuery>();
  show.flag("--cost", query->cost, "kbit/s and probes/s per node instead of links");
  show.option("NODE", query->node, "only this node");
  on_run(show, context, [&context, query] { return show_plan(context, *query); });
}

}  // namespace linkpilot::cli
