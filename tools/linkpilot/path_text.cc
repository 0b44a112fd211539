#include "tools/linkpilot/path_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using prober::FlowEnd;
using prober::FlowPath;
using prober::PathHop;
using prober::TraceReport;

double path_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::string ms_text(Duration duration) { return fmt::format("{:.2f}", path_ms(duration)); }

// One address at one distance, summed over the flows that lead there.
struct Row {
  IpAddress address;  // unspecified: nobody answered
  std::size_t flows = 0;
  LossCount probes;
  Duration last{};
  Duration least{};
  Duration most{};
  Duration sum{};
  Duration steps_sum{};
  std::uint32_t count = 0;
  std::uint32_t steps = 0;
  std::set<std::string> notes;

  void add(const PathHop& hop);
};

std::string labels_text(const PathHop& hop) {
  std::string text;
  for (const prober::MplsLabel& label : hop.labels.labels()) {
    text += (text.empty() ? "" : "/") + std::to_string(label.label);
  }
  return text;
}

void note_hop(const PathHop& hop, std::set<std::string>& notes) {
  if (hop.silent()) return;
  if (hop.nat) notes.insert("NAT before it");
  if (hop.labels.size > 0) notes.insert("MPLS " + labels_text(hop));
  if (hop.refused) notes.insert(std::string(prober::to_string(*hop.refused)));
  if (hop.duplicates > 0) notes.insert("duplicates");
  if (hop.addresses.size() > 1) notes.insert("several addresses in one flow");
  const auto back = hop.return_hops();
  if (back && *back != hop.ttl) notes.insert(fmt::format("answers over {} hops", *back));
}

void Row::add(const PathHop& hop) {
  ++flows;
  probes = probes + hop.probes;
  if (hop.rtt.count > 0) {
    least = count == 0 ? hop.rtt.least : std::min(least, hop.rtt.least);
    most = std::max(most, hop.rtt.most);
    last = hop.rtt.last;
    sum += hop.rtt.sum;
    steps_sum += hop.rtt.steps_sum;
    count += hop.rtt.count;
    steps += hop.rtt.count - 1;
  }
  note_hop(hop, notes);
}

std::size_t longest_path(const TraceReport& report) {
  std::size_t hops = 0;
  for (const FlowPath& path : report.flows) hops = std::max(hops, path.hops.size());
  return hops;
}

std::vector<Row> rows_at(const TraceReport& report, std::size_t ttl) {
  std::map<IpAddress, Row> rows;
  for (const FlowPath& path : report.flows) {
    if (ttl > path.hops.size()) continue;
    const PathHop& hop = path.hops[ttl - 1];
    Row& row = rows[hop.address()];
    row.address = hop.address();
    row.add(hop);
  }
  std::vector<Row> sorted;
  for (auto& [address, row] : rows) sorted.push_back(std::move(row));
  std::ranges::stable_sort(sorted, [](const Row& a, const Row& b) {
    if (a.address.is_unspecified() != b.address.is_unspecified()) {
      return b.address.is_unspecified();
    }
    return a.flows > b.flows;
  });
  return sorted;
}

std::string notes_text(const Row& row) {
  std::string text;
  for (const std::string& note : row.notes) text += (text.empty() ? "" : ", ") + note;
  return text;
}

std::string hop_name(const PathHop& hop) {
  return hop.silent() ? std::string("*") : hop.address().to_string();
}

std::string hops_line(const FlowPath& path) {
  std::string text;
  for (const PathHop& hop : path.hops) text += (text.empty() ? "" : " > ") + hop_name(hop);
  return text.empty() ? "nobody answered" : text;
}

std::string table_text(const TraceReport& report) {
  using Align = TextTable::Align;
  TextTable table({{"HOP", Align::right},
                   {"ADDRESS"},
                   {"FLOWS", Align::right},
                   {"LOSS %", Align::right},
                   {"SENT", Align::right},
                   {"LAST ms", Align::right},
                   {"BEST", Align::right},
                   {"MEAN", Align::right},
                   {"WORST", Align::right},
                   {"JITTER", Align::right},
                   {"NOTES"}});
  for (std::size_t ttl = 1; ttl <= longest_path(report); ++ttl) {
    for (const Row& row : rows_at(report, ttl)) {
      const bool silent = row.address.is_unspecified();
      const auto figure = [&row](Duration value) {
        return row.count == 0 ? std::string("-") : ms_text(value);
      };
      const Duration mean = row.count == 0 ? Duration{} : row.sum / row.count;
      const Duration jitter = row.steps == 0 ? Duration{} : row.steps_sum / row.steps;
      table.add({std::to_string(ttl), silent ? "*" : row.address.to_string(),
                 std::to_string(row.flows), fmt::format("{:.1f}", 100 * row.probes.ratio()),
                 std::to_string(row.probes.sent), figure(row.last), figure(row.least), figure(mean),
                 figure(row.most), row.steps == 0 ? "-" : ms_text(jitter), notes_text(row)});
    }
  }
  return table.to_string();
}

