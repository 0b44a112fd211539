#include <fmt/format.h>

#include <memory>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

struct FaultOptions {
  bool open_only = false;
  std::string id;
};

int list_faults(const Context& context, const FaultOptions& options) {
  Query query;
  if (options.open_only) query.emplace_back("state", "open");
  const Result<Json> answer = context.client().get("/v1/faults", query);
  if (!answer) return report_failure(answer.error());
  const Json faults = answer->value("faults", Json::array());
  TextTable table({{"FAULT"},
                   {"STATE"},
                   {"GRADE"},
                   {"WHAT"},
                   {"SINCE"},
                   {"LASTED", TextTable::Align::right},
                   {"ROUTES", TextTable::Align::right},
                   {"DETAIL"}});
  for (const Json& fault : faults) {
    if (context.json) {
      print_json("fault", fault);
      continue;
    }
    const bool open = text_of(fault, "state") == "open";
    table.add({text_of(fault, "id"), text_of(fault, "state"), text_of(fault, "grade"),
               text_of(fault, "subject"), text_of(fault, "since_at"), age_text(fault, "lasted_ms"),
               text_of(fault, "routes_total"), text_of(fault, open ? "detail" : "outcome")});
  }
  if (context.json) return kOk;
  if (table.empty()) {
    fmt::print("no fault\n");
  } else {
    fmt::print("{}", table.to_string());
  }
  return kOk;
}

void print_links(const Json& fault) {
  TextTable table({{"LINK"},
                   {"GRADE"},
                   {"RTT BEFORE", TextTable::Align::right},
                   {"NOW", TextTable::Align::right},
                   {"LOSS BEFORE", TextTable::Align::right},
                   {"NOW", TextTable::Align::right},
                   {"SEEN"}});
  for (const Json& link : fault.value("links", Json::array())) {
    table.add({text_of(link, "link"), text_of(link, "grade"), number_text(link, "rtt_ms_before", 1),
               number_text(link, "rtt_ms", 1), number_text(link, "loss_ratio_before", 3),
               number_text(link, "loss_ratio", 3), text_of(link, "seen")});
  }
  if (!table.empty()) fmt::print("\n{}", table.to_string());
}

int show_fault(const Context& context, const FaultOptions& options) {
  const Result<Json> answer = context.client().get("/v1/faults", {{"id", options.id}});
  if (!answer) return report_failure(answer.error());
  for (const Json& fault : answer->value("faults", Json::array())) {
    if (context.json) {
      print_json("fault", fault);
      continue;
    }
    fmt::print("{}: {}, {} ({})\n", text_of(fault, "id"), text_of(fault, "subject"),
               text_of(fault, "grade"), text_of(fault, "state"));
    for (const char* key : {"detail", "outcome", "since_at", "opened_at", "resolved_at"}) {
      if (!text_of(fault, key).empty()) fmt::print("  {:12} {}\n", key, text_of(fault, key));
    }
    fmt::print("  {:12} {}\n", "lasted", age_text(fault, "lasted_ms"));
    print_links(fault);
    fmt::print("\n{} routes moved because of it\n", text_of(fault, "routes_total"));
    for (const Json& route : fault.value("routes", Json::array())) {
      fmt::print("  {}\n", route.is_string() ? route.get<std::string>() : route.dump());
    }
  }
  return kOk;
}

}  // namespace

void add_fault(Command app, Context& context) {
  Command fault = app.verb("fault", "What is broken, since when, and what it moved").needs_verb();
  auto options = std::make_shared<FaultOptions>();
  Command list = fault.verb("list", "Open faults, then the newest that are over");
  list.flag("--open", options->open_only, "only those that are open");
  on_run(list, context, [&context, options] { return list_faults(context, *options); });
  Command show = fault.verb("show", "One fault with its evidence (exit 1: no such)");
  show.option("ID", options->id, "as `fault list` or a mail names it; its beginning will do")
      .required();
  on_run(show, context, [&context, options] { return show_fault(context, *options); });
  add_fault_evidence(fault, context);
  add_mail(fault, context);
}

}  // namespace linkpilot::cli
