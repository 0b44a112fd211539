#include "optimizer/guard/guard.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/optimizer/network_builder.h"

namespace linkpilot::optimizer {
namespace {

// The tables of a sound triangle, to be spoilt in one place each.
class Guard : public ::testing::Test {
 protected:
  Guard() {
    const NetworkView view = make_network({{0, 20, 100}, {20, 0, 20}, {100, 20, 0}});
    tables_ = plan_routes(view, {}, {}, {}, at_second(0)).next.tables();
    for (const NodeView& node : view.nodes) ids_.push_back(node.node.id);
    input_.nodes = ids_;
    input_.agents_enrolled = input_.agents_reporting = 3;
    input_.routes_total = 12;
  }

  GuardVerdict check() {
    input_.tables = tables_;
    return check_tables(input_, policy_);
  }
  // What the guard says after `change` to the first route of the first table, which has a relay.
  template <typename Change>
  std::string refusal_after(Change change) {
    const std::vector<RouteTable> sound = tables_;
    for (Route& route : tables_[0].routes) {
      if (route.candidates.front().hops.size() != 2) continue;
      change(route);
      break;
    }
    const GuardVerdict verdict = check();
    tables_ = sound;
    EXPECT_EQ(verdict.publish, verdict.reason.empty());
    return verdict.reason;
  }
  static bool says(const std::string& reason, const std::string& words) {
    return reason.find(words) != std::string::npos;
  }

  std::vector<RouteTable> tables_;
  std::vector<NodeId> ids_;
  GuardInput input_;
  GuardPolicy policy_;
};

TEST_F(Guard, LetsSoundTablesPass) {
  const GuardVerdict verdict = check();
  EXPECT_TRUE(verdict.publish) << verdict.reason;
}

TEST_F(Guard, RefusesEveryUnsoundRouteByName) {
  const auto path = [](Route& route) -> CandidatePath& { return route.candidates.front(); };
  EXPECT_TRUE(says(refusal_after([](Route& r) { r.candidates.clear(); }), "no candidate"));
  EXPECT_TRUE(says(refusal_after([](Route& r) { r.candidates.resize(5, r.candidates[0]); }),
                   "too many candidates"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).hops.clear(); }), "number of hops"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).hops.resize(4, path(r).hops[0]); }),
                   "number of hops"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).hops.pop_back(); }), "end at its target"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).cost_us = 0; }), "not positive"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).delay = Duration(-1); }), "negative"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).hops[0].node = node_id(0); }),
                   "where it started"));
  EXPECT_TRUE(
      says(refusal_after([&](Route& r) { path(r).hops[0].node = NodeId(99); }), "unknown node"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).hops[0].node = r.target; }), "twice"));
  EXPECT_TRUE(says(refusal_after([&](Route& r) { path(r).hops[0].near_port = PortIndex(8); }),
                   "unknown port"));
}

TEST_F(Guard, RefusesATableThatLeavesATargetOutWithoutAReason) {
  const NodeId target = tables_[0].routes.back().target;
  tables_[0].routes.pop_back();
  EXPECT_TRUE(says(check().reason, "without a reason"));
  tables_[0].dropped.push_back({target, ""});
  EXPECT_TRUE(says(check().reason, "without a reason"));
  tables_[0].dropped.back().reason = "drained";
  EXPECT_TRUE(check().publish);
}

TEST_F(Guard, RefusesRoutesTwiceOutOfOrderOrOfStrangers) {
  const std::vector<RouteTable> sound = tables_;
  tables_[0].routes.push_back(tables_[0].routes.back());
  EXPECT_TRUE(says(check().reason, "out of order or twice"));
  tables_ = sound;
  std::swap(tables_[0].routes.front(), tables_[0].routes.back());
  EXPECT_TRUE(says(check().reason, "out of order or twice"));
  tables_ = sound;
  tables_[0].node = NodeId(99);
  EXPECT_TRUE(says(check().reason, "unknown node"));
}

TEST_F(Guard, WantsAQuorumUnlessForced) {
  input_.agents_enrolled = 100;
  input_.agents_reporting = 50;
  EXPECT_TRUE(says(check().reason, "only 50 of 100 agents"));
  input_.agents_reporting = 51;
  EXPECT_TRUE(check().publish);
  input_.agents_reporting = 0;
  input_.forced = true;
  EXPECT_TRUE(check().publish);
}

TEST_F(Guard, BoundsHowManyRoutesMoveAtOnceUnlessForced) {
  input_.routes_total = 1000;
  input_.routes_moved = 251;
  EXPECT_TRUE(says(check().reason, "251 of 1000 routes"));
  input_.forced = true;
  EXPECT_TRUE(check().publish) << "the operator's hand";
  input_.forced = false;
  input_.routes_moved = 250;
  EXPECT_TRUE(check().publish);
  input_.routes_total = 12;
  input_.routes_moved = 12;
  EXPECT_TRUE(check().publish) << "a small fleet may always move some";
}

