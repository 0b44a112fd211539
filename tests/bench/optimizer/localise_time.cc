#include "tests/bench/optimizer/localise_time.h"

#include <cmath>
#include <numbers>
#include <set>

#include "optimizer/localise/confirm.h"
#include "optimizer/localise/localise.h"

namespace linkpilot::bench {

namespace {

using optimizer::CauseId;
using optimizer::CauseKind;
using optimizer::Evidence;
using optimizer::LinkFinding;

constexpr std::uint16_t kSmall = 14;

optimizer::FleetShape shape_of(std::size_t nodes) {
  optimizer::FleetShape shape;
  shape.nodes = static_cast<std::uint16_t>(nodes);
  shape.regions = static_cast<std::uint16_t>(nodes < 50 ? 5 : 12);
  shape.isps = 3;
  for (std::uint16_t n = 0; n < nodes; ++n) {
    shape.ends.push_back({{NodeId(static_cast<std::uint16_t>(n + 1)), PortIndex(0)},
                          n,
                          static_cast<std::uint16_t>(n % shape.regions),
                          static_cast<std::uint16_t>(n % 3)});
  }
  return shape;
}

Evidence quiet_evidence(std::size_t nodes) {
  Evidence evidence(shape_of(nodes));
  for (const auto& from : evidence.shape.ends) {
    for (const auto& to : evidence.shape.ends) {
      if (from.node != to.node) evidence.coverage.add(from, to);
    }
  }
  return evidence;
}

struct FaultPlan {
  const char* name = "";
  CauseId id;
  bool dead = false;
  double loss = 0.0;
  double rtt_ms = 0.0;
};

bool hits(const CauseId& id, std::uint16_t from, std::uint16_t to) {
  if (id.kind == CauseKind::node) return id.a == from || id.a == to;
  return id.a == from && id.b == to;
}

// Detectors of both ends of all links, second by second.
class RunningFleet {
 public:
  RunningFleet(const NoiseLibrary& noise, std::uint64_t seed)
      : noise_(noise), rng_(seed), evidence_(quiet_evidence(kSmall)) {
    for (std::size_t i = 0; i < kSmall * kSmall; ++i) {
      series_.push_back(rng_.below(noise.series()));
      detectors_.push_back(noise.warm(series_.back(), true, rng_));
      phase_.push_back(rng_.uniform());
    }
  }

  // `harm(from, to)` of one direction; `drift_ms(pair)` moves the level.
  template <typename Harm, typename Drift>
  void second(Harm&& harm, Drift&& drift_ms) {
    for (std::uint16_t a = 0; a < kSmall; ++a) {
      for (std::uint16_t b = 0; b < kSmall; ++b) {
        if (a == b) continue;
        // Both ends see the same path.
        const std::size_t pair = std::size_t{std::min(a, b)} * kSmall + std::max(a, b);
        const LinkHarm there = harm(a, b);
        const LinkHarm back = harm(b, a);
        const LinkHarm both{there.loss_forward, back.loss_forward, there.forward_ms,
                            back.forward_ms};
        LinkDetector& detector = detectors_[std::size_t{a} * kSmall + b];
        const std::size_t looks = asked_.contains({std::min(a, b), std::max(a, b)}) ? 4 : 1;
        for (std::size_t look = 0; look < looks; ++look) {
          detector.look(noise_.look(series_[pair], NoiseLibrary::kLevelMs + drift_ms(phase_[pair]),
                                    both, true, rng_),
                        {});
        }
      }
    }
  }

