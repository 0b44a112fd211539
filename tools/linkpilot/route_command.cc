#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/hand_order.h"
#include "tools/linkpilot/route_text.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using Align = TextTable::Align;

struct RouteQuery {
  std::string node;
  std::string to;
  std::string direction = "push";
};

struct DiffQuery {
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  std::string node;
};

int show_routes(const Context& context, const RouteQuery& query) {
  Query parameters;
  if (!query.node.empty()) parameters.emplace_back("node", query.node);
  if (!query.to.empty()) parameters.emplace_back("to", query.to);
  const Result<Json> answer = context.client().get("/v1/routes", parameters);
  if (!answer) return report_failure(answer.error());
  for (const Json& table : answer->value("tables", Json::array())) {
    if (context.json) {
      print_json("route_table", table);
      continue;
    }
    fmt::print("{}  version {}.{}  published {}  {}\n", text_of(table, "node"),
               text_of(table, "epoch"), text_of(table, "version"), text_of(table, "created_at"),
               table.value("loaded", false) ? "loaded" : "NOT LOADED");
    TextTable rows({{"  TO"},
                    {"WAY"},
                    {"BEST"},
                    {"DELAY ms", Align::right},
                    {"COST ms", Align::right},
                    {"SECOND"},
                    {"COST ms", Align::right}});
    for (const Json& route : table.value("routes", Json::array())) {
      const Json candidates = route.value("candidates", Json::array());
      const Json best = candidates.empty() ? Json::object() : candidates[0];
      const Json second = candidates.size() < 2 ? Json::object() : candidates[1];
      rows.add({"  " + text_of(route, "to"), text_of(route, "direction"), path_text(best),
                number_text(best, "delay_ms", 1), number_text(best, "cost_ms", 1),
                path_text(second), number_text(second, "cost_ms", 1)});
    }
    fmt::print("{}", rows.to_string());
    for (const Json& dropped : table.value("dropped", Json::array())) {
      fmt::print("  {}: no route: {}\n", text_of(dropped, "to"), text_of(dropped, "reason"));
    }
  }
  return kOk;
}

// The terms of each link of a candidate, in the media's direction.
void print_terms(const Json& candidate, const std::string& direction,
                 const std::map<std::string, Json>& links) {
  for (const std::string& name : links_of_path(candidate, direction)) {
    const auto found = links.find(name);
    if (found == links.end()) {
      fmt::print("      {}: not measured now\n", name);
      continue;
    }
    fmt::print("      {}\n", explain_link(found->second));
  }
}

int explain_route(const Context& context, const RouteQuery& query) {
  const ApiClient client = context.client();
  const Result<Json> routes = client.get("/v1/routes", {{"node", query.node}, {"to", query.to}});
  if (!routes) return report_failure(routes.error());
  const Result<Json> all_links = client.get("/v1/links");
  if (!all_links) return report_failure(all_links.error());
  std::map<std::string, Json> links;
  for (const Json& link : all_links->value("links", Json::array())) {
    links[text_of(link, "link")] = link;
  }
  for (const Json& table : routes->value("tables", Json::array())) {
    for (const Json& dropped : table.value("dropped", Json::array())) {
      if (text_of(dropped, "to") != query.to) continue;
      fmt::print("{} to {}: no route: {}\n", query.node, query.to, text_of(dropped, "reason"));
      return kNegative;
    }
    for (const Json& route : table.value("routes", Json::array())) {
      if (text_of(route, "direction") != query.direction) continue;
      if (context.json) {
        Json out = route;
        out["node"] = query.node;
        out["links"] = Json::array();
        for (const Json& candidate : route.value("candidates", Json::array())) {
          for (const std::string& name : links_of_path(candidate, query.direction)) {
            if (links.contains(name)) out["links"].push_back(links[name]);
          }
        }
        print_json("route_explanation", out);
        return kOk;
      }
      fmt::print("{} to {}, {} (the media travels {}), table {}.{}\n", query.node, query.to,
                 query.direction, query.direction == "push" ? "the same way" : "back",
                 text_of(table, "epoch"), text_of(table, "version"));
      for (const Json& over : route.value("hand", Json::array())) {
        if (over.is_string()) fmt::print("  by the operator's hand: {}\n", over.get<std::string>());
      }
      int rank = 0;
      for (const Json& candidate : route.value("candidates", Json::array())) {
        fmt::print("  {}. {}: cost {} ms, predicted delay {} ms{}\n", ++rank, path_text(candidate),
                   number_text(candidate, "cost_ms", 1), number_text(candidate, "delay_ms", 1),
                   candidate.value("loop_free", false) ? ", loop-free" : "");
        print_terms(candidate, query.direction, links);
      }
      return kOk;
    }
  }
  return report_failure({ErrorCode::not_found,
                         fmt::format("no published {} route from {} to {} yet; linkpilot status "
                                     "says how far the fleet is",
                                     query.direction, query.node, query.to)});
}

