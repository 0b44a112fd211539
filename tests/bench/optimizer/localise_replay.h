// Two more answers of the `localise` bench: recorded evidence explained again, and what the whole
// pipeline of the collector costs on a large fleet.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace linkpilot::bench {

// Every record of evidence in the folder, as the collector keeps one per fault: how many give the
// same diagnosis again, and how long each round took.
[[nodiscard]] nlohmann::json replay_cases(const std::string& folder);

// Samples of a full mesh into the detectors, and rounds, the last of them with the way from one
// region to another lossy.
[[nodiscard]] nlohmann::json pipeline_cost(std::size_t nodes);

}  // namespace linkpilot::bench
