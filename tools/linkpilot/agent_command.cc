#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>

#include "base/runtime/curve_keys.h"
#include "tools/linkpilot/context.h"
#include "tools/linkpilot/hand_order.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using Align = TextTable::Align;

void print_refused_keys(const Json& answer) {
  const Json refused = answer.value("refused_keys", Json::array());
  if (refused.empty()) return;
  // A key may begin with '-' and hold what a shell changes, but never a quote.
  fmt::print(
      "\nrefused keys (to let one in: linkpilot agent enrol NAME --key='KEY' --reason WHY):\n");
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

int list_regions(const Context& context) {
  const Result<Json> answer = context.client().get("/v1/agents");
  if (!answer) return report_failure(answer.error());
  std::set<std::string> regions;
  for (const Json& agent : answer->value("agents", Json::array())) {
    regions.insert(text_of(agent, "region"));
  }
  regions.erase("");
  for (const std::string& region : regions) fmt::print("{}\n", region);
  return kOk;
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

int list_refused(const Context& context) {
  const Result<Json> answer = context.client().get("/v1/refused");
  if (!answer) return report_failure(answer.error());
  const Json refused = answer->value("refused_keys", Json::array());
  if (context.json) {
    for (const Json& key : refused) print_json("refused_key", key);
    return kOk;
  }
  if (refused.empty()) fmt::print("no key was refused\n");
  print_refused_keys(*answer);
  return kOk;
}

struct KeyOrder {
  std::string node;
  std::string key;
  std::string file;
  bool finish = false;
};

// The key as given, or of --file.
Result<std::string> key_of(const KeyOrder& order) {
  if (order.key.empty() == order.file.empty()) {
    return fail(
        ErrorCode::invalid_argument,
        "give the agent's public key, or the file that holds it with --file; linkpilot keys "
        "show FILE on the node prints it");
  }
  return load_curve_public_key(order.file.empty() ? order.key : order.file);
}

int send_key(const Context& context, const Signed& signature, const KeyOrder& order,
             const char* action) {
  const Result<std::string> key = key_of(order);
  if (!key) return report_failure(key.error());
  return send_order(context, signature,
                    {{"action", action}, {"node", order.node}, {"public_key", *key}});
}

void add_key_verbs(Command agent, Context& context) {
  auto order = std::make_shared<KeyOrder>();
  const auto add_key = [order](Command command) {
    command.option("NODE", order->node, "the node's name").required();
    command.option("KEY,--key", order->key,
                   "its public key, 40 characters; for the shell: --key='KEY'");
    command.option("--file", order->file, "the .pub file that holds it");
  };
  Command enrol = agent.verb("enrol", "Let an agent in under this name");
  add_key(enrol);
  const auto enrol_signed = sign_options(enrol, false);
  enrol.footer(
      "On the node, linkpilot keys new FILE makes the pair; only FILE.pub leaves it. The name must "
      "be that of\n"
      "[node] name in its agent.toml. A key that has knocked already is in linkpilot agent "
      "refused.\n\n"
      "  linkpilot agent enrol tokyo --file tokyo.pub --reason \"new node\"");
  on_run(enrol, context, [&context, order, enrol_signed] {
    return send_key(context, *enrol_signed, *order, "enrol");
  });

  Command revoke =
      agent.verb("revoke", "Shut an agent out: its connection ends and its node leaves the tables");
  revoke.option("NODE", order->node).required();
  const auto revoke_signed = sign_options(revoke, false);
  revoke.footer(
      "For a key that was stolen or a node that is gone. To take a node out for a while: linkpilot "
      "node drain.\n"
      "To change a key without a gap: linkpilot agent rekey.");
  on_run(revoke, context, [&context, order, revoke_signed] {
    return send_order(context, *revoke_signed, {{"action", "revoke"}, {"node", order->node}});
  });

  Command rekey = agent.verb(
      "rekey", "Give an agent a second key beside the one in use; --finish ends the older one");
  add_key(rekey);
  rekey.flag("--finish", order->finish, "the agent uses the new key: the older one goes");
  const auto rekey_signed = sign_options(rekey, false);
  rekey.footer(
      "No report is lost and the node stays in the tables:\n\n"
      "  1. on the node: linkpilot keys new /etc/linkpilot/next.key\n"
      "  2. linkpilot agent rekey tokyo --file next.key.pub --reason yearly\n"
      "  3. on the node: name next.key in [collector] key_file and reload the agent (SIGHUP)\n"
      "  4. linkpilot agent rekey tokyo --finish --reason yearly");
  on_run(rekey, context, [&context, order, rekey_signed] {
    if (!order->finish) return send_key(context, *rekey_signed, *order, "rekey");
    return send_order(context, *rekey_signed, {{"action", "rekey_finish"}, {"node", order->node}});
  });
}

}  // namespace

void add_agent(Command app, Context& context) {
  Command agent = app.verb("agent", "The nodes with an agent").needs_verb();

  Command list = agent.verb("list", "Every agent, and the keys that were refused");
  auto names = std::make_shared<bool>(false);
  list.flag("--names", *names, "names only, for scripts and completion");
  auto regions = std::make_shared<bool>(false);
  list.flag("--regions", *regions, "the names of their regions only");
  on_run(list, context, [&context, names, regions] {
    return *regions ? list_regions(context) : list_agents(context, *names);
  });

  Command show = agent.verb("show", "All that is known of one agent");
  auto name = std::make_shared<std::string>();
  show.option("NODE", *name, "the node's name").required();
  on_run(show, context, [&context, name] { return show_agent(context, *name); });

  Command refused = agent.verb("refused", "Keys that knocked in vain: when, from where, how often");
  on_run(refused, context, [&context] { return list_refused(context); });
  add_key_verbs(agent, context);
}

}  // namespace linkpilot::cli
