// Reload under fire: readers look up while tables are swapped, and every answer must be one that
// some published version has, never older than one this reader was given before. Run it under TSan
// too.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "agent/route_client/linkpilot_routes.h"
#include "tests/unit/route_client/table_samples.h"

namespace linkpilot {
namespace {

constexpr std::uint64_t kVersions = 200;
constexpr std::size_t kTargets = 50;

// All costs of a version are that version: a mixed answer shows at once.
RouteTable table_of_version(std::uint64_t version) {
  RouteTable table = samples::random_table(1, kTargets, version);
  for (Route& route : table.routes) {
    for (CandidatePath& path : route.candidates) path.cost_us = version;
  }
  return table;
}

struct Tally {
  std::uint64_t lookups = 0;
  std::uint64_t failed = 0;
};

enum class Batching { single, held };

// Looks up until the last version is seen.
Tally look_up_until_last(lpr_client* client, const std::vector<std::string>& names,
                         Batching batching) {
  Tally tally;
  lpr_reader* reader = lpr_reader_new(client);
  std::uint64_t newest = 0;
  for (std::size_t i = 0; newest < kVersions; ++i) {
    if (batching == Batching::held && i % 16 == 0) lpr_hold(reader);
    lpr_route route;
    const lpr_status status =
        lpr_lookup(reader, LPR_PULL, names[i % names.size()].c_str(), samples::kCreated.ns, &route);
    ++tally.lookups;
    if (status != LPR_OK || route.version < newest || route.path_count == 0) {
      ++tally.failed;
      continue;
    }
    newest = route.version;
    for (std::uint32_t p = 0; p < route.path_count; ++p) {
      tally.failed += route.paths[p].cost_us != route.version;
    }
    if (batching == Batching::held && i % 16 == 15) lpr_release(reader);
    if (i % 1000 == 999) lpr_reader_idle(reader);
  }
  lpr_reader_free(reader);
  return tally;
}

TEST(Swap, NeverFailsALookupNorShowsHalfATableNorGoesBack) {
  const samples::TemporaryDirectory directory;
  const std::string path = directory.file("routes.bin");
  const RouteTable first = table_of_version(1);
  samples::put_file(path, schemas::encode_route_file(first).value());
  lpr_client* client = lpr_open(path.c_str(), nullptr, nullptr);
  ASSERT_NE(client, nullptr);
  std::vector<std::string> names;
  for (const NodeName& node : first.nodes) {
    if (node.id != first.node) names.push_back(node.name);
  }

  Tally tallies[3];
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < 3; ++i) {
    readers.emplace_back([&, i] {
      tallies[i] = look_up_until_last(client, names, i == 2 ? Batching::held : Batching::single);
    });
  }
  int swaps = 0;
  for (std::uint64_t version = 2; version <= kVersions; ++version) {
    samples::put_file(path, schemas::encode_route_file(table_of_version(version)).value());
    swaps += lpr_poll(client) == 1;
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(swaps, static_cast<int>(kVersions - 1));
  for (const Tally& tally : tallies) {
    EXPECT_EQ(tally.failed, 0U);
    EXPECT_GT(tally.lookups, 0U);
  }
  lpr_close(client);
}

}  // namespace
}  // namespace linkpilot