// Each different path once, with its flows.
std::string paths_text(const TraceReport& report, const char* port) {
  std::map<std::string, std::vector<std::uint16_t>> paths;
  for (const FlowPath& path : report.flows) {
    paths[hops_line(path)].push_back(path.flow.source_port);
  }
  if (paths.size() < 2) return "";
  std::string text = fmt::format("\n{} different paths:\n", paths.size());
  for (const auto& [hops, ports] : paths) {
    text += fmt::format(
        "  {}  ({} {}{})\n", hops, port, ports.front(),
        ports.size() == 1 ? std::string() : fmt::format(" and {} more", ports.size() - 1));
  }
  return text;
}

std::string end_text(const TraceReport& report) {
  std::size_t reached = 0;
  std::size_t silent_after = 0;
  for (const FlowPath& path : report.flows) {
    if (path.end == FlowEnd::reached) ++reached;
    silent_after = std::max(silent_after, path.hops.size());
  }
  if (reached == report.flows.size()) return "";
  if (reached > 0) {
    return fmt::format("{} of {} flows reached the destination.\n", reached, report.flows.size());
  }
  for (const FlowPath& path : report.flows) {
    if (path.end == FlowEnd::refused) {
      return fmt::format(
          "The destination was not reached: {} says {}.\n", hop_name(path.hops.back()),
          prober::to_string(
              path.hops.back().refused.value_or(prober::IcmpErrorKind::other_unreachable)));
    }
  }
  if (silent_after == 0) return "Nobody answered: not even the first hop.\n";
  return fmt::format(
      "The destination did not answer; nobody did beyond hop {}. It may not answer this protocol "
      "or port: try --proto icmp, or --proto tcp --port of something that listens.\n",
      silent_after);
}

std::string blame_text(const TraceReport& report) {
  std::string text;
  for (const prober::Blame& blame : report.blames) {
    const FlowPath& path = report.flows[blame.flow];
    const std::string from = blame.after == 0 ? std::string("this host")
                                              : hop_name(path.hops[blame.after - std::size_t{1}]);
    text += fmt::format("Loses packets: {:.1f} % between {} (hop {}) and {} (hop {}), port {}.\n",
                        100 * blame.loss_ratio, from, blame.after,
                        hop_name(path.hops[blame.at - std::size_t{1}]), blame.at,
                        path.flow.source_port);
  }
  if (report.blame_withheld) {
    text +=
        "Probes to the destination stay unanswered, which its limit on errors may explain; "
        "--proto icmp or tcp tells.\n";
  }
  return text;
}

Json hop_json(const PathHop& hop) {
  Json addresses = Json::array();
  for (const prober::HopAddress& one : hop.addresses) {
    addresses.push_back({{"address", one.address.to_string()}, {"answers", one.answers}});
  }
  Json object = {{"ttl", hop.ttl},
                 {"address", hop.silent() ? Json() : Json(hop.address().to_string())},
                 {"addresses", addresses},
                 {"sent", hop.probes.sent},
                 {"lost", hop.probes.lost},
                 {"loss_ratio", hop.probes.ratio()},
                 {"late", hop.late},
                 {"duplicates", hop.duplicates},
                 {"nat", hop.nat},
                 {"destination", hop.is_destination}};
  if (hop.rtt.count > 0) {
    object["rtt_ms"] = {{"last", path_ms(hop.rtt.last)},
                        {"min", path_ms(hop.rtt.least)},
                        {"mean", path_ms(hop.rtt.mean())},
                        {"max", path_ms(hop.rtt.most)}};
    object["jitter_ms"] = hop.rtt.count < 2 ? Json() : Json(path_ms(hop.rtt.jitter()));
    object["reply_ttl"] = hop.reply_ttl;
  }
  if (const auto back = hop.return_hops()) object["return_hops"] = *back;
  if (hop.refused) object["refused"] = prober::to_string(*hop.refused);
  if (hop.labels.size > 0) {
    Json labels = Json::array();
    for (const prober::MplsLabel& label : hop.labels.labels()) {
      labels.push_back({{"label", label.label}, {"tc", label.traffic_class}, {"ttl", label.ttl}});
    }
    object["mpls"] = labels;
  }
  return object;
}

Json flow_json(const FlowPath& path) {
  Json hops = Json::array();
  for (const PathHop& hop : path.hops) hops.push_back(hop_json(hop));
  return {{"source_port", path.flow.source_port},
          {"destination_port", path.flow.destination_port},
          {"end", prober::to_string(path.end)},
          {"hops", hops}};
}

