// The property that ties both ends: what the C library answers from an encoded table is what the
// table says, for any table.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "agent/route_client/linkpilot_routes.h"
#include "agent/route_client/marks_file.h"
#include "tests/unit/route_client/table_samples.h"

namespace linkpilot {
namespace {

using route_client::MarksFile;
using route_client::MediaFlow;

lpr_direction to_c(Direction direction) {
  return direction == Direction::push ? LPR_PUSH : LPR_PULL;
}

CandidatePath to_value(const lpr_path& path) {
  CandidatePath value;
  for (int i = 0; i < path.hop_count; ++i) {
    value.hops.push_back({NodeId(path.hops[i].node), PortIndex(path.hops[i].near_port),
                          PortIndex(path.hops[i].far_port)});
  }
  value.delay = Duration(static_cast<std::int64_t>(path.delay_ns));
  value.cost_us = path.cost_us;
  value.loop_free = (path.flags & LPR_PATH_LOOP_FREE) != 0;
  return value;
}

MarksFile::FirstHop first_hop(const Route& route, const CandidatePath& path) {
  const Hop& hop = path.hops.front();
  return {hop.node, hop.near_port, hop.far_port,
          route.direction == Direction::push ? MediaFlow::outbound : MediaFlow::inbound};
}

std::uint32_t expected_choice(const Route& route, const MarksFile& marks) {
  const auto live = std::ranges::find_if(route.candidates, [&](const CandidatePath& path) {
    return !marks.is_dead(first_hop(route, path));
  });
  if (live == route.candidates.end()) return 0;
  return static_cast<std::uint32_t>(live - route.candidates.begin());
}

void expect_route(lpr_reader* reader, const Route& route, const NodeName& target,
                  const MarksFile& marks) {
  lpr_route answer;
  RC_ASSERT(lpr_lookup(reader, to_c(route.direction), target.name.c_str(), samples::kCreated.ns,
                       &answer) == LPR_OK);
  RC_ASSERT(answer.path_count == route.candidates.size());
  for (std::uint32_t i = 0; i < answer.path_count; ++i) {
    RC_ASSERT(to_value(answer.paths[i]) == route.candidates[i]);
  }
  RC_ASSERT(answer.chosen == expected_choice(route, marks));
  RC_ASSERT(answer.target == route.target.value);
  lpr_route by_id;
  RC_ASSERT(lpr_lookup_id(reader, to_c(route.direction), route.target.value, samples::kCreated.ns,
                          &by_id) == LPR_OK);
  const bool is_same = by_id.paths == answer.paths;
  RC_ASSERT(is_same);
  RC_ASSERT(by_id.chosen == answer.chosen);
}

void expect_agreement(std::uint64_t seed, std::size_t targets, std::size_t dead_of_ten) {
  const samples::TemporaryDirectory directory;
  const RouteTable table = samples::random_table(seed, targets);
  samples::put_file(directory.file("routes.bin"), schemas::encode_route_file(table).value());
  auto marks = MarksFile::open(directory.file("marks.bin"), table.node, samples::kCreated).value();
  std::mt19937_64 random(seed + 1);
  for (const Route& route : table.routes) {
    for (const CandidatePath& path : route.candidates) {
      if (random() % 10 < dead_of_ten) marks->set_dead(first_hop(route, path), true);
    }
  }
  lpr_client* client =
      lpr_open(directory.file("routes.bin").c_str(), directory.file("marks.bin").c_str(), nullptr);
  const bool is_open = client != nullptr;
  RC_ASSERT(is_open);
  lpr_reader* reader = lpr_reader_new(client);
  for (const Route& route : table.routes) {
    const auto target = std::ranges::find(table.nodes, route.target, &NodeName::id);
    expect_route(reader, route, *target, *marks);
  }
  lpr_reader_free(reader);
  lpr_close(client);
}

TEST(Agreement, TheLibraryAnswersWhatTheTableSays) {
  EXPECT_TRUE(rc::check("any table, any marks", [] {
    expect_agreement(*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::inRange<std::size_t>(1, 60),
                     *rc::gen::inRange<std::size_t>(0, 11));
  }));
}

// Names that met in the same slot under every seed while the seed was only added to the hash.
TEST(Agreement, HoldsForNamesThatOneSeedDoesNotSpread) {
  for (const std::uint64_t seed : {152ULL, 528ULL, 607ULL, 1879ULL, 1998ULL}) {
    expect_agreement(seed * 7919 + 3, 3, 2);
  }
  expect_agreement(1969693034189908853ULL, 38, 0);
}

TEST(Agreement, HoldsForAThousandTargets) { expect_agreement(42, 1000, 2); }

}  // namespace
}  // namespace linkpilot
