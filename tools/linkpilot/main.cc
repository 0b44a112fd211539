// linkpilot: the operator's command line. The wiring: global options, one function per noun.

#include <CLI/CLI.hpp>

#include "tools/linkpilot/context.h"

int main(int argc, char** argv) {
  using namespace linkpilot::cli;
  Context context;
  CLI::App app{
      "linkpilot asks the collector what it knows of links, routes and agents.\n"
      "Exit codes: 0 ok, 1 the answer is negative, 2 usage, 3 could not ask.\n\n"
      "Start with: linkpilot status; linkpilot link list; linkpilot route explain A B"};
  app.set_version_flag("--version", std::string("linkpilot ") + LINKPILOT_VERSION);
  app.add_option("--collector", context.api.url, "the collector's [listen] http address")
      ->envname("LINKPILOT_COLLECTOR")
      ->capture_default_str();
  app.add_option("--token-file", context.api.token_file, "needed by commands that change something")
      ->envname("LINKPILOT_TOKEN_FILE");
  app.add_option("--timeout", context.api.timeout_s, "seconds to wait for an answer")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  app.add_flag("--json", context.json, "one JSON object per line instead of text");
  app.fallthrough();  // global options may follow the verb
  app.require_subcommand(1);

  add_status(app, context);
  add_agent(app, context);
  add_link(app, context);
  add_route(app, context);
  add_node(app, context);
  add_auto(app, context);
  add_hand(app, context);
  add_audit(app, context);
  add_event(app, context);
  add_fault(app, context);
  add_mail(app, context);
  add_plan(app, context);
  add_keys(app, context);
  add_config(app, context);
  add_dial(app, context);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return context.exit_code;
}