int diff_routes(const Context& context, const DiffQuery& query) {
  const ApiClient client = context.client();
  const auto tables_at = [&](std::uint64_t version) {
    Query parameters = {{"version", std::to_string(version)}};
    if (!query.node.empty()) parameters.emplace_back("node", query.node);
    return client.get("/v1/routes", parameters);
  };
  const Result<Json> before = tables_at(query.before);
  if (!before) return report_failure(before.error());
  const Result<Json> after = tables_at(query.after);
  if (!after) return report_failure(after.error());
  const std::vector<RouteChange> changes = changed_routes(*before, *after);
  for (const RouteChange& change : changes) {
    if (context.json) {
      print_json("route_change", to_json(change));
    } else {
      fmt::print("{}\n", to_text(change));
    }
  }
  if (!context.json) {
    fmt::print("{} best paths differ between versions {} and {}\n", changes.size(), query.before,
               query.after);
  }
  return kOk;
}

int watch_routes(const Context& context, const RouteQuery& query) {
  const ApiClient client = context.client();
  Query parameters;
  if (!query.node.empty()) parameters.emplace_back("node", query.node);
  Result<Json> last = client.get("/v1/routes", parameters);
  if (!last) return report_failure(last.error());
  if (!context.json) fmt::print(stderr, "watching published tables; Ctrl-C ends\n");
  while (true) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    Result<Json> now = client.get("/v1/routes", parameters);
    if (!now) return report_failure(now.error());
    for (const RouteChange& change : changed_routes(*last, *now)) {
      if (context.json) {
        print_json("route_change", to_json(change));
      } else {
        fmt::print("{}\n", to_text(change));
      }
    }
    std::fflush(stdout);
    last = std::move(now);
  }
}

// "3.17" or "17": the epoch is the present one if it is not said.
Result<Json> version_order(const std::string& text) {
  const std::size_t dot = text.find('.');
  const std::string version = dot == std::string::npos ? text : text.substr(dot + 1);
  std::uint64_t numbers[2] = {0, 0};
  const std::string parts[2] = {dot == std::string::npos ? "0" : text.substr(0, dot), version};
  for (int i = 0; i < 2; ++i) {
    const char* end = parts[i].data() + parts[i].size();
    const auto [stop, error] = std::from_chars(parts[i].data(), end, numbers[i]);
    if (error != std::errc() || stop != end) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("'{}' is no version; linkpilot route show prints them as "
                              "EPOCH.VERSION",
                              text));
    }
  }
  return Json{{"action", "rollback"}, {"epoch", numbers[0]}, {"version", numbers[1]}};
}

struct Pin {
  std::string from;
  std::string to;
  std::vector<std::string> via;
};

