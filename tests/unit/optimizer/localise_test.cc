// The localiser on small fleets: each kind of cause, liars, doubts, and what must not matter.
#include "optimizer/localise/localise.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "optimizer/localise/confirm.h"
#include "optimizer/localise/explain.h"
#include "optimizer/localise/nonnegative.h"

namespace linkpilot::optimizer {
namespace {

constexpr std::uint16_t kNodes = 9;

// Three regions of three nodes, three ISPs, every link measured by both ends.
class Fleet {
 public:
  Fleet() : evidence(shape()) {
    for (const FleetEnd& from : evidence.shape.ends) {
      for (const FleetEnd& to : evidence.shape.ends) {
        if (from.node != to.node) evidence.coverage.add(from, to);
      }
    }
  }
  static FleetShape shape() {
    FleetShape shape;
    shape.nodes = kNodes;
    shape.regions = shape.isps = 3;
    for (std::uint16_t n = 0; n < kNodes; ++n) {
      shape.ends.push_back({{NodeId(static_cast<std::uint16_t>(n + 1)), PortIndex(0)},
                            n,
                            static_cast<std::uint16_t>(n / 3),
                            static_cast<std::uint16_t>(n % 3)});
    }
    return shape;
  }
  static DirectionClaim lossy(double share) {
    return {
        .known = true, .loss = static_cast<float>(share), .loss_error = 0.005F, .loss_nats = 30.0F};
  }
  static DirectionClaim fine() { return {.known = true}; }
  static DirectionClaim dead() { return {.known = true, .dead = true}; }

  void say(std::uint16_t from, std::uint16_t to, DirectionClaim near, DirectionClaim far) {
    evidence.findings.push_back({from, to, near, far});
  }
  template <typename Touches>
  void harm(DirectionClaim claim, Touches&& touches) {
    for (std::uint16_t from = 0; from < kNodes; ++from) {
      for (std::uint16_t to = 0; to < kNodes; ++to) {
        if (from != to && touches(from, to)) say(from, to, claim, claim);
      }
    }
  }
  [[nodiscard]] std::vector<CauseId> causes() const {
    std::vector<CauseId> out;
    for (const Cause& cause : localise(evidence, {}).causes) out.push_back(cause.id);
    std::sort(out.begin(), out.end());
    return out;
  }
  Evidence evidence;
};

bool region_of(std::uint16_t node, std::uint16_t region) { return node / 3 == region; }

TEST(Localise, SaysNothingOfAQuietFleet) { EXPECT_TRUE(Fleet().causes().empty()); }

TEST(Localise, NamesTheNodeNotItsLinks) {
  Fleet fleet;
  fleet.harm(Fleet::lossy(0.03), [](auto from, auto to) { return from == 4 || to == 4; });
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::node, 4}}));
  const Diagnosis diagnosis = localise(fleet.evidence, {});
  EXPECT_NEAR(diagnosis.causes[0].effect.loss, 0.03, 0.003);
  EXPECT_EQ(diagnosis.causes[0].shows, 16U);
}

TEST(Localise, NamesOneDirectionOfALink) {
  Fleet fleet;
  fleet.say(2, 7, Fleet::lossy(0.05), Fleet::lossy(0.05));
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::link, 2, 7, false}}));
}

TEST(Localise, JoinsBothDirectionsOfALink) {
  Fleet fleet;
  fleet.say(7, 2, Fleet::dead(), Fleet::dead());
  fleet.say(2, 7, Fleet::dead(), Fleet::dead());
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::link, 2, 7, true}}));
}

TEST(Localise, TellsPairsOfRegionsAndOfIspsAndCutsApart) {
  Fleet regions;
  regions.harm(Fleet::lossy(0.04), [](auto from, auto to) {
    return (region_of(from, 0) && region_of(to, 2)) || (region_of(from, 2) && region_of(to, 0));
  });
  EXPECT_EQ(regions.causes(), (std::vector<CauseId>{{CauseKind::region_pair, 0, 2}}));
  Fleet isps;
  isps.harm(Fleet::lossy(0.04), [](auto from, auto to) {
    return (from % 3 == 1 && to % 3 == 2) || (from % 3 == 2 && to % 3 == 1);
  });
  EXPECT_EQ(isps.causes(), (std::vector<CauseId>{{CauseKind::isp_pair, 1, 2}}));
  Fleet cut;
  cut.harm(Fleet::dead(),
           [](auto from, auto to) { return region_of(from, 1) != region_of(to, 1); });
  EXPECT_EQ(cut.causes(), (std::vector<CauseId>{{CauseKind::region_cut, 1}}));
}

