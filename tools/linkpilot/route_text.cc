#include "tools/linkpilot/route_text.h"

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "tools/linkpilot/context.h"

namespace linkpilot::cli {
namespace {

struct Best {
  std::string path;
  double cost_ms = 0;
};
using RouteKey = std::tuple<std::string, std::string, std::string>;  // node, direction, target

std::map<RouteKey, Best> best_paths(const Json& answer) {
  std::map<RouteKey, Best> out;
  for (const Json& table : answer.value("tables", Json::array())) {
    const std::string node = text_of(table, "node");
    for (const Json& route : table.value("routes", Json::array())) {
      const Json candidates = route.value("candidates", Json::array());
      if (candidates.empty()) continue;
      const Json& best = candidates[0];
      out[{node, text_of(route, "direction"), text_of(route, "to")}] = {path_text(best),
                                                                        best.value("cost_ms", 0.0)};
    }
  }
  return out;
}

std::string port_text(const std::string& node, const Json& hop, const char* key) {
  return fmt::format("{}/{}", node, hop.value(key, 0));
}

}  // namespace

std::vector<std::string> links_of_path(const Json& candidate, const std::string& direction) {
  std::vector<std::string> out;
  const Json path = candidate.value("path", Json::array());
  const Json hops = candidate.value("hops", Json::array());
  if (path.empty() || !path[0].is_string()) return out;
  std::string near = path[0].get<std::string>();
  for (const Json& hop : hops) {
    const std::string far = text_of(hop, "node");
    const std::string near_port = port_text(near, hop, "near_port");
    const std::string far_port = port_text(far, hop, "far_port");
    out.push_back(direction == "pull" ? far_port + ">" + near_port : near_port + ">" + far_port);
    near = far;
  }
  return out;
}

std::string explain_link(const Json& link) {
  std::string line =
      fmt::format("{}: {} ms", text_of(link, "link"), number_text(link, "cost_ms", 1));
  const Json terms = link.value("cost_terms_ms", Json::object());
  std::string sum;
  for (const auto& [name, value] : terms.items()) {
    if (!value.is_number() || value.get<double>() == 0.0) continue;
    sum += fmt::format("{}{} {:.1f}", sum.empty() ? "" : " + ", name, value.get<double>());
  }
  if (!sum.empty()) line += " = " + sum;
  line += fmt::format("  (rtt p50 {} ms, loss {:.2f}%, {})", number_text(link, "rtt_ms_p50", 1),
                      link.value("loss_ratio", 0.0) * 100, text_of(link, "state"));
  return line;
}

std::vector<RouteChange> changed_routes(const Json& before, const Json& after) {
  const std::map<RouteKey, Best> old_paths = best_paths(before);
  std::map<RouteKey, Best> new_paths = best_paths(after);
  std::vector<RouteChange> out;
  for (const auto& [key, best] : new_paths) {
    const auto found = old_paths.find(key);
    const Best old = found == old_paths.end() ? Best{"no route", 0} : found->second;
    if (old.path == best.path) continue;
    out.push_back({std::get<0>(key), std::get<2>(key), std::get<1>(key), old.path, best.path,
                   old.cost_ms, best.cost_ms});
  }
  for (const auto& [key, best] : old_paths) {
    if (new_paths.contains(key)) continue;
    out.push_back({std::get<0>(key), std::get<2>(key), std::get<1>(key), best.path, "no route",
                   best.cost_ms, 0});
  }
  return out;
}

std::string to_text(const RouteChange& change) {
  return fmt::format("{} to {} ({}): {} -> {}  (cost {:.1f} -> {:.1f} ms)", change.node, change.to,
                     change.direction, change.before, change.after, change.cost_before_ms,
                     change.cost_after_ms);
}

Json to_json(const RouteChange& change) {
  return {{"node", change.node},
          {"to", change.to},
          {"direction", change.direction},
          {"before", change.before},
          {"after", change.after},
          {"cost_before_ms", change.cost_before_ms},
          {"cost_after_ms", change.cost_after_ms}};
}

}  // namespace linkpilot::cli
