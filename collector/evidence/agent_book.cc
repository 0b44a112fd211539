#include "collector/evidence/agent_book.h"

#include <array>
#include <string_view>
#include <utility>

namespace linkpilot::collector {

namespace {

using optimizer::AgentTrouble;

constexpr std::array<std::pair<AgentTrouble, std::string_view>, 3> kTroubles{
    {{AgentTrouble::overload, "it is overloaded and late with its own probes"},
     {AgentTrouble::clock, "its clock moves against those of its peers"},
     {AgentTrouble::send_errors, "its host refuses to send its packets"}}};

}  // namespace

void AgentBook::count(const LinkSample& sample, LinkBook::Looked looked,
                      optimizer::AgentLook& look) {
  look.scheduled += std::uint64_t{sample.sent} + sample.missed_by_us + sample.local_send_error;
  look.missed_by_us += sample.missed_by_us;
  look.send_errors += sample.local_send_error;
  look.links_timed += looked.timed ? 1U : 0U;
  look.links_skewed += looked.timed && looked.skewed ? 1U : 0U;
}

void AgentBook::add(NodeId node, optimizer::AgentLook look, const NodeLoad& load, Now at) {
  look.agent_cpu_permille = load.agent_cpu_permille;
  agents_[node].look(look, at, options_);
}

bool AgentBook::credible(NodeId node) const { return since(node).mono.ns == 0; }

std::string AgentBook::trouble(NodeId node) const {
  const auto found = agents_.find(node);
  if (found == agents_.end()) return "";
  for (const auto& [trouble, text] : kTroubles) {
    if (found->second.has(trouble)) return std::string(text);
  }
  return "";
}

Now AgentBook::since(NodeId node) const {
  const auto found = agents_.find(node);
  if (found == agents_.end()) return {};
  for (const auto& [trouble, text] : kTroubles) {
    if (found->second.has(trouble)) return found->second.since(trouble);
  }
  return {};
}

}  // namespace linkpilot::collector
