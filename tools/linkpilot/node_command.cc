#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "tools/linkpilot/hand_order.h"

namespace linkpilot::cli {
namespace {

constexpr auto kLook = std::chrono::milliseconds(300);
constexpr auto kPatience = std::chrono::seconds(120);

// Until no table in use relays by the node.
int wait_drained(const Context& context, const std::string& node) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  std::string effect;
  while (std::chrono::steady_clock::now() < end) {
    const Result<Json> hand = context.client().get("/v1/hand");
    if (!hand) return report_failure(hand.error());
    bool found = false;
    for (const Json& over : hand->value("overrides", Json::array())) {
      if (text_of(over, "kind") != "drain" || text_of(over, "node") != node) continue;
      found = true;
      effect = text_of(over, "effect");
      if (over.value("drained", false)) {
        if (!context.json) fmt::print("{} {}\n", node, effect);
        return kOk;
      }
    }
    if (!found) {
      fmt::print(stderr, "linkpilot: the drain of {} ended before it was complete\n", node);
      return kNegative;
    }
    std::this_thread::sleep_for(kLook);
  }
  fmt::print(
      stderr,
      "linkpilot: {} is not drained after {} s: {}; the drain stays in force, linkpilot hand "
      "list shows how far it is\n",
      node, kPatience.count(), effect);
  return kNegative;
}

}  // namespace

void add_node(Command app, Context& context) {
  Command node = app.verb("node", "Take a node out of service as a relay, and back").needs_verb();
  auto name = std::make_shared<std::string>();

  Command drain = node.verb("drain", "Relay nothing by this node; routes from and to it stay");
  drain.option("NODE", *name).required();
  auto wait = std::make_shared<bool>(false);
  drain.flag("--wait", *wait, "return when no table in use relays by it (exit 1 after 120 s)");
  const auto drain_signed = sign_options(drain, true);
  drain.footer(
      "Streams from and to the node go on; streams that pass through it move to their next best "
      "path.\n"
      "The last working node of a region is never drained. It ends by itself after --for.\n\n"
      "  linkpilot node drain tokyo --for 2h --reason \"kernel upgrade\" --wait\n"
      "  linkpilot node undrain tokyo --reason done\n\n"
      "Exit code 1: refused, or with --wait not drained yet; the message says why.");
  on_run(drain, context, [&context, name, wait, drain_signed] {
    const int code = send_order(context, *drain_signed, {{"action", "drain"}, {"node", *name}});
    return code == kOk && *wait ? wait_drained(context, *name) : code;
  });

  Command undrain = node.verb("undrain", "Let it relay again");
  undrain.option("NODE", *name).required();
  const auto undrain_signed = sign_options(undrain, false);
  undrain.footer(
      "Routes come back to it as to any better path: past a margin, confirmed, after a dwell.\n\n"
      "  linkpilot node undrain tokyo --reason \"upgrade done\"\n"
      "  linkpilot hand list");
  on_run(undrain, context, [&context, name, undrain_signed] {
    return send_order(context, *undrain_signed, {{"action", "undrain"}, {"node", *name}});
  });
}

void add_auto(Command app, Context& context) {
  Command automatic =
      app.verb("auto", "Whether routes move by the machine's decision").needs_verb();
  auto region = std::make_shared<std::string>();
  const auto add = [&](const char* verb, const char* action, const char* what, bool has_end) {
    Command command = automatic.verb(verb, what);
    command.option("--region", *region, "only routes from and to nodes of this region");
    const auto signature = sign_options(command, has_end);
    on_run(command, context, [&context, region, signature, action] {
      return send_order(context, *signature, {{"action", action}, {"region", *region}});
    });
    return command;
  };
  add("off", "auto_off", "Keep routes where they are until their path dies", true)
      .footer(
          "Use it while something is measured wrongly, or while you change the network by hand. A "
          "path that\n"
          "dies is still left: its second takes over, else the best that lives. Pins stand above "
          "this.\n\n"
          "  linkpilot auto off --region eu-west-1 --for 1h --reason \"line tests\"\n"
          "  linkpilot auto on --region eu-west-1 --reason done");
  add("on", "auto_on", "Let the machine move them again", false);
}

}  // namespace linkpilot::cli
