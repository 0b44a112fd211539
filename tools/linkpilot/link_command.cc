#include <fmt/format.h>

#include <memory>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using Align = TextTable::Align;

struct LinkQuery {
  std::string from;
  std::string to;
};

struct ProbeQuery {
  std::string from;
  std::string to;
  int count = 20;
  int interval_ms = 20;
};

int list_links(const Context& context, const LinkQuery& query) {
  Query parameters;
  if (!query.from.empty()) parameters.emplace_back("from", query.from);
  if (!query.to.empty()) parameters.emplace_back("to", query.to);
  const Result<Json> answer = context.client().get("/v1/links", parameters);
  if (!answer) return report_failure(answer.error());
  const Json links = answer->value("links", Json::array());
  if (context.json) {
    for (const Json& link : links) print_json("link", link);
    return kOk;
  }
  TextTable table({{"LINK"},
                   {"STATE"},
                   {"RTT p50", Align::right},
                   {"RTT p90", Align::right},
                   {"LOSS", Align::right},
                   {"COST ms", Align::right},
                   {"PROBE ms", Align::right},
                   {"AGE", Align::right},
                   {"WHY"}});
  for (const Json& link : links) {
    table.add({text_of(link, "link"), text_of(link, "state"), number_text(link, "rtt_ms_p50", 1),
               number_text(link, "rtt_ms_p90", 1),
               fmt::format("{:.2f}%", link.value("loss_ratio", 0.0) * 100),
               number_text(link, "cost_ms", 1), number_text(link, "probe_interval_ms", 0),
               age_text(link, "age_ms"),
               text_of(link, "state_reason").empty() ? text_of(link, "planned_reason")
                                                     : text_of(link, "state_reason")});
  }
  fmt::print("{}", table.to_string());
  return kOk;
}

// A pair that no link joins is a finding: the answer would be an empty list.
int show_link(const Context& context, const LinkQuery& query) {
  const Result<Json> answer =
      context.client().get("/v1/links", {{"from", query.from}, {"to", query.to}});
  if (!answer) return report_failure(answer.error());
  const Json links = answer->value("links", Json::array());
  if (links.empty()) {
    return report_failure(
        {ErrorCode::not_found, fmt::format("no link from {} to {}: policy does not let their ports "
                                           "talk (see [probing] cross_isp), or one never connected",
                                           query.from, query.to)});
  }
  for (const Json& link : links) {
    if (context.json) {
      print_json("link", link);
    } else {
      fmt::print("{}\n", link.dump(2));
    }
  }
  return kOk;
}

int probe_link(const Context& context, const ProbeQuery& query) {
  if (!context.json) {
    fmt::print(stderr, "{} probes {}: {} packets, one each {} ms ...\n", query.from, query.to,
               query.count, query.interval_ms);
  }
  const int timeout_s = query.count * query.interval_ms / 1000 + 10;
  const Result<Json> answer = context.client().post("/v1/probe",
                                                    {{"from", query.from},
                                                     {"to", query.to},
                                                     {"count", query.count},
                                                     {"interval_ms", query.interval_ms}},
                                                    timeout_s);
  if (!answer) return report_failure(answer.error());
  const bool answered = answer->value("answered", 0) > 0;
  if (context.json) {
    print_json("probe", *answer);
    return answered ? kOk : kNegative;
  }
  fmt::print("{}: {} sent, {} answered, {} late, lost {} forward, {} backward, {} unplaced\n",
             text_of(*answer, "link"), text_of(*answer, "sent"), text_of(*answer, "answered"),
             text_of(*answer, "late"), text_of(*answer, "lost_forward"),
             text_of(*answer, "lost_backward"), text_of(*answer, "lost_unplaced"));
  fmt::print("rtt min {} p50 {} p90 {} max {} ms ({} timestamps)\n",
             number_text(*answer, "rtt_ms_min", 3), number_text(*answer, "rtt_ms_p50", 3),
             number_text(*answer, "rtt_ms_p90", 3), number_text(*answer, "rtt_ms_max", 3),
             text_of(*answer, "timestamps"));
  return answered ? kOk : kNegative;
}

}  // namespace

void add_link(Command app, Context& context) {
  Command link = app.verb("link", "The links between nodes, as measured").needs_verb();

  Command list = link.verb("list", "Every link, its figures and how it is probed");
  auto filter = std::make_shared<LinkQuery>();
  list.option("--from", filter->from, "only links from this node");
  list.option("--to", filter->to, "only links to this node");
  on_run(list, context, [&context, filter] { return list_links(context, *filter); });

  Command show = link.verb("show", "All that is known of the links from A to B");
  auto pair = std::make_shared<LinkQuery>();
  show.option("A", pair->from).required();
  show.option("B", pair->to).required();
  on_run(show, context, [&context, pair] { return show_link(context, *pair); });

  Command probe = link.verb(
      "probe",
      "Probe a link now, from A's agent to B's (needs the token; exit 1 if none answered)");
  auto burst = std::make_shared<ProbeQuery>();
  probe.option("A", burst->from).required();
  probe.option("B", burst->to).required();
  probe.option("--count", burst->count, "packets").range(1, 500);
  probe.option("--interval-ms", burst->interval_ms, "between packets").range(5, 1000);
  on_run(probe, context, [&context, burst] { return probe_link(context, *burst); });
}

}  // namespace linkpilot::cli
