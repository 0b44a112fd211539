#include "tests/bench/optimizer/localise_score.h"

#include <algorithm>
#include <map>

namespace linkpilot::bench {

namespace {

bool same_cause(const CauseId& reported, const Planted& planted) {
  const CauseId& id = planted.id;
  if (reported.kind != id.kind) return false;
  const bool same = reported.a == id.a && reported.b == id.b;
  const bool turned = reported.a == id.b && reported.b == id.a;
  switch (id.kind) {
    case CauseKind::link:
      if (planted.direction_unknown) return same || turned;
      return same && !reported.both_ways;
    case CauseKind::region_pair:
    case CauseKind::isp_pair:
      return same || turned;
    case CauseKind::relay_push:
      return same;
    case CauseKind::collector:
      return true;
    case CauseKind::agent:
    case CauseKind::node:
    case CauseKind::edge_service:
    case CauseKind::region_cut:
    case CauseKind::hop:
    case CauseKind::stream:
    case CauseKind::vendor:
    case CauseKind::port:
      return reported.a == id.a;
  }
  return false;
}

std::size_t common_of(const Footprint& a, const Footprint& b) {
  if (a.size() > b.size()) return common_of(b, a);
  std::size_t count = 0;
  for (const std::uint64_t key : a) count += b.contains(key) ? 1U : 0U;
  return count;
}

std::size_t index_of(CauseKind kind) { return static_cast<std::size_t>(kind); }

void score_kinds(const std::vector<Planted>& planted, const std::vector<Footprint>& theirs,
                 const std::vector<CauseId>& reported, const std::vector<Footprint>& ours,
                 Tally& tally) {
  for (std::size_t p = 0; p < planted.size(); ++p) {
    double best = 0.0;
    std::size_t nearest = reported.size();
    for (std::size_t r = 0; r < reported.size(); ++r) {
      const std::size_t common = common_of(theirs[p], ours[r]);
      const double overlap = static_cast<double>(common) /
                             static_cast<double>(theirs[p].size() + ours[r].size() - common);
      if (overlap <= best) continue;
      best = overlap;
      nearest = r;
    }
    const std::size_t kind = index_of(planted[p].id.kind);
    if (nearest == reported.size()) {
      ++tally.confusion[kind][kKinds];
      continue;
    }
    ++tally.overlapped;
    const bool right = reported[nearest].kind == planted[p].id.kind || ours[nearest] == theirs[p];
    tally.kind_right += right ? 1U : 0U;
    ++tally.confusion[kind][right ? kind : index_of(reported[nearest].kind)];
  }
}

struct BadLink {
  std::uint16_t from = 0;
  std::uint16_t to = 0;
};

std::vector<BadLink> bad_links(const Evidence& evidence) {
  std::vector<BadLink> bad;
  for (const optimizer::LinkFinding& finding : evidence.findings) {
    for (const DirectionClaim* claim : {&finding.near, &finding.far}) {
      if (!claim->known) continue;
      const bool lossy = claim->loss > 0.02F && claim->loss_nats > 5.0F;
      if (!claim->dead && !lossy && claim->delay_ms <= 15.0F) continue;
      bad.push_back({finding.from, finding.to});
      break;
    }
  }
  return bad;
}

CauseId link_of(const BadLink& link) { return {CauseKind::link, link.from, link.to, false}; }

}  // namespace

void score(const Case& one, const std::vector<CauseId>& all, Tally& tally) {
  const std::vector<Planted>& planted = one.planted();
  ++tally.cases;
  std::vector<CauseId> reported;
  std::set<std::uint32_t> named;
  for (const CauseId& id : all) {
    if (id.kind == CauseKind::agent && one.sickness()[id.a] != Sickness::well) {
      named.insert(id.a);
    } else {
      reported.push_back(id);
    }
  }
  for (const Sickness sickness : one.sickness()) tally.sick += sickness != Sickness::well ? 1U : 0U;
  tally.sick_found += static_cast<std::uint32_t>(named.size());
  std::vector<Footprint> theirs;
  std::vector<Footprint> ours;
  for (const Planted& each : planted) theirs.push_back(one.footprint(each.id));
  for (const CauseId& each : reported) ours.push_back(one.footprint(each));
  std::vector<bool> found(planted.size());
  std::uint32_t right = 0;
  for (std::size_t r = 0; r < reported.size(); ++r) {
    ++tally.reported_by[index_of(reported[r].kind)];
    for (std::size_t p = 0; p < planted.size(); ++p) {
      if (found[p]) continue;
      if (!same_cause(reported[r], planted[p]) && ours[r] != theirs[p]) continue;
      found[p] = true;
      ++right;
      ++tally.right_by[index_of(reported[r].kind)];
      break;
    }
  }
  tally.planted += static_cast<std::uint32_t>(planted.size());
  tally.found += right;
  tally.reported += static_cast<std::uint32_t>(reported.size());
  tally.right += right;
  tally.exact += right == planted.size() && right == reported.size() ? 1U : 0U;
  if (planted.empty()) tally.false_when_quiet += static_cast<std::uint32_t>(reported.size());
  for (std::size_t p = 0; p < planted.size(); ++p) {
    ++tally.planted_by[index_of(planted[p].id.kind)];
    tally.found_by[index_of(planted[p].id.kind)] += found[p] ? 1U : 0U;
  }
  score_kinds(planted, theirs, reported, ours, tally);
}

std::vector<CauseId> judge_by_thresholds(const Evidence& evidence) {
  std::vector<CauseId> out;
  for (const BadLink& link : bad_links(evidence)) out.push_back(link_of(link));
  return out;
}

std::vector<CauseId> judge_by_rows(const Evidence& evidence) {
  std::vector<CauseId> out;
  std::vector<BadLink> bad = bad_links(evidence);
  for (;;) {
    std::vector<std::uint32_t> counts(evidence.shape.nodes);
    for (const BadLink& link : bad) {
      ++counts[link.from];
      ++counts[link.to];
    }
    std::size_t worst = counts.size();
    for (std::size_t n = 0; n < counts.size(); ++n) {
      const double measured = evidence.coverage.out_of_node(n) + evidence.coverage.into_node(n);
      if (counts[n] < 2 || counts[n] < 0.6 * measured) continue;
      if (worst == counts.size() || counts[n] > counts[worst]) worst = n;
    }
    if (worst == counts.size()) break;
    out.push_back({CauseKind::node, static_cast<std::uint32_t>(worst)});
    std::erase_if(bad,
                  [worst](const BadLink& link) { return link.from == worst || link.to == worst; });
  }
  for (const BadLink& link : bad) out.push_back(link_of(link));
  return out;
}

std::vector<CauseId> judge_by_votes(const Evidence& evidence) {
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::vector<CauseId>> ways;
  std::vector<BadLink> bad = bad_links(evidence);
  for (const BadLink& link : bad) {
    const auto& ends = evidence.shape.ends;
    ways[{link.from, link.to}] = {
        link_of(link),
        {CauseKind::node, link.from},
        {CauseKind::node, link.to},
        {CauseKind::region_pair, std::min(ends[link.from].region, ends[link.to].region),
         std::max(ends[link.from].region, ends[link.to].region)}};
  }
  for (std::uint32_t h = 0; h < evidence.hops.size(); ++h) {
    for (const auto& link : evidence.hops[h].links) {
      const auto found = ways.find({link.from, link.to});
      if (found != ways.end()) found->second.push_back({CauseKind::hop, h});
    }
  }
  std::vector<CauseId> out;
  const double least = 0.01 * static_cast<double>(ways.size());
  while (!ways.empty() && out.size() < 64) {
    std::map<CauseId, double> votes;
    for (const auto& [link, way] : ways) {
      for (const CauseId& id : way) votes[id] += 1.0 / static_cast<double>(way.size());
    }
    const auto most =
        std::max_element(votes.begin(), votes.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most->second < least) break;
    const CauseId blamed = most->first;
    out.push_back(blamed);
    std::erase_if(ways, [&blamed](const auto& each) {
      return std::find(each.second.begin(), each.second.end(), blamed) != each.second.end();
    });
  }
  return out;
}

}  // namespace linkpilot::bench
