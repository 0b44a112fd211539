#include "tests/bench/optimizer/localise_cases.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <tuple>

namespace linkpilot::bench {

namespace {

using optimizer::DialEvidence;
using optimizer::FleetShape;

FleetShape draw_shape(std::size_t nodes, Rng& rng) {
  FleetShape shape;
  shape.nodes = static_cast<std::uint16_t>(nodes);
  shape.regions = static_cast<std::uint16_t>(nodes < 50 ? 5 : 12);
  shape.isps = static_cast<std::uint16_t>(nodes < 50 ? 3 : 5);
  for (std::uint16_t n = 0; n < nodes; ++n) {
    optimizer::FleetEnd end;
    end.port = {NodeId(static_cast<std::uint16_t>(n + 1)), PortIndex(0)};
    end.node = n;
    // Every region has two nodes at least.
    end.region = static_cast<std::uint16_t>(n < 2 * shape.regions ? n % shape.regions
                                                                  : rng.below(shape.regions));
    end.isp = static_cast<std::uint16_t>(n < shape.isps ? n : rng.below(shape.isps));
    shape.ends.push_back(end);
  }
  return shape;
}

double log_uniform(double low, double high, Rng& rng) {
  return low * std::pow(high / low, rng.uniform());
}

// One port a node here, so none is planted.
constexpr std::uint64_t kPlantedKinds = static_cast<std::uint64_t>(CauseKind::port);
constexpr std::uint64_t kDialKeys = std::uint64_t{1} << 40U;
constexpr std::uint64_t kAgentKeys = std::uint64_t{2} << 40U;
constexpr std::uint64_t kCollectorKey = std::uint64_t{3} << 40U;

bool same_pair(const CauseId& id, std::uint32_t a, std::uint32_t b) {
  return (id.a == a && id.b == b) || (id.both_ways && id.a == b && id.b == a);
}

}  // namespace

Case::Case(const CaseOptions& options, const NoiseLibrary& noise)
    : options_(options),
      noise_(noise),
      rng_(Rng(options.seed ^ options.nodes << 40U).next()),
      evidence_(draw_shape(options.nodes, rng_)),
      agent_gone_(options.nodes) {
  draw_fleet();
  draw_services();
  draw_sick();
  draw_faults();
  report_agents();
  report_links();
  report_dials();
}

void Case::draw_fleet() {
  const std::size_t nodes = options_.nodes;
  clock_.resize(nodes);
  for (std::size_t n = 0; n < nodes; ++n) clock_[n] = rng_.uniform() < 0.85;
  collector_region_ = static_cast<std::uint16_t>(rng_.below(evidence_.shape.regions));
  // Backbone hops: part of the links between some regions.
  const std::size_t hops = nodes < 50 ? 8 : 40;
  for (std::size_t h = 0; h < hops; ++h) {
    optimizer::SharedHop hop;
    hop.id = static_cast<std::uint32_t>(100 + h);
    std::set<std::pair<std::uint16_t, std::uint16_t>> links;
    const std::uint64_t wanted = nodes < 50 ? 4 + rng_.below(9) : 20 + rng_.below(180);
    const std::uint16_t a = any_node();
    while (links.size() < wanted) {
      // Half of them begin near one another.
      std::uint16_t from = any_node();
      if (rng_.below(2) == 0 &&
          evidence_.shape.ends[from].region != evidence_.shape.ends[a].region) {
        continue;
      }
      const std::uint16_t to = any_node();
      if (from != to) links.emplace(from, to);
    }
    for (const auto& [from, to] : links) hop.links.push_back({from, to});
    evidence_.hops.push_back(std::move(hop));
    hop_links_.push_back(std::move(links));
  }
}

void Case::draw_services() {
  const bool small = options_.nodes < 50;
  vendors_ = small ? 3 : 6;
  const std::size_t relays = small ? 2 : 4;
  const std::size_t edges = small ? 2 : 5;
  for (std::size_t s = 0; s < (small ? 6U : 30U); ++s) {
    std::vector<std::uint16_t> order(options_.nodes);
    for (std::uint16_t n = 0; n < options_.nodes; ++n) order[n] = n;
    for (std::size_t i = 0; i < 1 + relays * (1 + edges); ++i) {
      std::swap(order[i], order[i + rng_.below(order.size() - i)]);
    }
    StreamTree tree;
    std::size_t next = 1;
    tree.paths.push_back({order[0]});
    for (std::size_t r = 0; r < relays; ++r) {
      const std::uint16_t relay = order[next++];
      tree.paths.push_back({order[0], relay});
      for (std::size_t e = 0; e < edges; ++e)
        tree.paths.push_back({order[0], relay, order[next++]});
    }
    tree.vendors.push_back(static_cast<std::uint16_t>(s % vendors_));
    if (rng_.below(2) == 0) {
      tree.vendors.push_back(static_cast<std::uint16_t>((s + 1) % vendors_));
    }
    streams_.push_back(std::move(tree));
  }
  for (std::uint16_t s = 0; s < streams_.size(); ++s) {
    const auto add = [&](const std::vector<std::uint16_t>& path, std::uint16_t vendor,
                         std::size_t probers) {
      for (std::size_t i = 0; i < probers; ++i) {
        DialEvidence dial;
        do {
          dial.prober = any_node();
        } while (dial.prober == path.back());
        dial.stream = s;
        dial.vendor = vendor;
        dial.path = path;
        dial.attempts = 3;
        evidence_.dials.push_back(std::move(dial));
      }
    };
    for (const auto& path : streams_[s].paths) add(path, optimizer::kNoVendor, 3);
    for (const std::uint16_t vendor : streams_[s].vendors) {
      add({streams_[s].paths[0][0]}, vendor, 6);
    }
  }
}

void Case::draw_sick() {
  sickness_.assign(options_.nodes, Sickness::well);
  const double wanted = options_.sick_share * static_cast<double>(options_.nodes);
  auto count = static_cast<std::size_t>(wanted);
  if (rng_.uniform() < wanted - static_cast<double>(count)) ++count;
  for (std::size_t i = 0; i < count; ++i) {
    sickness_[any_node()] = static_cast<Sickness>(1 + rng_.below(5));
  }
}

void Case::draw_faults() {
  int wanted = options_.faults;
  if (wanted < 0) wanted = rng_.below(5) == 0 ? 0 : static_cast<int>(1 + rng_.below(4));
  for (int tries = 0; static_cast<int>(planted_.size()) < wanted && tries < 1'000; ++tries) {
    const auto kind = static_cast<CauseKind>(rng_.below(kPlantedKinds));
    // The collector's own network hides all else.
    if (kind == CauseKind::collector && wanted > 1) continue;
    const Planted fault = draw_fault(kind);
    if (!acceptable(fault)) continue;
    if (kind == CauseKind::agent) agent_gone_[fault.id.a] = fault.dead;
    planted_.push_back(fault);
  }
}

Planted Case::draw_fault(CauseKind kind) {
  Planted fault;
  fault.id.kind = kind;
  const FleetShape& shape = evidence_.shape;
  const StreamTree& tree = streams_[rng_.below(streams_.size())];
  const auto& path = tree.paths[rng_.below(tree.paths.size())];
  bool of_links = true;
  double dead_share = 0.25;
  double loss_min = 0.02;
  double delay_min = 20.0;
  switch (kind) {
    case CauseKind::agent:
      fault.id.a = any_node();
      fault.dead = rng_.below(2) == 0;  // gone; else only not heard
      return fault;
    case CauseKind::node:
      fault.id.a = any_node();
      break;
    case CauseKind::edge_service:
      fault.id.a = path.back();
      of_links = false;
      break;
    case CauseKind::link:
      fault.id.both_ways = false;
      fault.id.a = any_node();
      do {
        fault.id.b = any_node();
      } while (fault.id.b == fault.id.a);
      loss_min = 0.05;
      delay_min = 30.0;
      break;
    case CauseKind::region_pair: {
      const auto a = static_cast<std::uint32_t>(rng_.below(shape.regions));
      const auto b = static_cast<std::uint32_t>(rng_.below(shape.regions));
      std::tie(fault.id.a, fault.id.b) = std::minmax(a, b);
      break;
    }
    case CauseKind::isp_pair: {
      const auto a = static_cast<std::uint32_t>(rng_.below(shape.isps));
      const auto b = static_cast<std::uint32_t>(rng_.below(shape.isps));
      std::tie(fault.id.a, fault.id.b) = std::minmax(a, b);
      break;
    }
    case CauseKind::region_cut:
      fault.id.a = static_cast<std::uint32_t>(rng_.below(shape.regions));
      dead_share = 0.6;
      break;
    case CauseKind::hop:
      fault.id.a = static_cast<std::uint32_t>(rng_.below(evidence_.hops.size()));
      break;
    case CauseKind::relay_push:
      if (path.size() >= 2) {
        fault.id.a = path[path.size() - 2];
        fault.id.b = path.back();
      }
      of_links = false;
      break;
    case CauseKind::stream:
      fault.id.a = static_cast<std::uint32_t>(rng_.below(streams_.size()));
      of_links = false;
      break;
    case CauseKind::vendor:
      fault.id.a = static_cast<std::uint32_t>(rng_.below(vendors_));
      of_links = false;
      break;
    case CauseKind::collector:
    case CauseKind::port:
      of_links = false;
      break;
  }
  if (!of_links) {
    fault.dead = true;
  } else if (rng_.uniform() < dead_share) {
    fault.dead = true;
  } else if (rng_.below(2) == 0) {
    fault.loss = log_uniform(loss_min, 0.3, rng_);
  } else {
    fault.delay_ms = log_uniform(delay_min, 150.0, rng_);
    fault.direction_unknown =
        kind == CauseKind::link && !(clock_[fault.id.a] && clock_[fault.id.b]);
  }
  return fault;
}

// Something must be there to be seen: not the same twice, and not hidden below another fault.
bool Case::acceptable(const Planted& fault) const {
  const CauseId& id = fault.id;
  if (id.kind == CauseKind::relay_push && id.a == id.b) return false;
  // A region pair of one node each is a link; a region with itself needs two nodes.
  const Footprint mine = footprint(id);
  if (mine.empty()) return false;
  if (id.kind == CauseKind::region_cut && fault.dead && id.a == collector_region_) return false;
  if (id.kind == CauseKind::collector) return planted_.empty();
  // A sick agent's own trouble is another case.
  if ((id.kind == CauseKind::agent || id.kind == CauseKind::node) &&
      sickness_[id.a] != Sickness::well) {
    return false;
  }
  for (const Planted& other : planted_) {
    const Footprint theirs = footprint(other.id);
    std::vector<std::uint64_t> common;
    std::set_intersection(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                          std::back_inserter(common));
    if (common.size() == mine.size() || common.size() == theirs.size()) return false;
    // What is dead cannot be more so: each must show on most of what it touches.
    if (other.dead && 3 * common.size() > mine.size()) return false;
    if (fault.dead && 3 * common.size() > theirs.size()) return false;
  }
  return true;
}

bool Case::touches(const CauseId& id, std::uint16_t from, std::uint16_t to) const {
  const auto& ends = evidence_.shape.ends;
  switch (id.kind) {
    case CauseKind::node:
      return id.a == from || id.a == to;
    case CauseKind::agent:  // gone: nothing answers
      return agent_gone_[id.a] && (id.a == from || id.a == to);
    case CauseKind::link:
      return same_pair(id, from, to);
    case CauseKind::region_pair:
      return same_pair(id, ends[from].region, ends[to].region);
    case CauseKind::isp_pair:
      return same_pair(id, ends[from].isp, ends[to].isp);
    case CauseKind::region_cut:
      return (id.a == ends[from].region) != (id.a == ends[to].region);
    case CauseKind::hop:
      return hop_links_[id.a].contains({from, to});
    case CauseKind::edge_service:
    case CauseKind::relay_push:
    case CauseKind::stream:
    case CauseKind::vendor:
    case CauseKind::collector:
    case CauseKind::port:
      return false;
  }
  return false;
}

bool Case::dial_passes(const CauseId& id, const DialEvidence& dial) const {
  const auto& path = dial.path;
  switch (id.kind) {
    case CauseKind::node:
      return dial.prober == id.a || std::count(path.begin(), path.end(), id.a) > 0;
    case CauseKind::edge_service:
      return std::count(path.begin(), path.end(), id.a) > 0;
    case CauseKind::stream:
      return dial.stream == id.a;
    case CauseKind::vendor:
      return dial.vendor == id.a;
    case CauseKind::relay_push:
      for (std::size_t i = 1; i < path.size(); ++i) {
        if (path[i - 1] == id.a && path[i] == id.b) return true;
      }
      return false;
    case CauseKind::agent:
    case CauseKind::link:
    case CauseKind::region_pair:
    case CauseKind::isp_pair:
    case CauseKind::region_cut:
    case CauseKind::hop:
    case CauseKind::collector:
    case CauseKind::port:
      return false;
  }
  return false;
}

Footprint Case::footprint(const CauseId& id) const {
  Footprint out;
  if (id.kind == CauseKind::collector) return {kCollectorKey};
  const std::size_t nodes = options_.nodes;
  const auto add = [&](std::uint16_t from, std::uint16_t to) {
    if (from != to && touches(id, from, to)) out.insert(std::uint64_t{from} << 16U | to);
  };
  if (id.kind == CauseKind::node || id.kind == CauseKind::agent) {
    for (std::uint16_t n = 0; n < nodes; ++n) {
      add(n, static_cast<std::uint16_t>(id.a));
      add(static_cast<std::uint16_t>(id.a), n);
    }
  } else if (id.kind == CauseKind::link) {
    add(static_cast<std::uint16_t>(id.a), static_cast<std::uint16_t>(id.b));
    add(static_cast<std::uint16_t>(id.b), static_cast<std::uint16_t>(id.a));
  } else if (id.kind == CauseKind::hop) {
    for (const auto& [from, to] : hop_links_[id.a]) out.insert(std::uint64_t{from} << 16U | to);
  } else if (id.kind == CauseKind::region_pair || id.kind == CauseKind::isp_pair ||
             id.kind == CauseKind::region_cut) {
    for (std::uint16_t a = 0; a < nodes; ++a) {
      for (std::uint16_t b = 0; b < nodes; ++b) add(a, b);
    }
  }
  for (std::size_t i = 0; i < evidence_.dials.size(); ++i) {
    if (dial_passes(id, evidence_.dials[i])) out.insert(kDialKeys + i);
  }
  if (id.kind == CauseKind::agent && !agent_gone_[id.a]) out.insert(kAgentKeys + id.a);
  return out;
}

bool Case::dead_between(std::uint16_t from, std::uint16_t to) const {
  return std::any_of(planted_.begin(), planted_.end(), [&](const Planted& fault) {
    return fault.dead && fault.id.kind != CauseKind::agent && touches(fault.id, from, to);
  });
}

bool Case::node_dead(std::uint16_t node) const {
  return std::any_of(planted_.begin(), planted_.end(), [&](const Planted& fault) {
    return fault.dead && fault.id.kind == CauseKind::node && fault.id.a == node;
  });
}

bool Case::is_heard(std::uint16_t node) const {
  if (sickness_[node] == Sickness::silent || node_dead(node)) return false;
  return std::none_of(planted_.begin(), planted_.end(), [&](const Planted& fault) {
    if (fault.id.kind == CauseKind::collector) return true;
    if (fault.id.kind == CauseKind::agent) return fault.id.a == node;
    return fault.id.kind == CauseKind::region_cut && fault.dead &&
           evidence_.shape.ends[node].region == fault.id.a;
  });
}

void Case::report_agents() {
  for (std::uint16_t n = 0; n < options_.nodes; ++n) {
    evidence_.agents[n].heard = is_heard(n);
    // Most of the overloaded know it; clocks are seen by their links.
    if (sickness_[n] == Sickness::overloaded) evidence_.agents[n].credible = rng_.below(2) == 0;
    if (sickness_[n] == Sickness::clock) evidence_.agents[n].credible = false;
  }
}

void Case::report_links() {
  for (std::uint16_t a = 0; a < options_.nodes; ++a) {
    for (std::uint16_t b = 0; b < a; ++b) report_pair(a, b);
  }
  for (optimizer::SharedHop& hop : evidence_.hops) {
    std::erase_if(hop.links, [this](const optimizer::SharedHop::Link& link) {
      return !is_heard(link.from) && !is_heard(link.to);
    });
  }
}

// The two links between a and b, as both report them.
void Case::report_pair(std::uint16_t a, std::uint16_t b) {
  LinkHarm harm;  // forward: from a to b
  bool dead_ab = false;
  bool dead_ba = false;
  bool touched = false;
  for (const Planted& fault : planted_) {
    const bool ab = touches(fault.id, a, b);
    const bool ba = touches(fault.id, b, a);
    if (!ab && !ba) continue;
    touched = true;
    dead_ab = dead_ab || (ab && fault.dead);
    dead_ba = dead_ba || (ba && fault.dead);
    // A node or region shows both ways of a round trip, a link or hop perhaps one.
    const bool one = fault.id.kind == CauseKind::link || fault.id.kind == CauseKind::hop;
    const double one_way = one ? 1.0 : 0.5;
    if (ab) {
      harm.loss_forward = 1.0 - (1.0 - harm.loss_forward) * (1.0 - fault.loss * wobble());
      harm.forward_ms += one_way * fault.delay_ms * wobble();
    }
    if (ba) {
      harm.loss_backward = 1.0 - (1.0 - harm.loss_backward) * (1.0 - fault.loss * wobble());
      harm.backward_ms += one_way * fault.delay_ms * wobble();
    }
  }
  const std::size_t series = rng_.below(noise_.series());
  const bool clocks = clock_[a] && clock_[b];
  optimizer::LinkFinding there{a, b, {}, {}};
  optimizer::LinkFinding back{b, a, {}, {}};
  bool abnormal = false;
  for (const bool by_a : {true, false}) {
    const std::uint16_t reporter = by_a ? a : b;
    if (!evidence_.agents[reporter].heard) continue;
    QuietClaims claims;
    if (!touched || dead_ab || dead_ba) {
      claims = noise_.quiet(series, rng_);
    } else {
      LinkDetector detector = noise_.warm(series, clocks, rng_);
      LinkHarm seen = harm;
      if (!by_a) {
        seen = {harm.loss_backward, harm.loss_forward, harm.backward_ms, harm.forward_ms};
      }
      for (int second = 0; second < NoiseLibrary::kMinute; ++second) {
        detector.look(noise_.look(series, NoiseLibrary::kLevelMs, seen, clocks, rng_), {});
      }
      claims = {detector.forward(), detector.backward()};
    }
    // Alarms say which direction is dead (the far end hears, or does not).
    if (dead_ab || dead_ba) {
      claims.forward = claims.backward = {};
      claims.forward.known = claims.backward.known = true;
      (by_a ? claims.forward : claims.backward).dead = dead_ab;
      (by_a ? claims.backward : claims.forward).dead = dead_ba;
    }
    lie(reporter, by_a ? b : a, claims.forward, claims.backward);
    abnormal = abnormal || claims.abnormal() || claims.backward.dead;
    (by_a ? there.near : there.far) = by_a ? claims.forward : claims.backward;
    (by_a ? back.far : back.near) = by_a ? claims.backward : claims.forward;
  }
  if (!there.near.known && !there.far.known) return;
  const auto& ends = evidence_.shape.ends;
  evidence_.coverage.add(ends[a], ends[b]);
  evidence_.coverage.add(ends[b], ends[a]);
  if (!abnormal) return;
  evidence_.findings.push_back(there);
  evidence_.findings.push_back(back);
}

void Case::lie(std::uint16_t node, std::uint16_t peer, DirectionClaim& forward,
               DirectionClaim& backward) {
  const auto make = [this](double loss, double delay_ms) {
    DirectionClaim claim;
    claim.known = true;
    claim.loss = static_cast<float>(loss);
    claim.loss_error = static_cast<float>(std::sqrt(loss * 600.0 + 1.0) / 600.0);
    claim.loss_nats = static_cast<float>(std::min(34.0, 900.0 * loss));
    claim.delay_ms = static_cast<float>(delay_ms);
    claim.delay_error_ms = 1.5F;
    claim.delay_directed = rng_.below(2) == 0;
    return claim;
  };
  switch (sickness_[node]) {
    case Sickness::well:
    case Sickness::silent:
      return;
    case Sickness::overloaded:  // all its links look lossy and slow to it
      forward = make(0.02 + 0.1 * rng_.uniform(), 10.0 + 40.0 * rng_.uniform());
      backward = make(0.02 + 0.1 * rng_.uniform(), 10.0 + 40.0 * rng_.uniform());
      return;
    case Sickness::garbled:  // nonsense about some of its links
      if (rng_.uniform() < 0.5) return;
      forward = make(0.3 * rng_.uniform(), 100.0 * rng_.uniform());
      backward = make(0.3 * rng_.uniform(), 100.0 * rng_.uniform());
      forward.dead = rng_.below(4) == 0;
      return;
    case Sickness::frozen:  // says for ever what it saw when all was well
      forward = backward = {};
      forward.known = backward.known = true;
      return;
    case Sickness::clock:  // one-way delays off; the round trip stands, so directions are wrong
      if (peer % 2 == 0) std::swap(forward.delay_ms, backward.delay_ms);
      return;
  }
}

void Case::report_dials() {
  std::vector<Planted> services;
  for (const Planted& fault : planted_) {
    if (fault.id.kind == CauseKind::edge_service || fault.id.kind == CauseKind::relay_push ||
        fault.id.kind == CauseKind::stream || fault.id.kind == CauseKind::vendor) {
      services.push_back(fault);
    }
  }
  std::vector<std::uint32_t> visible(planted_.size());
  std::erase_if(evidence_.dials,
                [this](const DialEvidence& dial) { return !is_heard(dial.prober); });
  for (DialEvidence& dial : evidence_.dials) {
    const bool vendor = dial.vendor != optimizer::kNoVendor;
    const std::uint16_t place = dial.path.back();
    bool unopened = !vendor && (node_dead(place) || dead_between(dial.prober, place) ||
                                dead_between(place, dial.prober));
    bool missing = node_dead(dial.path.front());
    for (std::size_t i = 1; i < dial.path.size(); ++i) {
      missing = missing || node_dead(dial.path[i - 1]) ||
                dead_between(dial.path[i - 1], dial.path[i]) ||
                dead_between(dial.path[i], dial.path[i - 1]);
    }
    const bool hidden = unopened || missing;
    for (const Planted& fault : services) {
      if (!dial_passes(fault.id, dial)) continue;
      if (fault.id.kind == CauseKind::vendor ||
          (fault.id.kind == CauseKind::edge_service && !vendor && fault.id.a == place)) {
        unopened = true;
      } else {
        missing = true;
      }
    }
    if (!hidden && sickness_[dial.prober] == Sickness::well) {
      for (std::size_t p = 0; p < planted_.size(); ++p) {
        visible[p] += dial_passes(planted_[p].id, dial) ? 1U : 0U;
      }
    }
    for (std::uint16_t attempt = 0; attempt < dial.attempts; ++attempt) {
      const bool weather = rng_.uniform() < 0.01;
      if (unopened || (weather && rng_.below(2) == 0)) {
        ++dial.unopened;
      } else if (missing || weather) {
        ++dial.missing;
      }
    }
    if (sickness_[dial.prober] == Sickness::overloaded) {
      dial.unopened = static_cast<std::uint16_t>(rng_.below(dial.attempts + 1U));
      dial.missing = 0;
    }
  }
  // What fewer than two dials of well agents could see was not there to be found.
  for (std::size_t p = planted_.size(); p-- > 0;) {
    const CauseKind kind = planted_[p].id.kind;
    const bool service = kind == CauseKind::edge_service || kind == CauseKind::relay_push ||
                         kind == CauseKind::stream || kind == CauseKind::vendor;
    if (service && visible[p] < 2)
      planted_.erase(planted_.begin() + static_cast<std::ptrdiff_t>(p));
  }
}

}  // namespace linkpilot::bench
