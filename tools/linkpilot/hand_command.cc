#include <fmt/format.h>

#include <memory>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

int list_overrides(const Context& context) {
  const Result<Json> hand = context.client().get("/v1/hand");
  if (!hand) return report_failure(hand.error());
  const Json overrides = hand->value("overrides", Json::array());
  if (context.json) {
    for (const Json& over : overrides) print_json("override", over);
    return kOk;
  }
  if (overrides.empty()) {
    fmt::print("nothing is overridden: the machine decides\n");
    return kOk;
  }
  TextTable table({{"WHAT"}, {"BY"}, {"UNTIL"}, {"EFFECT"}, {"WHY"}});
  for (const Json& over : overrides) {
    table.add({text_of(over, "text"), text_of(over, "author"), text_of(over, "expires_at"),
               text_of(over, "effect"), text_of(over, "reason")});
  }
  fmt::print("{}", table.to_string());
  return kOk;
}

int show_audit(const Context& context, int limit) {
  const Result<Json> audit = context.client().get("/v1/audit", {{"limit", std::to_string(limit)}});
  if (!audit) return report_failure(audit.error());
  TextTable table(
      {{"TIME"}, {"BY"}, {"ACTION"}, {"ON"}, {"OUTCOME"}, {"WHY"}, {"WHAT CAME OF IT"}});
  for (const Json& entry : audit->value("entries", Json::array())) {
    if (context.json) {
      print_json("audit_entry", entry);
      continue;
    }
    table.add({text_of(entry, "time_at"), text_of(entry, "author"), text_of(entry, "action"),
               text_of(entry, "subject"), text_of(entry, "outcome"), text_of(entry, "reason"),
               text_of(entry, "detail")});
  }
  if (!context.json) fmt::print("{}", table.to_string());
  return kOk;
}

}  // namespace

void add_hand(Command app, Context& context) {
  Command hand = app.verb("hand", "What operators decided over the machine's head").needs_verb();
  Command list = hand.verb("list", "Every override in force, its end and its effect");
  on_run(list, context, [&context] { return list_overrides(context); });
}

void add_audit(Command app, Context& context) {
  Command audit = app.verb("audit", "Who ordered what, why, and what came of it");
  auto limit = std::make_shared<int>(100);
  audit.option("--limit", *limit, "how many, newest last").range(1, 1000).shows_default();
  on_run(audit, context, [&context, limit] { return show_audit(context, *limit); });
}

}  // namespace linkpilot::cli