TEST(Localise, NamesAHopThatSeveralLinksShare) {
  Fleet fleet;
  SharedHop hop{77, {{0, 4}, {1, 8}, {2, 5}, {3, 7}}};
  for (const SharedHop::Link& link : hop.links) {
    fleet.say(link.from, link.to, Fleet::lossy(0.08), Fleet::lossy(0.08));
  }
  fleet.evidence.hops.push_back(hop);
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::hop, 0}}));
}

TEST(Localise, AddsUpCausesThatMeet) {
  Fleet fleet;
  fleet.harm(Fleet::lossy(0.03),
             [](auto from, auto to) { return (from == 4 || to == 4) && !(from == 4 && to == 0); });
  fleet.say(4, 0, Fleet::lossy(0.2), Fleet::lossy(0.2));
  EXPECT_EQ(fleet.causes(),
            (std::vector<CauseId>{{CauseKind::node, 4}, {CauseKind::link, 4, 0, false}}));
}

TEST(Localise, BelievesThePeersOfALiar) {
  Fleet fleet;
  for (std::uint16_t peer = 0; peer < kNodes; ++peer) {
    if (peer == 5) continue;
    fleet.say(5, peer, Fleet::lossy(0.2), Fleet::fine());
    fleet.say(peer, 5, Fleet::fine(), Fleet::lossy(0.2));
  }
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::agent, 5}}));
}

TEST(Localise, AsksAboutALinkWhoseEndsContradictEachOther) {
  Fleet fleet;
  fleet.say(5, 1, Fleet::lossy(0.2), Fleet::fine());
  const Diagnosis diagnosis = localise(fleet.evidence, {});
  EXPECT_TRUE(diagnosis.causes.empty());
  EXPECT_EQ(diagnosis.doubtful, 1U);
  EXPECT_EQ(diagnosis.questions, (std::vector<Question>{{QuestionKind::reverse_check, 5, 1}}));
}

TEST(Localise, AsksForABurstBeforeItBlamesALinkOnLittleEvidence) {
  Fleet fleet;
  DirectionClaim claim = Fleet::lossy(0.05);
  claim.loss_nats = 6.0F;
  fleet.say(5, 1, claim, claim);
  const Diagnosis diagnosis = localise(fleet.evidence, {});
  EXPECT_TRUE(diagnosis.causes.empty());
  EXPECT_EQ(diagnosis.questions, (std::vector<Question>{{QuestionKind::burst, 5, 1}}));
}

TEST(Localise, SaysThatTheCollectorItselfIsCutOffAndNothingElse) {
  Fleet fleet;
  fleet.harm(Fleet::dead(), [](auto, auto) { return true; });
  for (AgentEvidence& agent : fleet.evidence.agents) agent.heard = false;
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::collector}}));
}

TEST(Localise, TakesANodeThatServesWithoutItsAgentForALostAgent) {
  Fleet fleet;
  fleet.harm(Fleet::dead(), [](auto from, auto to) { return from == 3 || to == 3; });
  fleet.evidence.agents[3].heard = false;
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::node, 3}}));
  for (std::uint16_t prober = 0; prober < 3; ++prober) {
    fleet.evidence.dials.push_back({.prober = prober, .path = {3}, .attempts = 3});
  }
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::agent, 3}}));
}

// Stream 0: from 0 over 1 to 2 and 3, and over 4 to 5. `bad` says how a dial at a node fares.
template <typename Bad>
void dial_tree(Fleet& fleet, Bad&& bad) {
  const std::vector<std::vector<std::uint16_t>> paths{{0},       {0, 1}, {0, 1, 2},
                                                      {0, 1, 3}, {0, 4}, {0, 4, 5}};
  for (std::uint16_t stream = 0; stream < 2; ++stream) {
    for (const auto& path : paths) {
      for (std::uint16_t prober = 6; prober < kNodes; ++prober) {
        DialEvidence dial{.prober = prober, .stream = stream, .path = path, .attempts = 3};
        bad(dial);
        fleet.evidence.dials.push_back(dial);
      }
    }
  }
}

TEST(Localise, TellsOriginPushAndEdgeServiceApart) {
  Fleet origin;
  dial_tree(origin, [](DialEvidence& dial) { dial.missing = dial.stream == 1 ? 3 : 0; });
  EXPECT_EQ(origin.causes(), (std::vector<CauseId>{{CauseKind::stream, 1}}));
  Fleet push;
  dial_tree(push, [](DialEvidence& dial) {
    dial.missing = dial.path.size() > 1 && dial.path[1] == 1 ? 3 : 0;
  });
  EXPECT_EQ(push.causes(), (std::vector<CauseId>{{CauseKind::relay_push, 0, 1}}));
  Fleet edge;
  dial_tree(edge, [](DialEvidence& dial) { dial.unopened = dial.path.back() == 5 ? 3 : 0; });
  EXPECT_EQ(edge.causes(), (std::vector<CauseId>{{CauseKind::edge_service, 5}}));
}

