#include "collector/ingest/node_watch.h"

#include <fmt/format.h>

#include <map>

namespace linkpilot::collector {

namespace {

// What one peer thinks of its links to the node.
struct PeerWord {
  bool has_links = false;
  bool fast = false;
  bool all_dead = true;
};

struct NodeWords {
  std::map<NodeId, PeerWord> peers;
};

bool is_quiet(const AgentRecord& agent, Now now) {
  return agent.last_heard_at.ns == 0 || now.mono - agent.last_heard >= kQuietAfter;
}

std::map<NodeId, NodeWords> gather(const std::vector<optimizer::LinkBelief>& beliefs,
                                   const std::function<bool(LinkId)>& is_fast) {
  std::map<NodeId, NodeWords> words;
  for (const optimizer::LinkBelief& belief : beliefs) {
    PeerWord& word = words[belief.link.to.node].peers[belief.link.from.node];
    word.has_links = true;
    word.fast = word.fast || is_fast(belief.link);
    word.all_dead = word.all_dead && belief.state == LinkState::dead;
  }
  return words;
}

NodeVerdict judge(AgentRecord& agent, const NodeWords& words, const Agents& agents, Now now) {
  std::size_t heard_peers = 0;
  std::size_t heard_dead = 0;
  std::size_t fast_peers = 0;
  std::size_t fast_dead = 0;
  for (const auto& [peer, word] : words.peers) {
    const auto found = agents.find(peer);
    if (found == agents.end() || !found->second.heard() || is_quiet(found->second, now)) continue;
    ++heard_peers;
    if (word.all_dead) ++heard_dead;
    if (word.fast) ++fast_peers;
    if (word.fast && word.all_dead) ++fast_dead;
  }
  const bool quiet = is_quiet(agent, now);
  const bool all_fast_dead = fast_peers > 0 && fast_dead == fast_peers;
  if (!all_fast_dead) {
    agent.unreached_since = MonoTime{};
  } else if (agent.unreached_since == MonoTime{}) {
    agent.unreached_since = now.mono;
  }
  const bool hushed = fast_peers >= 2 && agent.last_heard < agent.unreached_since;
  NodeVerdict verdict{agent.id, false, ""};
  if ((quiet && agent.dead) || (all_fast_dead && (quiet || hushed))) {
    verdict.dead = true;
    verdict.reason = fmt::format("node silent since {}", format_utc(agent.last_heard_at));
  } else if (heard_peers >= 2 && heard_dead == heard_peers) {
    verdict.dead = true;
    verdict.reason = fmt::format("no peer reaches the node since {}",
                                 format_utc(agent.dead ? agent.dead_since : now.wall));
  }
  return verdict;
}

}  // namespace

std::vector<NodeVerdict> judge_nodes(Agents& agents,
                                     const std::vector<optimizer::LinkBelief>& beliefs,
                                     const std::function<bool(LinkId)>& is_fast, Now now) {
  std::vector<NodeVerdict> changes;
  for (const auto& [node, words] : gather(beliefs, is_fast)) {
    const auto found = agents.find(node);
    if (found == agents.end() || !found->second.enrolled) continue;
    NodeVerdict verdict = judge(found->second, words, agents, now);
    if (verdict.dead != found->second.dead) changes.push_back(std::move(verdict));
  }
  return changes;
}

}  // namespace linkpilot::collector
