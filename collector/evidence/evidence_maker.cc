#include "collector/evidence/evidence_maker.h"

#include <algorithm>

namespace linkpilot::collector {

namespace {

// Both ends' evidence together, below which a lossy direction is not worth a finding; the localiser
// wants a little more.
constexpr float kFindingNats = 4.0F;

std::uint16_t number_of(const std::string& name, std::map<std::string, std::uint16_t>& known,
                        std::vector<std::string>& names) {
  const auto [place, added] = known.emplace(name, static_cast<std::uint16_t>(names.size()));
  if (added) names.push_back(name);
  return place->second;
}

// How bad it is, to compare the words of two ends.
float weight_of(const optimizer::DirectionClaim& claim) {
  return (claim.dead ? 1e6F : 0.0F) + 1e3F * claim.loss + claim.delay_ms;
}

bool is_odd(const optimizer::LinkFinding& finding) {
  return finding.near.dead || finding.far.dead || finding.near.delay_ms > 0.0F ||
         finding.far.delay_ms > 0.0F ||
         finding.near.loss_nats + finding.far.loss_nats >= kFindingNats;
}

}  // namespace

std::string EvidenceMaker::signature_of(const NodeTable& nodes) {
  std::string text;
  for (const auto& [id, node] : nodes) {
    if (!node.enrolled) continue;
    text += std::to_string(id.value) + ' ' + node.region + ' ' + std::to_string(node.ports);
    for (const std::string& isp : node.isps) text += '/' + isp;
    text += '\n';
  }
  return text;
}

void EvidenceMaker::shape_fleet(const NodeTable& nodes) {
  index_ = {};
  ++shape_number_;
  optimizer::FleetShape shape;
  std::map<std::string, std::uint16_t> regions;
  std::map<std::string, std::uint16_t> isps;
  for (const auto& [id, facts] : nodes) {
    if (!facts.enrolled) continue;
    if (shape.ends.size() + facts.ports > kEndsMax) {
      ++left_out_;
      continue;
    }
    const auto node = static_cast<std::uint16_t>(index_.nodes.size());
    index_.nodes.push_back(id);
    if (index_.of_node.size() <= id.value) {
      index_.of_node.resize(std::size_t{id.value} + 1, FleetIndex::kNone);
    }
    index_.of_node[id.value] = node;
    index_.first_end.push_back(static_cast<std::uint16_t>(shape.ends.size()));
    for (std::uint8_t port = 0; port < facts.ports; ++port) {
      optimizer::FleetEnd end;
      end.port = {id, PortIndex{port}};
      end.node = node;
      end.region = number_of(facts.region, regions, index_.regions);
      end.isp = number_of(port < facts.isps.size() ? facts.isps[port] : "", isps, index_.isps);
      end.alone = facts.ports == 1;
      shape.ends.push_back(end);
    }
  }
  shape.nodes = static_cast<std::uint16_t>(index_.nodes.size());
  shape.regions = static_cast<std::uint16_t>(index_.regions.size());
  shape.isps = static_cast<std::uint16_t>(index_.isps.size());
  if (regions.contains("")) shape.region_unknown = regions.at("");
  if (isps.contains("")) shape.isp_unknown = isps.at("");
  evidence_ = optimizer::Evidence(std::move(shape));
  covered_.clear();
}

std::uint16_t EvidenceMaker::end_of(PortId port) const {
  const std::uint16_t node = index_.node(port.node);
  if (node == FleetIndex::kNone) return FleetIndex::kNone;
  const std::size_t end = std::size_t{index_.first_end[node]} + port.port.value;
  const auto& ends = evidence_.shape.ends;
  // A link of a port that its node does not have any more.
  return end < ends.size() && ends[end].node == node ? static_cast<std::uint16_t>(end)
                                                     : FleetIndex::kNone;
}

void EvidenceMaker::cover(const LinkBook& links, MonoTime now) {
  // Far below kFresh, and above the pace at which alarms make rounds.
  constexpr Duration kCoverEach = std::chrono::milliseconds(900);
  const bool anew = covered_.empty() || now - covered_at_ >= kCoverEach;
  covered_.resize(links.places());
  if (!anew) return;
  covered_at_ = now;
  for (LinkBook::Place pair = 0; pair < links.places(); ++pair) {
    const bool fresh = links.fresh(pair, now);
    if (fresh == covered_[pair]) continue;
    const std::uint16_t from = end_of(links.link_of(pair).from);
    const std::uint16_t to = end_of(links.link_of(pair).to);
    if (from == FleetIndex::kNone || to == FleetIndex::kNone) continue;
    covered_[pair] = fresh;
    const auto& ends = evidence_.shape.ends;
    for (const auto& [a, b] : {std::pair{from, to}, {to, from}}) {
      if (fresh) {
        evidence_.coverage.add(ends[a], ends[b]);
      } else {
        evidence_.coverage.remove(ends[a], ends[b]);
      }
    }
  }
}

void EvidenceMaker::believe_worse(LinkId link, MonoTime now) {
  std::erase_if(worse_, [now](const auto& each) { return each.second <= now; });
  if (worse_.size() < kWorseMax || worse_.contains(link)) worse_[link] = now + kWorseFor;
}

void EvidenceMaker::add_finding(const NodeTable& nodes, const LinkBook& links, LinkBook::Place pair,
                                MonoTime now) {
  if (evidence_.findings.size() + 2 > optimizer::kEvidenceFindingsMax) return;
  const LinkId link = links.link_of(pair);
  const std::uint16_t from = end_of(link.from);
  const std::uint16_t to = end_of(link.to);
  if (!covered_[pair] || from == FleetIndex::kNone || to == FleetIndex::kNone) return;
  const NodeFacts& near_node = nodes.at(link.from.node);
  const NodeFacts& far_node = nodes.at(link.to.node);
  const bool node_dead = near_node.dead || far_node.dead;
  const bool word =
      links.state_of(pair, 0) == LinkState::dead || links.state_of(pair, 1) == LinkState::dead;
  optimizer::LinkFinding ways[] = {{from, to, {}, {}}, {to, from, {}, {}}};
  for (unsigned direction = 0; direction < 2; ++direction) {
    optimizer::LinkFinding& way = ways[direction];
    way.near = links.near_claim(pair, direction, now);
    way.far = links.far_claim(pair, direction, now);
    // What the alarms say of the pair stands above what was counted before.
    if (node_dead || word) {
      const bool dead = node_dead || links.state_of(pair, direction) == LinkState::dead;
      way.near = way.far = {.known = dead, .dead = dead};
    }
    const bool forward = direction == 0;
    if (!(forward ? near_node : far_node).speaks()) way.near = {};
    if (!(forward ? far_node : near_node).speaks()) way.far = {};
    const auto worse = worse_.find(forward ? link : link.reversed());
    if (worse == worse_.end() || worse->second <= now || !way.near.known || !way.far.known)
      continue;
    (weight_of(way.near) > weight_of(way.far) ? way.far : way.near) = {};
  }
  if (!is_odd(ways[0]) && !is_odd(ways[1])) return;
  for (const optimizer::LinkFinding& way : ways) evidence_.findings.push_back(way);
}

void EvidenceMaker::find(const NodeTable& nodes, LinkBook& links, MonoTime now) {
  evidence_.findings.clear();
  found_.assign(links.places(), false);
  const auto add = [&](LinkBook::Place pair) {
    if (found_[pair]) return;
    found_[pair] = true;
    add_finding(nodes, links, pair, now);
  };
  for (const auto& [id, node] : nodes) {
    if (!node.dead || !node.enrolled) continue;
    for (const LinkBook::Place pair : links.pairs_of(id)) add(pair);
  }
  for (const LinkBook::Place pair : links.find_odd()) add(pair);
}

const optimizer::Evidence& EvidenceMaker::make(const NodeTable& nodes, LinkBook& links, Now now) {
  std::string signature = signature_of(nodes);
  if (signature != signature_ || generation_ != links.generation()) {
    signature_ = std::move(signature);
    generation_ = links.generation();
    shape_fleet(nodes);
  }
  cover(links, now.mono);
  find(nodes, links, now.mono);
  for (std::size_t i = 0; i < index_.nodes.size(); ++i) {
    const NodeFacts& node = nodes.at(index_.nodes[i]);
    evidence_.agents[i] = {node.speaks() || node.awaited, node.trouble.empty(), true};
  }
  return evidence_;
}

}  // namespace linkpilot::collector
