// AgentBook: how far each agent's own word can be trusted, from what its reports say of itself
// (agent_health.h). One entry per agent of the fleet. One thread.
#pragma once

#include <map>
#include <string>

#include "base/ids.h"
#include "base/report.h"
#include "collector/evidence/link_book.h"
#include "optimizer/detect/agent_health.h"

namespace linkpilot::collector {

class AgentBook {
 public:
  // A sample of a report, and what its detector made of it.
  static void count(const LinkSample& sample, LinkBook::Looked looked, optimizer::AgentLook& look);
  // The report is complete: all its samples are counted.
  void add(NodeId node, optimizer::AgentLook look, const NodeLoad& load, Now at);
  void forget(NodeId node) { agents_.erase(node); }

  // Its clock, its load or its sockets spoil its figures. Silence is not judged here.
  [[nodiscard]] bool credible(NodeId node) const;
  // What it suffers from, as a clause; empty: nothing.
  [[nodiscard]] std::string trouble(NodeId node) const;
  // Since when; zero: nothing.
  [[nodiscard]] Now since(NodeId node) const;

 private:
  std::map<NodeId, optimizer::AgentHealth> agents_;
  optimizer::AgentHealthOptions options_;
};

}  // namespace linkpilot::collector