TEST(Localise, DoesNotBlameAStreamForADeadNodeOnItsWay) {
  Fleet fleet;
  fleet.harm(Fleet::dead(), [](auto from, auto to) { return from == 1 || to == 1; });
  fleet.evidence.agents[1].heard = false;
  dial_tree(fleet, [](DialEvidence& dial) {
    if (dial.path.back() == 1) dial.unopened = 3;
    if (dial.path.size() == 3 && dial.path[1] == 1) dial.missing = 3;
  });
  EXPECT_EQ(fleet.causes(), (std::vector<CauseId>{{CauseKind::node, 1}}));
}

RC_GTEST_PROP(Localise, DoesNotDependOnTheOrderOfItsFindings, ()) {
  Fleet fleet;
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  const auto bad = static_cast<std::uint16_t>(rng.below(kNodes));
  fleet.harm(Fleet::lossy(0.02 + 0.1 * rng.uniform()),
             [&](auto from, auto to) { return from == bad || to == bad || rng.below(20) == 0; });
  const std::vector<CauseId> before = fleet.causes();
  auto& findings = fleet.evidence.findings;
  for (std::size_t i = findings.size(); i > 1; --i) {
    std::swap(findings[i - 1], findings[rng.below(i)]);
  }
  RC_ASSERT(fleet.causes() == before);
}

RC_GTEST_PROP(Localise, NamesAnyNodeOfAnyStrength, ()) {
  Fleet fleet;
  const auto node = *rc::gen::inRange<std::uint16_t>(0, kNodes);
  const double share = 0.01 * *rc::gen::inRange(2, 60);
  fleet.harm(Fleet::lossy(share),
             [node](auto from, auto to) { return from == node || to == node; });
  RC_ASSERT(fleet.causes() == (std::vector<CauseId>{{CauseKind::node, node}}));
}

TEST(Confirmer, TellsWhatRoundsKeepNamingAndForgivesOneMiss) {
  Confirmer confirmer;
  Diagnosis named;
  named.causes.resize(1);
  named.causes[0].effect.loss = 0.05;
  const auto at = [](int second) { return MonoTime{} + std::chrono::seconds(second); };
  EXPECT_TRUE(confirmer.look(named, at(1), {}).empty());
  EXPECT_TRUE(confirmer.look({}, at(2), {}).empty());
  EXPECT_TRUE(confirmer.look(named, at(3), {}).empty());
  EXPECT_EQ(confirmer.look(named, at(4), {}).size(), 1U);
  for (int second = 5; second < 8; ++second) (void)confirmer.look({}, at(second), {});
  EXPECT_TRUE(confirmer.look(named, at(8), {}).empty());
  named.causes[0].effect.dead = true;
  EXPECT_EQ(confirmer.look(named, at(9), {}).size(), 1U);
}

TEST(SolveNonnegative, FindsStrengthsThatAddUp) {
  const std::vector<Observation> seen{{{0}, 2.0, 0.1}, {{0, 1}, 5.0, 0.1}, {{1, 2}, 3.0, 0.1}};
  const std::vector<double> x = solve_nonnegative(3, seen, 0.0);
  EXPECT_NEAR(x[0], 2.0, 1e-6);
  EXPECT_NEAR(x[1], 3.0, 1e-6);
  EXPECT_NEAR(x[2], 0.0, 1e-6);
}

RC_GTEST_PROP(SolveNonnegative, IsNeverNegativeAndStandsStillAtItsOptimum, ()) {
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  std::vector<Observation> seen(12);
  for (Observation& each : seen) {
    for (std::uint32_t k = 0; k < 4; ++k) {
      if (rng.below(2) == 0) each.unknowns.push_back(k);
    }
    each.value = 4.0 * rng.uniform() - 1.0;
    each.error = 0.5 + rng.uniform();
  }
  const auto cost = [&seen](const std::vector<double>& x) {
    double sum = 0;
    for (const Observation& each : seen) {
      double value = -each.value;
      for (const std::uint32_t k : each.unknowns) value += x[k];
      sum += value * value / (2.0 * each.error * each.error);
    }
    return sum;
  };
  const std::vector<double> best = solve_nonnegative(4, seen, 0.0);
  for (std::size_t k = 0; k < 4; ++k) {
    RC_ASSERT(best[k] >= 0.0);
    for (const double step : {-0.01, 0.01}) {
      std::vector<double> other = best;
      other[k] = std::max(0.0, other[k] + step);
      RC_ASSERT(cost(other) >= cost(best) - 1e-6);
    }
  }
}

}  // namespace
}  // namespace linkpilot::optimizer
