#include "optimizer/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "tests/unit/optimizer/network_builder.h"

namespace linkpilot::optimizer {
namespace {

using namespace std::chrono_literals;

PlannerResult tick(const NetworkView& view, const Policy& policy, PlannerState state,
                   double second) {
  return plan_routes(view, policy, std::move(state), {}, at_second(second));
}

// a - r - b, with a direct link that is dearer or cheaper as told.
NetworkView triangle(double direct_ms) {
  return make_network({{0, 20, direct_ms}, {20, 0, 20}, {direct_ms, 20, 0}});
}

std::vector<NodeId> first_path(const PlannerState& state, std::size_t from, std::size_t to,
                               Direction direction = Direction::push) {
  std::vector<NodeId> nodes;
  const Route* route = find_route(state.tables(), node_id(from), node_id(to), direction);
  if (route == nullptr) return nodes;
  for (const Hop& hop : route->candidates.front().hops) nodes.push_back(hop.node);
  return nodes;
}

TEST(Planner, PublishesPushAndPullRoutesForEveryPair) {
  const PlannerResult result = tick(triangle(30), {}, {}, 0);
  ASSERT_TRUE(result.guard.publish) << result.guard.reason;
  ASSERT_EQ(result.tables.size(), 3U);
  for (const RouteTable& table : result.tables) EXPECT_EQ(table.routes.size(), 4U);
}

TEST(Planner, TakesARelayWhereItPaysAndKeepsTheDirectPathAsSecond) {
  const PlannerResult result = tick(triangle(100), {}, {}, 0);
  const Route* route = find_route(result.next.tables(), node_id(0), node_id(2), Direction::push);
  ASSERT_NE(route, nullptr);
  ASSERT_EQ(route->candidates.size(), 2U);
  EXPECT_EQ(route->candidates[0].hops.size(), 2U);
  EXPECT_EQ(route->candidates[0].hops[0].node, node_id(1));
  EXPECT_EQ(route->candidates[1].hops.size(), 1U);
  EXPECT_TRUE(route->candidates[1].loop_free);
}

TEST(Planner, DropsADeadLinkAtOnceInAnAlarm) {
  NetworkView view = triangle(30);
  PlannerResult result = tick(view, {}, {}, 0);
  EXPECT_EQ(first_path(result.next, 0, 2), std::vector{node_id(2)});
  find_belief(view, make_link(0, 2)).state = LinkState::dead;
  PlanRequest request{PlanMode::alarm, {make_link(0, 2)}, false};
  result = plan_routes(view, {}, std::move(result.next), request, at_second(0.3));
  ASSERT_TRUE(result.guard.publish) << result.guard.reason;
  EXPECT_EQ(first_path(result.next, 0, 2), (std::vector{node_id(1), node_id(2)}));
  EXPECT_EQ(first_path(result.next, 2, 0, Direction::pull), (std::vector{node_id(1), node_id(0)}));
  EXPECT_EQ(first_path(result.next, 2, 0), std::vector{node_id(0)}) << "the other direction lives";
  ASSERT_EQ(result.moves.size(), 1U);
  EXPECT_EQ(result.moves[0].reason, MoveReason::path_lost);
}

TEST(Planner, ComesHomeAfterConfirmationAndDwell) {
  NetworkView view = triangle(30);
  PlannerState state = tick(view, {}, {}, 0).next;
  LinkBelief& link = find_belief(view, make_link(0, 2));
  link.state = LinkState::dead;
  state =
      plan_routes(view, {}, std::move(state), {PlanMode::alarm, {link.link}, false}, at_second(0.5))
          .next;
  link.state = LinkState::alive;
  double home = 0;
  for (double second = 1; second < 60 && home == 0; second += 1) {
    PlannerResult result = tick(view, {}, std::move(state), second);
    state = std::move(result.next);
    if (first_path(state, 0, 2).size() == 1) {
      home = second;
    } else {
      ASSERT_FALSE(result.suppressed.empty());
    }
  }
  EXPECT_GE(home, 20.0);
  EXPECT_LE(home, 27.0);
}

TEST(Planner, GoesRoundAFlappingLinkAndNamesItUntilItIsTrusted) {
  NetworkView view = triangle(30);
  PlannerState state = tick(view, {}, {}, 0).next;
  ASSERT_EQ(first_path(state, 0, 2).size(), 1U);
  LinkBelief& link = find_belief(view, make_link(0, 2));
  link.damped = true;
  link.damped_left = std::chrono::seconds(90);
  PlannerResult result = tick(view, {}, std::move(state), 1);
  ASSERT_EQ(first_path(result.next, 0, 2).size(), 2U) << "it leaves a flapping link at once";
  result = tick(view, {}, std::move(result.next), 2);
  const auto named =
      std::ranges::find(result.suppressed, SuppressionReason::damped_link, &Suppression::reason);
  ASSERT_NE(named, result.suppressed.end());
  EXPECT_EQ(named->from, node_id(0));
  EXPECT_EQ(named->to, node_id(2));
  EXPECT_TRUE(named->better.empty()) << "the direct way";
  EXPECT_EQ(named->left, std::chrono::seconds(90));
  EXPECT_NEAR(named->better_ms, named->in_use_ms, 60.0) << "without the surcharge of damping";
  const RouteExplanation why =
      explain_route(view, {}, result.next, node_id(0), node_id(2), at_second(2));
  ASSERT_TRUE(why.suppressed);
  EXPECT_EQ(why.suppressed->reason, SuppressionReason::damped_link);

  link.damped = false;
  double home = 0;
  for (double second = 3; second < 60 && home == 0; second += 1) {
    result = tick(view, {}, std::move(result.next), second);
    for (const Suppression& held : result.suppressed) {
      EXPECT_NE(held.reason, SuppressionReason::damped_link);
    }
    if (first_path(result.next, 0, 2).size() == 1) home = second;
  }
  EXPECT_GT(home, 0.0);
}

TEST(Planner, ARestartKeepsWhatNodesRunOnUntilAnotherPathHasBeenBetterForTheDwell) {
  NetworkView view = triangle(30);  // the relay is worse by more than the margin
  view.earlier = {{node_id(0), node_id(2), {node_id(1)}}, {node_id(2), node_id(0), {}}};
  PlannerResult result = tick(view, {}, {}, 100);
  ASSERT_EQ(first_path(result.next, 0, 2).size(), 2U);
  EXPECT_EQ(first_path(result.next, 2, 0).size(), 1U);
  for (const RouteMove& move : result.moves) {
    EXPECT_FALSE(move.from == node_id(0) && move.to == node_id(2)) << "moved by a restart";
  }
  double home = 0;
  for (double second = 101; second < 160 && home == 0; second += 1) {
    result = tick(view, {}, std::move(result.next), second);
    if (first_path(result.next, 0, 2).size() == 1) home = second;
  }
  EXPECT_GE(home, 120.0);
  EXPECT_LE(home, 127.0);
}

TEST(Planner, ARestartDoesNotResumeAPathThatIsDeadOrNamesAStranger) {
  NetworkView view = triangle(30);
  view.earlier = {{node_id(0), node_id(2), {node_id(1)}}, {node_id(2), node_id(0), {NodeId(77)}}};
  find_belief(view, make_link(0, 1)).state = LinkState::dead;
  const PlannerResult result = tick(view, {}, {}, 100);
  EXPECT_EQ(first_path(result.next, 0, 2).size(), 1U);
  EXPECT_EQ(first_path(result.next, 2, 0).size(), 1U);
}

TEST(Planner, OneNodeHasAnEmptyTable) {
  NetworkView view;
  view.nodes.push_back(make_node(0));
  const PlannerResult result = tick(view, {}, {}, 0);
  EXPECT_TRUE(result.guard.publish) << result.guard.reason;
  ASSERT_EQ(result.next.tables().size(), 1U);
  EXPECT_TRUE(result.next.tables()[0].routes.empty());
}

TEST(Planner, NoNodesIsNoTables) {
  const PlannerResult result = tick({}, {}, {}, 0);
  EXPECT_TRUE(result.guard.publish) << result.guard.reason;
  EXPECT_TRUE(result.tables.empty());
}

TEST(Planner, NamesTheReasonForWhatItCannotReach) {
  const NetworkView view = make_network({{0, 10, 0}, {10, 0, 0}, {0, 0, 0}});
  const PlannerResult result = tick(view, {}, {}, 0);
  ASSERT_TRUE(result.guard.publish) << result.guard.reason;
  const RouteTable& table = result.next.tables()[0];
  ASSERT_EQ(table.dropped.size(), 1U);
  EXPECT_EQ(table.dropped[0].target, node_id(2));
  EXPECT_FALSE(table.dropped[0].reason.empty());
}

TEST(Planner, ANewNodeIsInEveryTableWithTheNextTick) {
  NetworkView view = triangle(30);
  PlannerResult result = tick(view, {}, {}, 0);
  Rng rng(1);
  view = make_network(random_delays(4, rng));
  result = tick(view, {}, std::move(result.next), 1);
  ASSERT_TRUE(result.guard.publish) << result.guard.reason;
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(first_path(result.next, i, 3).empty());
}

TEST(Planner, PublishesNothingWhenNothingChanges) {
  Rng rng(7);
  const NetworkView view = make_network(random_delays(14, rng));
  PlannerResult result = tick(view, {}, {}, 0);
  EXPECT_EQ(result.tables.size(), 14U);
  for (int second = 1; second < 30; ++second) {
    result = tick(view, {}, std::move(result.next), second);
    EXPECT_TRUE(result.moves.empty());
    if (second > 11) {
      EXPECT_TRUE(result.tables.empty()) << second;
    }
  }
}

TEST(PlannerHand, ADrainedNodeIsNoRelayAtOnceAndKeepsItsOwnRoutes) {
  NetworkView view = triangle(100);
  PlannerState state = tick(view, {}, {}, 0).next;
  EXPECT_EQ(first_path(state, 0, 2), (std::vector{node_id(1), node_id(2)}));
  view.nodes[1].drained = true;
  const PlannerResult drained = tick(view, {}, std::move(state), 1);
  EXPECT_EQ(first_path(drained.next, 0, 2), std::vector{node_id(2)});
  EXPECT_EQ(first_path(drained.next, 0, 1), std::vector{node_id(1)}) << "a target it stays";
  for (const RouteTable& table : drained.next.tables()) {
    for (const Route& route : table.routes) {
      for (const CandidatePath& path : route.candidates) {
        for (std::size_t i = 0; i + 1 < path.hops.size(); ++i) {
          EXPECT_NE(path.hops[i].node, node_id(1));
        }
      }
    }
  }
}

TEST(PlannerHand, APinIsFollowedAgainstTheSearchAndUndoneWhenItEnds) {
  NetworkView view = triangle(30);
  PlannerState state = tick(view, {}, {}, 0).next;
  EXPECT_EQ(first_path(state, 0, 2), std::vector{node_id(2)});
  view.pins = {{node_id(0), node_id(2), {node_id(1)}}};
  PlannerResult result = tick(view, {}, std::move(state), 1);
  EXPECT_EQ(first_path(result.next, 0, 2), (std::vector{node_id(1), node_id(2)}));
  EXPECT_EQ(first_path(result.next, 2, 0, Direction::pull), (std::vector{node_id(1), node_id(0)}));
  EXPECT_EQ(first_path(result.next, 2, 0), std::vector{node_id(0)})
      << "the other way is not pinned";
  ASSERT_EQ(result.moves.size(), 1U);
  EXPECT_EQ(result.moves[0].reason, MoveReason::pinned);

  // The margin would keep the pinned path: 40 against 30 and a dwell of 20 s.
  view.pins.clear();
  double second = 2;
  do {
    result = tick(view, {}, std::move(result.next), second);
  } while (first_path(result.next, 0, 2).size() == 2 && ++second < 15);
  EXPECT_EQ(first_path(result.next, 0, 2), std::vector{node_id(2)});
  EXPECT_LT(second, 15) << "no dwell holds what the operator gave back";
}

TEST(PlannerHand, APinOverADeadLinkIsNotFollowedUntilTheLinkReturns) {
  NetworkView view = triangle(30);
  PlannerState state = tick(view, {}, {}, 0).next;
  view.pins = {{node_id(0), node_id(2), {node_id(1)}}};
  find_belief(view, make_link(1, 2)).state = LinkState::dead;
  state = tick(view, {}, std::move(state), 1).next;
  EXPECT_EQ(first_path(state, 0, 2), std::vector{node_id(2)});
  find_belief(view, make_link(1, 2)).state = LinkState::alive;
  state = tick(view, {}, std::move(state), 2).next;
  EXPECT_EQ(first_path(state, 0, 2), (std::vector{node_id(1), node_id(2)}));
  find_belief(view, make_link(1, 2)).state = LinkState::dead;
  PlanRequest alarm{PlanMode::alarm, {make_link(1, 2)}, false};
  state = plan_routes(view, {}, std::move(state), alarm, at_second(2.2)).next;
  EXPECT_EQ(first_path(state, 0, 2), std::vector{node_id(2)});
}

TEST(PlannerHand, PinsThatCannotBeAreNotFollowed) {
  NetworkView view = triangle(30);
  for (const std::vector<NodeId>& relays :
       {std::vector{NodeId(77)}, std::vector{node_id(0)}, std::vector{node_id(2)},
        std::vector{node_id(1), node_id(1)}, std::vector{node_id(1), node_id(1), node_id(1)}}) {
    view.pins = {{node_id(0), node_id(2), relays}};
    const PlannerResult result = tick(view, {}, {}, 0);
    EXPECT_TRUE(result.guard.publish);
    EXPECT_EQ(first_path(result.next, 0, 2), std::vector{node_id(2)});
  }
}

TEST(PlannerHand, AHeldNodesRoutesStayUntilTheirPathsDie) {
  NetworkView view = triangle(100);
  PlannerState state = tick(view, {}, {}, 0).next;
  for (NodeView& node : view.nodes) node.held = true;
  NetworkView cheap = triangle(1);
  find_belief(view, make_link(0, 2)) = find_belief(cheap, make_link(0, 2));
  PlannerResult result;
  result.next = std::move(state);
  for (int second = 1; second < 60; ++second) {
    result = tick(view, {}, std::move(result.next), second);
    ASSERT_EQ(first_path(result.next, 0, 2), (std::vector{node_id(1), node_id(2)})) << second;
  }
  ASSERT_FALSE(result.suppressed.empty());
  EXPECT_EQ(result.suppressed[0].reason, SuppressionReason::held);

  find_belief(view, make_link(0, 1)).state = LinkState::dead;
  result = tick(view, {}, std::move(result.next), 60);
  EXPECT_EQ(first_path(result.next, 0, 2), std::vector{node_id(2)}) << "the second it had";
}

}  // namespace
}  // namespace linkpilot::optimizer