  // The round of this second; dead directions as alarms tell them.
  template <typename Dead>
  [[nodiscard]] optimizer::Diagnosis round(Dead&& dead) {
    evidence_.findings.clear();
    for (std::uint16_t a = 0; a < kSmall; ++a) {
      for (std::uint16_t b = 0; b < kSmall; ++b) {
        if (a == b) continue;
        LinkFinding finding{a, b, detectors_[std::size_t{a} * kSmall + b].forward(),
                            detectors_[std::size_t{b} * kSmall + a].backward()};
        for (DirectionClaim* claim : {&finding.near, &finding.far}) {
          if (dead(a, b)) {
            *claim = {};
            claim->known = claim->dead = true;
          }
        }
        const auto odd = [](const DirectionClaim& claim) {
          return claim.dead || claim.loss_nats > 0.5F || claim.delay_ms > 0.0F;
        };
        if (odd(finding.near) || odd(finding.far)) evidence_.findings.push_back(finding);
      }
    }
    optimizer::Diagnosis diagnosis = optimizer::localise(evidence_, {});
    asked_.clear();
    for (const optimizer::Question& question : diagnosis.questions) {
      asked_.insert(std::minmax(static_cast<std::uint16_t>(question.from),
                                static_cast<std::uint16_t>(question.to)));
    }
    return diagnosis;
  }

