// Reading route tables as the API shows them: which links a path crosses, what changed between two
// publications. Pure functions on JSON values; wrong shapes give empty answers, not exceptions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace linkpilot::cli {

using Json = nlohmann::json;

// "tokyo/0>paris/1" for each link of a candidate, in the direction the media travels: for a pull
// the links are turned round, because paths are written from the asking node outwards.
[[nodiscard]] std::vector<std::string> links_of_path(const Json& candidate,
                                                     const std::string& direction);

// One line: the link's cost and the terms it is made of.
[[nodiscard]] std::string explain_link(const Json& link);

struct RouteChange {
  std::string node;
  std::string to;
  std::string direction;
  std::string before;  // best path, or why there was none
  std::string after;
  double cost_before_ms = 0;
  double cost_after_ms = 0;
};

// Best paths that differ between two answers of /v1/routes, in the order of the second.
[[nodiscard]] std::vector<RouteChange> changed_routes(const Json& before, const Json& after);
[[nodiscard]] std::string to_text(const RouteChange& change);
[[nodiscard]] Json to_json(const RouteChange& change);

}  // namespace linkpilot::cli
