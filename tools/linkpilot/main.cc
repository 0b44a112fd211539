// linkpilot: the operator's command line. The wiring: global options, one function per noun.

#include "tools/linkpilot/context.h"

int main(int argc, char** argv) {
  using namespace linkpilot;
  using namespace linkpilot::cli;
  Context context;
  CommandLine words(
      "linkpilot asks the collector what it knows of links, routes and agents.\n"
      "Exit codes: 0 ok, 1 the answer is negative, 2 usage, 3 could not ask.\n\n"
      "Start with: linkpilot status; linkpilot link list; linkpilot route explain A B\n"
      "Something is wrong: linkpilot doctor",
      "linkpilot " LINKPILOT_VERSION);
  Command app = words.root();
  app.option("--collector", context.api.url, "the collector's [listen] http address")
      .from_environment("LINKPILOT_COLLECTOR")
      .shows_default();
  app.option("--token-file", context.api.token_file, "needed by commands that change something")
      .from_environment("LINKPILOT_TOKEN_FILE");
  app.option("--timeout", context.api.timeout_s, "seconds to wait for an answer")
      .range(1, 600)
      .shows_default();
  app.flag("--json", context.json, "one JSON object per line instead of text");
  app.options_after_verbs();
  app.needs_verb();

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
  add_plan(app, context);
  add_keys(app, context);
  add_config(app, context);
  add_dial(app, context);
  add_doctor(app, context);
  add_support_bundle(app, context);

  if (const auto code = words.parse(argc, argv)) return *code;
  return context.exit_code;
}
