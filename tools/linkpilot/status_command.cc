#include <fmt/format.h>

#include "tools/linkpilot/context.h"

namespace linkpilot::cli {
namespace {

// One line: healthy or not, how old the tables in use are, who is silent.
std::string status_line(const Json& status) {
  const Json tables = status.value("tables", Json::object());
  const Json agents = status.value("agents", Json::object());
  std::string line = status.value("healthy", false) ? "healthy" : "NOT healthy";
  line += fmt::format(", {} of {} agents connected", text_of(agents, "connected"),
                      text_of(agents, "enrolled"));
  if (tables.value("loaded", 0) == 0) {
    line += ", no table in use";
  } else {
    line += fmt::format(", tables in use {} old", age_text(tables, "age_ms_max"));
    line += fmt::format(" (measurements {})", age_text(tables, "measurement_age_ms_max"));
  }
  std::string silent;
  for (const char* kind : {"silent", "dead"}) {
    for (const Json& name : agents.value(kind, Json::array())) {
      silent += (silent.empty() ? "" : " ") + (name.is_string() ? name.get<std::string>() : "?");
    }
  }
  return line + (silent.empty() ? ", no agent silent" : ", silent: " + silent);
}

int run_status(const Context& context) {
  const Result<Json> status = context.client().get("/v1/status");
  if (!status) return report_failure(status.error());
  if (context.json) {
    print_json("status", *status);
  } else {
    fmt::print("{}\n", status_line(*status));
    for (const Json& reason : status->value("reasons", Json::array())) {
      fmt::print("  {}\n", reason.is_string() ? reason.get<std::string>() : reason.dump());
    }
    const Json plan = status->value("plan", Json::object());
    if (const auto pairs = plan.value("pairs_awaiting_secret", std::uint64_t{0}); pairs > 0) {
      fmt::print("  {} pairs of nodes await the new probing secret\n", pairs);
    }
    for (const Json& over : status->value("overrides", Json::array())) {
      if (over.is_string()) fmt::print("  by hand: {}\n", over.get<std::string>());
    }
  }
  return status->value("healthy", false) ? kOk : kNegative;
}

}  // namespace

void add_status(Command app, Context& context) {
  Command status =
      app.verb("status",
               "One line: healthy or not, age of the tables in use, silent agents (exit 1 if not)");
  on_run(status, context, [&context] { return run_status(context); });
}

}  // namespace linkpilot::cli
