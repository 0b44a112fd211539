// A disk that refuses: nothing is acknowledged, nothing is lost, tables are served all the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

// No file of the process may grow beyond this: the kernel answers EFBIG, as a full disk answers
// ENOSPC.
void limit_files(const CollectorProcess& process, rlim_t octets) {
  const rlimit limit{octets, RLIM_INFINITY};
  ASSERT_EQ(prlimit(process.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
}

TEST(CollectorDisk, AFullDiskStopsAcknowledgementsAndNothingElse) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ASSERT_TRUE(fleet.live([&] {
    return fleet.at("a").acked() >= 2 && !fleet.at("a").heard.tables.empty() &&
           !fleet.at("b").heard.tables.empty();
  }));

  limit_files(process, 0);
  // Notes may fail first; what is set aside for reports already still takes some.
  const auto reasons = [&] { return process.get("/v1/status").json()["reasons"].dump(); };
  ASSERT_TRUE(fleet.live([&] { return reasons().find("write reports") != std::string::npos; }))
      << reasons();
  EXPECT_EQ(process.get("/healthz").status, 503);
  const std::uint64_t acked = fleet.at("a").acked();
  const std::uint64_t sent = fleet.at("a").sequence;
  fleet.at("b").heard.tables.clear();
  fleet.connect("b", "b").run_id = 9;
  fleet.at("b").sequence = 1'000;
  ASSERT_TRUE(fleet.greet("b"));
  EXPECT_TRUE(fleet.live(
      [&] { return !fleet.at("b").heard.tables.empty() && fleet.at("a").sequence >= sent + 3; }));
  EXPECT_EQ(fleet.at("a").acked(), acked);

  limit_files(process, RLIM_INFINITY);
  EXPECT_TRUE(fleet.live(
      [&] { return process.get("/healthz").status == 200 && fleet.at("a").acked() >= sent + 3; }));
  const std::string events = process.get("/v1/events?after=0&limit=1000").body;
  EXPECT_THAT(events, testing::HasSubstr("store_failed"));
  EXPECT_THAT(events, testing::HasSubstr("store_recovered"));
}

}  // namespace
}  // namespace linkpilot::collector
