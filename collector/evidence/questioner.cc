#include "collector/evidence/questioner.h"

#include <algorithm>

namespace linkpilot::collector {

std::vector<ProbeRequest> Questioner::ask(const std::vector<optimizer::Question>& questions,
                                          const optimizer::Evidence& evidence, MonoTime now) {
  std::erase_if(pairs_, [now](const auto& each) { return now - each.second >= kRest; });
  std::map<NodeId, std::size_t> busy;
  for (const auto& [link, at] : pairs_) {
    ++busy[link.from.node];
    ++busy[link.to.node];
  }
  std::vector<ProbeRequest> requests;
  for (const optimizer::Question& question : questions) {
    const LinkId forward{evidence.shape.ends[question.from].port,
                         evidence.shape.ends[question.to].port};
    const LinkId pair = std::min(forward, forward.reversed());
    if (pairs_.contains(pair)) continue;
    if (pairs_.size() >= kPairsMax || busy[pair.from.node] >= kEachMax ||
        busy[pair.to.node] >= kEachMax) {
      ++put_off_;
      continue;
    }
    pairs_[pair] = now;
    ++busy[pair.from.node];
    ++busy[pair.to.node];
    ++asked_;
    for (const LinkId link : {pair, pair.reversed()}) {
      requests.push_back({next_request_++, link, kProbes, kInterval});
    }
  }
  return requests;
}

}  // namespace linkpilot::collector
