// From dead links to faults and mails in the spool, through a real collector that is killed and
// started again. Nobody listens where the mails should go: they wait.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/component/collector/command_line.h"
#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

constexpr const char* kSettings = R"(
[faults]
dead_patience = "2s"
resolved_patience = "2s"
[mail]
server = "127.0.0.1:1"
security = "none"
from = "linkpilot@example.net"
to = ["ops@example.net"]
)";

class CollectorFaults : public testing::Test {
 protected:
  CollectorFaults() : process(kSettings), fleet(process) {
    process.start();
    EXPECT_TRUE(fleet.bring_up({"a", "b", "c", "d"}));
    EXPECT_TRUE(fleet.live([&] { return fleet.routes_to("a", fleet.at("b").id()); }));
  }
  // Both ends say so, in both directions.
  void link_is(const std::string& a, const std::string& b, LinkState state) {
    const PortId near{fleet.at(a).id(), PortIndex{0}};
    const PortId far{fleet.at(b).id(), PortIndex{0}};
    for (const std::string& end : {a, b}) {
      fleet.at(end).alarm({near, far}, state, true);
      fleet.at(end).alarm({far, near}, state, true);
    }
  }
  [[nodiscard]] nlohmann::json faults(const std::string& state) const {
    return process.get("/v1/faults?state=" + state).json();
  }
  [[nodiscard]] std::size_t count(const std::string& state) const {
    return faults(state)["faults"].size();
  }
  // What the agents say of the living, but not of the links that are cut.
  bool watch(const std::function<bool()>& done) {
    return fleet.run(done, [&] {
      for (const char* name : {"a", "b", "c", "d"}) {
        if (!fleet.mute.contains(name)) fleet.at(name).send(Ping{1, SystemClock().now().wall});
      }
    });
  }

  CollectorProcess process;
  ScriptedFleet fleet;
};

TEST_F(CollectorFaults, ADeadNodeIsOneFaultWithOneMailAcrossAKill) {
  fleet.mute.insert("c");
  for (const char* peer : {"a", "b", "d"}) link_is(peer, "c", LinkState::dead);
  ASSERT_TRUE(watch([&] { return count("open") == 1; })) << faults("open").dump(1);
  const nlohmann::json before = faults("open");
  EXPECT_EQ(before["faults"][0]["subject"], "node c") << before.dump(1);
  ASSERT_TRUE(watch([&] { return faults("open")["mail"]["waiting"] == 1; }));

  process.kill_hard();
  process.start();
  const nlohmann::json after = faults("open");
  ASSERT_EQ(after["faults"].size(), 1u) << after.dump(1);
  EXPECT_EQ(after["faults"][0]["id"], before["faults"][0]["id"]);
  EXPECT_EQ(after["mail"]["waiting"], 1);

  fleet.mute.clear();
  for (const char* name : {"a", "b", "c", "d"}) {
    fleet.connect(name, name).sequence = 1'000;
    ASSERT_TRUE(fleet.greet(name));
  }
  ASSERT_TRUE(fleet.live([&] { return count("open") == 0; })) << faults("open").dump(1);
  const nlohmann::json over = faults("resolved");
  ASSERT_EQ(over["faults"].size(), 1u) << over.dump(1);
  EXPECT_EQ(over["faults"][0]["id"], before["faults"][0]["id"]);
  EXPECT_EQ(over["faults"][0]["events"], 2);
  EXPECT_TRUE(watch([&] { return faults("open")["mail"]["waiting"] == 2; }));
}

TEST_F(CollectorFaults, ACutLinkNamesTheRoutesThatLeftIt) {
  link_is("a", "b", LinkState::dead);
  ASSERT_TRUE(watch([&] { return count("open") == 1; })) << faults("open").dump(1);
  const nlohmann::json fault = faults("open")["faults"][0];
  EXPECT_EQ(fault["subject"], "link a - b");
  EXPECT_EQ(fault["links_total"], 2);
  EXPECT_GE(fault["routes_total"], 2) << fault.dump(1);
  EXPECT_EQ(process.get("/v1/faults?state=nonsense").status, 400);
  EXPECT_EQ(process.get("/v1/faults?id=nonsense").status, 404);
  EXPECT_EQ(process.get("/v1/faults?id=" + fault["id"].get<std::string>()).status, 200);
  const std::string metrics = process.get("/metrics").body;
  EXPECT_NE(metrics.find("linkpilot_collector_faults_open{scope=\"link\",grade=\"dead\"} 1"),
            std::string::npos);
}

TEST_F(CollectorFaults, AToldFaultIsExplainedAndItsEvidenceGivesTheSameCauseAgain) {
  using testing::HasSubstr;
  link_is("a", "b", LinkState::dead);
  ASSERT_TRUE(watch([&] { return count("open") == 1; })) << faults("open").dump(1);
  const auto id = faults("open")["faults"][0]["id"].get<std::string>();
  // A thread of its own writes it.
  ASSERT_TRUE(watch([&] { return process.get("/v1/faults/evidence?id=" + id).status == 200; }));

  const CliRun explained = run_cli(process, "fault explain " + id.substr(0, 6));
  EXPECT_EQ(explained.exit_code, 0);
  EXPECT_THAT(explained.output, HasSubstr(id + " (link:a:b), told at "));
  EXPECT_THAT(explained.output, HasSubstr("link a - b"));
  EXPECT_THAT(explained.output, HasSubstr("a/0>b/0"));
  const CliRun figures = run_cli(process, "--json fault explain " + id);
  ASSERT_EQ(figures.exit_code, 0) << figures.output;
  const nlohmann::json explanation = nlohmann::json::parse(figures.output);
  ASSERT_EQ(explanation["causes"].size(), 1u) << figures.output;
  EXPECT_EQ(explanation["causes"][0]["what"], "link a - b");
  EXPECT_EQ(explanation["causes"][0]["dead"], true);
  EXPECT_GT(explanation["causes"][0]["confidence"], 0.5);
  EXPECT_EQ(explanation["findings"].size(), 2u);
  const CliRun again = run_cli(process, "fault replay " + id);
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.output, "the same diagnosis: link a - b\n");

  // It outlives the collector, and can be carried away.
  const std::string kept = process.folder() + "/store/collector.sqlite-evidence/" + id + ".json";
  process.kill_hard();
  const CliRun offline = run_cli(process, "fault replay " + kept);
  EXPECT_EQ(offline.exit_code, 0);
  EXPECT_EQ(offline.output, again.output);
  nlohmann::json other = nlohmann::json::parse(std::ifstream(kept));
  other["findings"] = nlohmann::json::array();
  const std::string changed = process.folder() + "/changed.json";
  std::ofstream(changed) << other.dump();
  const CliRun differs = run_cli(process, "fault replay " + changed);
  EXPECT_EQ(differs.exit_code, 1);
  EXPECT_THAT(differs.output, HasSubstr("another diagnosis"));
  std::ofstream(changed) << "[]";
  EXPECT_EQ(run_cli(process, "fault explain " + changed).exit_code, 3);

  process.start();
  EXPECT_EQ(run_cli(process, "fault replay " + id).output, again.output);
  const CliRun unknown = run_cli(process, "fault explain 0123456789ab");
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.output, HasSubstr("no evidence of a fault"));
}

}  // namespace
}  // namespace linkpilot::collector