// What a TCP segment may carry: without the headers of IP and TCP.
std::size_t segment_size(const PathTarget& target, std::size_t mtu) {
  const std::size_t headers = target.options.first.destination.is_v4() ? 40 : 60;
  return mtu > headers ? mtu - headers : 0;
}

}  // namespace

std::string trace_text(const PathTarget& target, const TraceReport& report) {
  const prober::PathFlow& flow = target.options.first;
  const std::string address = flow.destination.to_string();
  const std::string port = flow.protocol == prober::PathProtocol::icmp
                               ? std::string()
                               : fmt::format(" port {}", flow.destination_port);
  std::string text = fmt::format("{}{} from {}, {}{}, {} {}, {} {}\n", target.host,
                                 target.host == address ? "" : " (" + address + ")",
                                 flow.source.to_string(), prober::to_string(flow.protocol), port,
                                 report.flows.size(), report.flows.size() == 1 ? "flow" : "flows",
                                 report.rounds, report.rounds == 1 ? "round" : "rounds");
  text += table_text(report);
  text += paths_text(report, flow.protocol == prober::PathProtocol::icmp ? "id" : "port");
  if (target.options.all_paths) {
    text += report.all_paths
                ? fmt::format("All paths, with {:g} % confidence: {} wide.\n",
                              100 * target.options.confidence, report.width)
                : fmt::format("At least {} wide; there may be more paths.\n", report.width);
  }
  return text + end_text(report) + blame_text(report);
}

Json trace_json(const PathTarget& target, const TraceReport& report) {
  const prober::PathFlow& flow = target.options.first;
  Json flows = Json::array();
  for (const FlowPath& path : report.flows) flows.push_back(flow_json(path));
  Json blames = Json::array();
  for (const prober::Blame& blame : report.blames) {
    blames.push_back({{"flow", blame.flow},
                      {"after_hop", blame.after},
                      {"hop", blame.at},
                      {"loss_ratio", blame.loss_ratio}});
  }
  const prober::TraceCounters& counters = report.counters;
  return {{"host", target.host},
          {"destination", flow.destination.to_string()},
          {"source", flow.source.to_string()},
          {"protocol", prober::to_string(flow.protocol)},
          {"rounds", report.rounds},
          {"first_round_ms", path_ms(report.took)},
          {"width", report.width},
          {"all_paths", report.all_paths},
          {"flows", flows},
          {"blamed", blames},
          {"blame_withheld", report.blame_withheld},
          {"packets",
           {{"sent", counters.sent},
            {"not_sent", counters.not_sent},
            {"answers", counters.answers},
            {"not_ours", counters.not_ours},
            {"malformed", counters.malformed},
            {"clock_doubts", counters.clock_doubts}}}};
}

std::string mtu_text(const PathTarget& target, const PathMtu& mtu) {
  const prober::MtuResult& found = mtu.found;
  const std::string passes =
      fmt::format("MTU {} (TCP segments of {})", found.octets, segment_size(target, found.octets));
  switch (found.verdict) {
    case prober::MtuVerdict::full:
      return passes + ": the largest that was tried passes.\n";
    case prober::MtuVerdict::announced:
      return fmt::format("{}: {} says that larger packets need fragmentation.\n", passes,
                         found.said_by ? found.said_by->to_string() : "a router");
    case prober::MtuVerdict::local:
      return passes + ": our own link passes no more.\n";
    case prober::MtuVerdict::black_hole:
      return fmt::format(
          "{}: BLACK HOLE: larger packets vanish{}, and nobody says so. Streams stall there.\n",
          passes,
          mtu.last_hop ? fmt::format(" after {} (hop {})", mtu.last_hop->address().to_string(),
                                     mtu.last_hop->ttl)
                       : std::string());
    case prober::MtuVerdict::no_answer:
      return "MTU unknown: no answer to echo requests, with which it is sought.\n";
    case prober::MtuVerdict::unsure:
      return "MTU unknown: too many small packets were lost as well.\n";
  }
  return "";
}

Json mtu_json(const PathTarget& target, const PathMtu& mtu) {
  const prober::MtuResult& found = mtu.found;
  Json object = {{"verdict", prober::to_string(found.verdict)}, {"probes", found.probes}};
  if (found.octets > 0) {
    object["octets"] = found.octets;
    object["tcp_segment"] = segment_size(target, found.octets);
  }
  if (found.said_by) {
    object["said_by"] = found.said_by->to_string();
    object["said_octets"] = found.said_octets;
  }
  if (mtu.last_hop) {
    object["last_hop"] = {{"ttl", mtu.last_hop->ttl},
                          {"address", mtu.last_hop->address().to_string()}};
  }
  return object;
}

}  // namespace linkpilot::cli
