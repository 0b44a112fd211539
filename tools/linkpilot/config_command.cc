#include <fmt/format.h>

#include <memory>

#include "agent/config/agent_config.h"
#include "base/runtime/config_reader.h"
#include "collector/config/config.h"
#include "tools/linkpilot/context.h"

namespace linkpilot::cli {
namespace {

enum class Kind : std::uint8_t { agent, collector };

// A collector listens for agents; an agent names its node.
Result<Kind> recognise(const std::string& path) {
  Result<ConfigReader> reader = ConfigReader::from_file(path);
  if (!reader) return fail(reader.error());
  if (reader->has("node")) return Kind::agent;
  if (reader->has("listen") || reader->has("keys")) return Kind::collector;
  return fail(ErrorCode::invalid_argument,
              path +
                  ": neither an agent's file (it has [node]) nor a collector's ([listen], "
                  "[keys])");
}

int check_config(const Context& context, const std::string& path) {
  const Result<Kind> kind = recognise(path);
  if (!kind) return report_failure(kind.error());
  const char* name = *kind == Kind::agent ? "agent" : "collector";
  std::string problem;
  if (*kind == Kind::agent) {
    const Result<agent::AgentConfig> config = agent::load_agent_config(path);
    if (!config) problem = config.error().message;
  } else {
    const Result<collector::CollectorConfig> config = collector::load_config(path);
    if (!config) problem = config.error().message;
  }
  if (context.json) {
    print_json("config_check",
               {{"file", path}, {"for", name}, {"ok", problem.empty()}, {"problem", problem}});
  } else if (problem.empty()) {
    fmt::print("{}: a good {} configuration\n", path, name);
  } else {
    fmt::print(stderr, "linkpilot: {}\n", problem);
  }
  return problem.empty() ? kOk : kNegative;
}

}  // namespace

void add_config(Command app, Context& context) {
  Command config = app.verb("config", "Configuration files").needs_verb();
  Command check = config.verb(
      "check", "Read an agent's or a collector's file as the daemon would (exit 1 if it is wrong)");
  auto path = std::make_shared<std::string>();
  check.option("FILE", *path).required();
  on_run(check, context, [&context, path] { return check_config(context, *path); });
}

}  // namespace linkpilot::cli