TEST(Explain, TheTermsOfEveryHopAddUpToTheCostOfTheRoute) {
  Rng rng(5);
  const NetworkView view = make_network(random_delays(12, rng));
  const PlannerState state = plan_routes(view, {}, {}, {}, at_second(0)).next;
  int relayed = 0;
  for (std::size_t from = 0; from < 12; ++from) {
    for (std::size_t to = 0; to < 12; ++to) {
      if (from == to) continue;
      const RouteExplanation why =
          explain_route(view, {}, state, node_id(from), node_id(to), at_second(0));
      ASSERT_TRUE(why.reachable);
      std::vector<CandidateExplanation> candidates = why.others;
      candidates.push_back(why.in_use);
      for (const CandidateExplanation& candidate : candidates) {
        double sum = 0.0;
        for (const HopExplanation& hop : candidate.hops) {
          const CostTerms& t = hop.terms;
          EXPECT_NEAR(t.delay + t.jitter_allowance + t.loss_recovery + t.load + t.price + t.damping,
                      t.total.value, 1e-9);
          sum += t.total.value + hop.relay_ms;
        }
        // A link's weight is rounded once, to 0.1 ms.
        EXPECT_NEAR(sum, candidate.cost_ms,
                    0.05 * static_cast<double>(candidate.hops.size()) + 1e-9);
        relayed += candidate.hops.size() > 1 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(relayed, 0);
}

// Two nodes with ports of two ISPs, one of which both have.
TEST(PortPolicy, LinksOfAMultiLineNodeAreAllowedWhateverTheIsps) {
  NodeView one = make_node(0);
  NodeView two = make_node(1);
  NodeView many = make_node(2, 2);
  one.node.ports[0].isp = "telecom";
  two.node.ports[0].isp = "unicom";
  many.node.ports[0].isp = "telecom";
  many.node.ports[1].isp = "unicom";
  LinkPolicy policy;
  policy.cross_isp = CrossIsp::never;
  const auto allowed = [&](const NodeView& a, std::size_t p, const NodeView& b, std::size_t q) {
    return link_allowed(a.node, a.node.ports[p], b.node, b.node.ports[q], policy);
  };
  EXPECT_FALSE(allowed(one, 0, two, 0));
  EXPECT_TRUE(allowed(one, 0, many, 0));
  EXPECT_TRUE(allowed(one, 0, many, 1));
  policy.cross_isp = CrossIsp::penalty;
  EXPECT_TRUE(allowed(one, 0, two, 0));
  const auto surcharge = [&](const NodeView& a, const NodeView& b) {
    return link_surcharge_ms(a.node, a.node.ports[0], b.node, b.node.ports[0], policy);
  };
  EXPECT_EQ(surcharge(one, two), policy.cross_isp_ms);
  EXPECT_EQ(surcharge(one, many), 0.0);
  policy.cross_isp = CrossIsp::free;
  EXPECT_EQ(surcharge(one, two), 0.0);
  two.node.ports[0].isp.clear();
  policy.cross_isp = CrossIsp::never;
  EXPECT_TRUE(allowed(one, 0, two, 0)) << "an unknown ISP is not another one";
}

TEST(PortPolicy, RoutesTakeTheBestAllowedPairOfPortsAndKeepTheOtherOne) {
  NetworkView view;
  view.nodes = {make_node(0, 2), make_node(1, 2)};
  for (std::size_t near = 0; near < 2; ++near) {
    for (std::size_t far = 0; far < 2; ++far) {
      const double ms = near == 1 && far == 1 ? 10 : 30 + 5.0 * static_cast<double>(near + far);
      view.links.push_back(make_belief(make_link(0, 1, near, far), ms));
      view.links.push_back(make_belief(make_link(1, 0, near, far), ms));
    }
  }
  const PlannerState state = plan_routes(view, {}, {}, {}, at_second(0)).next;
  const Route* route = find_route(state.tables(), node_id(0), node_id(1), Direction::push);
  ASSERT_NE(route, nullptr);
  ASSERT_EQ(route->candidates.size(), 2U);
  EXPECT_EQ(route->candidates[0].hops[0].near_port, PortIndex(1));
  EXPECT_EQ(route->candidates[0].hops[0].far_port, PortIndex(1));
  EXPECT_EQ(route->candidates[1].hops[0].near_port, PortIndex(0)) << "shares no port with the best";
  EXPECT_EQ(route->candidates[1].hops[0].far_port, PortIndex(0));
}

}  // namespace
}  // namespace linkpilot::optimizer