void add_pin_verbs(Command route, Context& context) {
  auto pin = std::make_shared<Pin>();
  Command set =
      route.verb("pin", "Send media from FROM to TO this way while every link of it lives");
  set.option("FROM", pin->from, "where the media comes from").required();
  set.option("TO", pin->to, "where it goes").required();
  set.option("--via", pin->via, "the relays, at most two, in the media's direction; none: direct")
      .split_at(',');
  const auto pin_signed = sign_options(set, true);
  set.footer(
      "A pin holds in one direction of media. While one of its links is down, or a relay drained, "
      "the machine\n"
      "decides, and linkpilot hand list says so; it holds again when they are back.\n\n"
      "  linkpilot route pin tokyo paris --via mumbai --for 1h --reason \"test of the new line\"\n"
      "  linkpilot route pin tokyo paris --reason \"direct, for a while\"\n"
      "  linkpilot route explain tokyo paris; linkpilot route unpin tokyo paris --reason done");
  on_run(set, context, [&context, pin, pin_signed] {
    return send_order(
        context, *pin_signed,
        {{"action", "pin"}, {"node", pin->from}, {"target", pin->to}, {"via", pin->via}});
  });

  Command unpin = route.verb("unpin", "Give the pair back to the machine");
  unpin.option("FROM", pin->from).required();
  unpin.option("TO", pin->to).required();
  const auto unpin_signed = sign_options(unpin, false);
  unpin.footer(
      "The pair goes straight to the best path. linkpilot hand list shows the pins in force.\n\n"
      "  linkpilot route unpin tokyo paris --reason \"the new line is tested\"");
  on_run(unpin, context, [&context, pin, unpin_signed] {
    return send_order(context, *unpin_signed,
                      {{"action", "unpin"}, {"node", pin->from}, {"target", pin->to}});
  });
}

void add_hand_verbs(Command route, Context& context) {
  const auto add = [&](const char* verb, const char* what, bool has_end) {
    Command command = route.verb(verb, what);
    const auto signature = sign_options(command, has_end);
    on_run(command, context, [&context, signature, verb] {
      return send_order(context, *signature, {{"action", verb}});
    });
    return command;
  };
  add("freeze", "Publish no change of any route", true)
      .footer(
          "For the whole fleet. Nodes still leave a dead first hop by themselves; nothing else "
          "moves, so thaw\n"
          "as soon as you can. To hold one region only: linkpilot auto off --region R.\n\n"
          "  linkpilot route freeze --for 15min --reason \"incident 42\"\n"
          "  linkpilot route thaw --reason \"incident 42 is over\"");
  add("thaw", "End a freeze or a rollback", false)
      .footer(
          "Routes may change again at once, from what is believed of the links now.\n\n"
          "  linkpilot route thaw --reason \"incident 42 is over\"\n"
          "  linkpilot audit");

  Command rollback =
      route.verb("rollback", "Publish the routes of an earlier version again and freeze them");
  auto version = std::make_shared<std::string>();
  rollback.option("VERSION", *version, "VERSION, or EPOCH.VERSION of an earlier run").required();
  const auto signature = sign_options(rollback, true);
  rollback.footer(
      "Each node's last 20 tables are kept. Old paths that cannot be used now are left out, which "
      "is told.\n"
      "Routes then stay frozen until linkpilot route thaw or the end of --for.\n\n"
      "  linkpilot status --json | grep newest_version; linkpilot route diff 17 19\n"
      "  linkpilot route rollback 17 --for 30min --reason \"19 is worse\"");
  on_run(rollback, context, [&context, version, signature] {
    Result<Json> order = version_order(*version);
    if (!order) return report_failure(order.error());
    return send_order(context, *signature, *std::move(order));
  });
  add_pin_verbs(route, context);
}

}  // namespace

void add_route(Command app, Context& context) {
  Command route = app.verb("route", "Which way streams go, and why").needs_verb();
  auto query = std::make_shared<RouteQuery>();

  Command show = route.verb("show", "The published tables, or one node's");
  show.option("NODE", query->node);
  show.option("TARGET", query->to);
  on_run(show, context, [&context, query] { return show_routes(context, *query); });

  Command explain =
      route.verb("explain", "The candidates from A to B and the terms of their costs");
  explain.option("A", query->node).required();
  explain.option("B", query->to).required();
  explain.option("--direction", query->direction, "push: A sends to B; pull: A fetches from B")
      .one_of({"push", "pull"})
      .shows_default();
  on_run(explain, context, [&context, query] { return explain_route(context, *query); });

  Command diff = route.verb("diff", "Best paths that differ between two versions");
  auto versions = std::make_shared<DiffQuery>();
  diff.option("V1", versions->before).required();
  diff.option("V2", versions->after).required();
  diff.option("--node", versions->node, "only this node's table");
  on_run(diff, context, [&context, versions] { return diff_routes(context, *versions); });

  Command watch = route.verb("watch", "Each change of a best path as it is published");
  watch.option("NODE", query->node);
  on_run(watch, context, [&context, query] { return watch_routes(context, *query); });
  add_hand_verbs(route, context);
}

}  // namespace linkpilot::cli
