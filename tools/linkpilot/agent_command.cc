#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using Align = TextTable::Align;

void print_refused_keys(const Json& answer) {
  const Json refused = answer.value("refused_keys", Json::array());
  if (refused.empty()) return;
  fmt::print("\nrefused keys (enrol one by putting its .pub file into the enrolled directory):\n");
  TextTable table({{"KEY"}, {"FROM"}, {"LAST"}, {"TIMES", Align::right}, {"REASON"}});
  for (const Json& key : refused) {
    table.add({text_of(key, "public_key"), text_of(key, "address"), text_of(key, "last_at"),
               text_of(key, "count"), text_of(key, "reason")});
  }
  fmt::print("{}", table.to_string());
}

// Empty where the collector has nothing to say (`null`, or an older one).
Json object_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json::object();
}

int list_agents(const Context& context, bool names_only) {
  const Result<Json> answer = context.client().get("/v1/agents");
  if (!answer) return report_failure(answer.error());
  const Json agents = answer->value("agents", Json::array());
  if (names_only || context.json) {
    for (const Json& agent : agents) {
      if (names_only) {
        fmt::print("{}\n", text_of(agent, "node"));
      } else {
        print_json("agent", agent);
      }
    }
    return kOk;
  }
  TextTable table({{"NODE"},
                   {"REGION"},
                   {"STATE"},
                   {"HEARD", Align::right},
                   {"TABLE"},
                   {"AGE", Align::right},
                   {"ROUTES"},
                   {"PLAN"},
                   {"SPOOL", Align::right},
                   {"CPU", Align::right},
                   {"RSS MB", Align::right},
                   {"WHY"}});
  for (const Json& agent : agents) {
    const Json loaded = agent.value("table", Json::object());
    const Json load = agent.value("load", Json::object());
    const Json fresh = object_of(agent, "freshness");
    const Json spool = object_of(agent, "spool");
    table.add(
        {text_of(agent, "node"), text_of(agent, "region"), text_of(agent, "state"),
         age_text(agent, "last_heard_age_ms"),
         fmt::format("{}.{}{}", text_of(loaded, "loaded_epoch"), text_of(loaded, "loaded_version"),
                     loaded.value("up_to_date", true) ? "" : " (behind)"),
         age_text(fresh, "table_age_ms"), text_of(fresh, "table"), text_of(fresh, "plan"),
         text_of(spool, "error").empty() ? text_of(spool, "reports") : "disk fails",
         fmt::format("{:.1f}%", load.value("agent_cpu_ratio", 0.0) * 100),
         fmt::format("{:.1f}", load.value("agent_rss_bytes", 0.0) / 1e6),
         text_of(agent, "reason")});
  }
  fmt::print("{}", table.to_string());
  print_refused_keys(*answer);
  return kOk;
}

int show_agent(const Context& context, const std::string& name) {
  const Result<Json> answer = context.client().get("/v1/agents", {{"node", name}});
  if (!answer) return report_failure(answer.error());
  for (const Json& agent : answer->value("agents", Json::array())) {
    if (context.json) {
      print_json("agent", agent);
    } else {
      fmt::print("{}\n", agent.dump(2));
    }
  }
  return kOk;
}

}  // namespace

void add_agent(CLI::App& app, Context& context) {
  CLI::App* agent = app.add_subcommand("agent", "The nodes with an agent")->require_subcommand(1);

  CLI::App* list = agent->add_subcommand("list", "Every agent, and the keys that were refused");
  auto names = std::make_shared<bool>(false);
  list->add_flag("--names", *names, "names only, for scripts and completion");
  on_run(list, context, [&context, names] { return list_agents(context, *names); });

  CLI::App* show = agent->add_subcommand("show", "All that is known of one agent");
  auto name = std::make_shared<std::string>();
  show->add_option("NODE", *name, "the node's name")->required();
  on_run(show, context, [&context, name] { return show_agent(context, *name); });
}

}  // namespace linkpilot::cli