 private:
  const NoiseLibrary& noise_;
  Rng rng_;
  Evidence evidence_;
  std::vector<std::size_t> series_;
  std::vector<LinkDetector> detectors_;
  std::vector<double> phase_;
  std::set<std::pair<std::uint16_t, std::uint16_t>> asked_;
};

double localise_one(const NoiseLibrary& noise, const FaultPlan& plan, std::uint64_t seed) {
  constexpr double kReportLate = 1.0;
  // Silence of 185 ms, a burst of a round trip and 35 ms: notes of the agents' detector.
  constexpr double kAlarm = 0.185 + NoiseLibrary::kLevelMs * 1e-3 + 0.035;
  RunningFleet fleet(noise, seed);
  optimizer::Confirmer confirmer;
  const double phase = Rng(seed).uniform();  // of the rounds against the fault
  const double one_way = plan.id.kind == CauseKind::node ? 0.5 : 1.0;
  const auto time_at = [](double seconds) {
    return MonoTime{} + Duration(static_cast<std::int64_t>(seconds * 1e9));
  };
  // An alarm asks for a round at once.
  if (plan.dead) {
    (void)confirmer.look(
        fleet.round([&](std::uint16_t from, std::uint16_t to) { return hits(plan.id, from, to); }),
        time_at(kAlarm), {});
  }
  for (int second = 0; second < 180; ++second) {
    const double now = second + phase;
    const bool reported = now >= kReportLate;
    fleet.second(
        [&](std::uint16_t from, std::uint16_t to) {
          LinkHarm harm;
          if (!reported || plan.dead || !hits(plan.id, from, to)) return harm;
          harm.loss_forward = plan.loss;
          harm.forward_ms = one_way * plan.rtt_ms;
          return harm;
        },
        [](double) { return 0.0; });
    const optimizer::Diagnosis diagnosis = fleet.round([&](std::uint16_t from, std::uint16_t to) {
      return plan.dead && now >= kAlarm && hits(plan.id, from, to);
    });
    if (plan.dead && now < kAlarm) continue;
    for (const optimizer::Cause& cause : confirmer.look(diagnosis, time_at(now), {})) {
      if (cause.id.kind == plan.id.kind && cause.id.a == plan.id.a && cause.id.b == plan.id.b) {
        return now;
      }
    }
  }
  return 999.0;
}

void count_quiet(const optimizer::Diagnosis& diagnosis, std::set<CauseId>& seen,
                 std::uint32_t& count) {
  for (const optimizer::Cause& cause : diagnosis.causes) {
    if (seen.insert(cause.id).second) ++count;
  }
}

}  // namespace

std::map<std::string, std::vector<double>> time_to_localise(const NoiseLibrary& noise, int runs,
                                                            std::uint64_t seed) {
  const CauseId link{CauseKind::link, 3, 9, false};
  const CauseId node{CauseKind::node, 6, 0, true};
  const std::vector<FaultPlan> plans{
      {"link_blackhole", link, true, 0.0, 0.0},  {"node_blackhole", node, true, 0.0, 0.0},
      {"link_loss_5", link, false, 0.05, 0.0},   {"link_loss_2", link, false, 0.02, 0.0},
      {"node_loss_5", node, false, 0.05, 0.0},   {"node_loss_2", node, false, 0.02, 0.0},
      {"link_delay_20", link, false, 0.0, 20.0}, {"node_delay_20", node, false, 0.0, 20.0}};
  std::map<std::string, std::vector<double>> out;
  for (const FaultPlan& plan : plans) {
    for (int run = 0; run < runs; ++run) {
      out[plan.name].push_back(
          localise_one(noise, plan, seed * 1'000 + static_cast<std::uint64_t>(run)));
    }
  }
  return out;
}

QuietCount quiet_days(const NoiseLibrary& noise, double days, std::uint64_t seed) {
  RunningFleet fleet(noise, seed);
  optimizer::Confirmer confirmer;
  QuietCount out;
  out.days = days;
  std::set<CauseId> named;
  std::set<CauseId> told;
  const auto seconds = static_cast<std::int64_t>(days * 86'400.0);
  for (std::int64_t second = 0; second < seconds; ++second) {
    const double hour = 2.0 * std::numbers::pi * static_cast<double>(second) / 86'400.0;
    fleet.second([](std::uint16_t, std::uint16_t) { return LinkHarm{}; },
                 [hour](double phase) { return 30.0 * phase * (1.0 - std::cos(hour)) / 2.0; });
    const optimizer::Diagnosis diagnosis =
        fleet.round([](std::uint16_t, std::uint16_t) { return false; });
    if (second % 3'600 == 0) {
      named.clear();
      told.clear();
    }
    count_quiet(diagnosis, named, out.causes);
    for (const optimizer::Cause& cause :
         confirmer.look(diagnosis, MonoTime{} + std::chrono::seconds(second), {})) {
      if (told.insert(cause.id).second) ++out.mails;
    }
  }
  return out;
}

QuietCount quiet_minutes(const NoiseLibrary& noise, std::size_t nodes, double days,
                         std::uint64_t seed) {
  Rng rng(Rng(seed).next());
  Evidence evidence = quiet_evidence(nodes);
  // Odd minutes are few, so their number is drawn and then where they are.
  std::vector<std::pair<std::size_t, QuietClaims>> odd;
  const std::size_t drawn = noise.series() * 4'000;
  for (std::size_t i = 0; i < drawn; ++i) {
    const std::size_t series = rng.below(noise.series());
    const QuietClaims& claims = noise.quiet(series, rng);
    if (claims.abnormal()) odd.emplace_back(series, claims);
  }
  QuietCount out;
  out.days = days;
  const double share = static_cast<double>(odd.size()) / static_cast<double>(drawn);
  const double expected = share * static_cast<double>(nodes * (nodes - 1));
  for (int minute = 0; minute < static_cast<int>(days * 1'440.0); ++minute) {
    std::map<std::pair<std::uint16_t, std::uint16_t>, LinkFinding> findings;
    const auto add = [&](std::uint16_t a, std::uint16_t b, const QuietClaims& claims) {
      for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
        LinkFinding& finding =
            findings.try_emplace({from, to}, LinkFinding{from, to, {}, {}}).first->second;
        finding.near.known = finding.far.known = true;
        (from == a ? finding.near : finding.far) = from == a ? claims.forward : claims.backward;
      }
    };
    const double spread =
        std::sqrt(expected) * (rng.uniform() + rng.uniform() + rng.uniform() - 1.5);
    for (double left = expected + 2.0 * spread; left > rng.uniform() && !odd.empty(); left -= 1.0) {
      const auto a = static_cast<std::uint16_t>(rng.below(nodes));
      const auto b = static_cast<std::uint16_t>(rng.below(nodes));
      if (a == b) continue;
      const auto& [series, claims] = odd[rng.below(odd.size())];
      add(a, b, claims);
      // The other end looks at the same path.
      add(b, a, noise.quiet(series, rng));
    }
    evidence.findings.clear();
    for (const auto& [link, finding] : findings) evidence.findings.push_back(finding);
    const optimizer::Diagnosis diagnosis = optimizer::localise(evidence, {});
    out.causes += static_cast<std::uint32_t>(diagnosis.causes.size());
  }
  out.mails = out.causes;
  return out;
}

}  // namespace linkpilot::bench
