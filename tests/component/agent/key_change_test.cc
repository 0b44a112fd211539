// Every kind of key is changed while real agents and a real collector work, as the operator is told
// to do it: no report is lost, no probe is refused, and what was retired is good for nothing.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "tests/component/agent/process_fleet.h"
#include "tests/component/collector/command_line.h"

namespace linkpilot::test {
namespace {

using collector::CollectorProcess;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::size_t kAgents = 2;

// What the collector's store holds, by reporter.
struct Stored {
  std::map<std::string, std::set<std::uint64_t>> sequences;
  std::set<std::string> epochs;
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;
};

class KeyChange : public testing::Test {
 protected:
  ~KeyChange() override {
    fleet_.stop_agents(SIGTERM);
    if (!HasFailure()) return;
    std::cerr << "--- events\n" << collector_.get("/v1/events").body << "\n";
    fleet_.show_logs();
  }

  // Of the collector.
  [[nodiscard]] std::string file(const std::string& name) const {
    return collector_.folder() + "/" + name;
  }
  [[nodiscard]] collector::CliRun cli(const std::string& arguments) const {
    return collector::run_cli(collector_, arguments);
  }
  void must(const std::string& arguments) {
    const collector::CliRun ran = cli(arguments);
    EXPECT_EQ(ran.exit_code, 0) << arguments << "\n" << ran.output;
  }
  void reload_agents() {
    for (auto& agent : agents_) {
      agent->write_config("");
      agent->signal(SIGHUP);
    }
  }
  [[nodiscard]] nlohmann::json agent(std::size_t index) const {
    const auto answer = collector_.get("/v1/agents?node=" + agents_[index]->options().name).json();
    return answer.is_object() && answer.contains("agents") ? answer["agents"][0]
                                                           : nlohmann::json::object();
  }
  [[nodiscard]] bool all_agents(const std::function<bool(const nlohmann::json&)>& holds) const {
    for (std::size_t i = 0; i < kAgents; ++i) {
      const nlohmann::json one = agent(i);
      if (one.empty() || !holds(one)) return false;
    }
    return true;
  }
  [[nodiscard]] bool all_planned(const std::function<bool(const nlohmann::json&)>& holds) const {
    const nlohmann::json plan = collector_.get("/v1/plan").json();
    std::size_t links = 0;
    for (const auto& node : plan.value("nodes", nlohmann::json::array())) {
      if (node["acked_version"] != node["version"]) return false;
      for (const auto& link : node["links"]) {
        if (!holds(link)) return false;
        ++links;
      }
    }
    return links == kAgents * (kAgents - 1);
  }
  // Both agents are enrolled, measure each other and use a table.
  void bring_up() {
    for (auto& agent : agents_) {
      must(fmt::format("agent enrol {} --file {}.pub --reason test", agent->options().name,
                       agent->path("agent.key")));
      agent->start();
    }
    ASSERT_TRUE(wait_for([&] {
      return all_agents([](const nlohmann::json& one) {
        return one["table"]["up_to_date"].get<bool>() && one["reports"]["samples"] > 0;
      });
    }));
  }
  // So many more samples than there are now of every agent.
  [[nodiscard]] bool more_samples(std::uint64_t count) const {
    std::array<std::uint64_t, kAgents> before{};
    for (std::size_t i = 0; i < kAgents; ++i) before[i] = samples(i);
    return wait_for([&] {
      for (std::size_t i = 0; i < kAgents; ++i) {
        if (samples(i) < before[i] + count) return false;
      }
      return true;
    });
  }
  [[nodiscard]] std::uint64_t samples(std::size_t index) const {
    const nlohmann::json one = agent(index);
    return one.empty() ? 0 : one["reports"]["samples"].get<std::uint64_t>();
  }
  [[nodiscard]] Stored stored() const {
    Stored out;
    EXPECT_TRUE(each_page_of_samples(collector_, [&](const nlohmann::json& page) {
      for (const auto& report : page["reports"]) {
        const auto reporter = report["reporter"].get<std::string>();
        out.sequences[reporter].insert(report["sequence"].get<std::uint64_t>());
        out.epochs.insert(reporter + report["epoch"].get<std::string>());
      }
      for (const auto& sample : page["samples"]) {
        out.sent += sample["sent"].get<std::uint64_t>();
        for (const char* kind : {"lost_forward", "lost_backward", "lost_unplaced"}) {
          out.lost += sample[kind].get<std::uint64_t>();
        }
      }
    }));
    return out;
  }
  void expect_no_report_missing() const {
    const Stored all = stored();
    EXPECT_EQ(all.sequences.size(), kAgents);
    EXPECT_EQ(all.epochs.size(), kAgents);
    for (const auto& [reporter, sequences] : all.sequences) {
      EXPECT_EQ(*sequences.rbegin() - *sequences.begin() + 1, sequences.size()) << reporter;
      std::cout << reporter << ": " << sequences.size() << " reports, none missing\n";
    }
  }

  ProcessFleet fleet_{kAgents, 22'862};
  CollectorProcess& collector_ = fleet_.collector;
  std::vector<std::unique_ptr<AgentProcess>>& agents_ = fleet_.agents;
};

TEST_F(KeyChange, ProbesGetASecretAndChangeItAndNotOneIsRefused) {
  bring_up();
  collector_.edit_config("[api]", "[probing]\nauthenticate = true\n[api]");
  collector_.signal(SIGHUP);
  const auto settled = [](const nlohmann::json& link) {
    return link["authenticated"].get<bool>() && !link["secret_changing"].get<bool>();
  };
  ASSERT_TRUE(wait_for([&] { return all_planned(settled); }));
  ASSERT_TRUE(more_samples(3));
  const auto first = collector_.get("/v1/plan").json()["nodes"][0]["links"][0]["secret_epoch"];

  must("keys rotate-probing " + file("probing.key"));
  EXPECT_EQ(cli("keys rotate-probing " + file("probing.key")).exit_code, 2) << "one at a time";
  collector_.signal(SIGHUP);
  const auto moved = [&](const nlohmann::json& link) {
    return link["secret_epoch"] != first && link["secret_changing"].get<bool>();
  };
  ASSERT_TRUE(wait_for([&] { return all_planned(moved); }));
  ASSERT_TRUE(more_samples(3));
  collector_.kill_hard();  // in the middle of it
  collector_.start();
  ASSERT_TRUE(wait_for([&] { return all_planned(moved); }));
  ASSERT_TRUE(more_samples(3));
  EXPECT_EQ(collector_.get("/v1/status").json()["plan"]["pairs_awaiting_secret"], 0);

  must("keys rotate-probing " + file("probing.key") + " --finish");
  collector_.signal(SIGHUP);
  ASSERT_TRUE(wait_for([&] { return all_planned(settled); }));
  ASSERT_TRUE(more_samples(4));
  const Stored all = stored();
  EXPECT_EQ(all.lost, 0U) << "of " << all.sent << " probes";
  EXPECT_GT(all.sent, 0U);
  EXPECT_TRUE(all_agents([](const nlohmann::json& one) {
    return one["probing"].is_object() && one["probing"]["refused_authentication"] == 0;
  }));
  std::cout << all.sent << " probes, " << all.lost << " lost\n";
}

TEST_F(KeyChange, AgentAndCollectorChangeTheirKeysAndNoReportIsLost) {
  bring_up();
  ASSERT_TRUE(more_samples(2));
  // The agent's key.
  const CurveKeyPair next = make_curve_key_pair();
  must(fmt::format("agent rekey node-1 '{}' --reason yearly", next.public_key));
  EXPECT_EQ(cli("agent rekey node-1 --finish --reason early").exit_code, 1);
  ASSERT_TRUE(save_curve_key_pair(agents_[0]->path("agent.key"), next));
  agents_[0]->signal(SIGHUP);
  ASSERT_TRUE(wait_for([&] { return agent(0)["connected_with"] == "next_public_key"; }));
  ASSERT_TRUE(more_samples(2));
  must("agent rekey node-1 --finish --reason yearly");
  ASSERT_TRUE(more_samples(2));
  EXPECT_EQ(agent(0)["public_key"], next.public_key);

  // The collector's: a second entrance with the next key, the agents learn both, then it takes the
  // first one's place.
  const CurveKeyPair collector_next = make_curve_key_pair();
  ASSERT_TRUE(save_curve_key_pair(file("next.key"), collector_next));
  collector_.edit_config("[keys]", "[keys]\ncurve_next_file = \"next.key\"");
  collector_.edit_config("[listen]", "[listen]\nagents_next = \"tcp://127.0.0.1:0\"");
  EXPECT_EQ(collector_.stop(), 0);
  collector_.start();
  for (auto& agent : agents_) {
    agent->options().collector = collector_.next_endpoint() + "\", \"" + collector_.endpoint();
    agent->options().collector_key = collector_next.public_key + "\"\nnext_public_key_files = [\"" +
                                     collector_.public_key() + "\"]\n#";
  }
  reload_agents();
  // A restart refuses no key that was good, so everybody gets in at the first door.
  const auto uses_next = [](const nlohmann::json& one) { return one["entrance"] == "agents_next"; };
  ASSERT_TRUE(wait_for([&] { return all_agents(uses_next); }));
  ASSERT_TRUE(more_samples(2));
  EXPECT_EQ(collector_.stop(), 0);
  collector_.edit_config("curve_next_file = \"next.key\"", "");
  collector_.edit_config("agents_next = \"tcp://127.0.0.1:0\"", "");
  collector_.edit_config("curve_file = \"collector.key\"", "curve_file = \"next.key\"");
  collector_.start();
  ASSERT_TRUE(more_samples(3));
  expect_no_report_missing();
  EXPECT_EQ(collector_.get("/v1/events?after=0&limit=1000").body.find("report_gap"),
            std::string::npos);
}

TEST_F(KeyChange, ANewSignerTakesOverAndTheOldOneIsRefusedAfterwards) {
  bring_up();
  const std::string key = file("routes.key");
  must("keys rotate-signer " + key);
  for (auto& agent : agents_) agent->options().signer_hex = key + ".pub\", \"" + key + ".next.pub";
  reload_agents();
  for (auto& agent : agents_) {
    ASSERT_TRUE(wait_for([&] { return agent->log_lines_with("signers_changed") == 1; }));
  }
  const std::string before = collector_.get("/v1/status").json()["tables"]["signer"];
  must("keys rotate-signer " + key + " --commit");
  collector_.signal(SIGHUP);
  ASSERT_TRUE(wait_for([&] {
    return collector_.get("/v1/status").json()["tables"]["signer"] != before &&
           all_agents(
               [](const nlohmann::json& one) { return one["table"]["up_to_date"].get<bool>(); });
  }));
  for (auto& agent : agents_) EXPECT_EQ(agent->log_lines_with("table_refused"), 0);

  for (auto& agent : agents_) agent->options().signer_hex = key + ".pub";
  reload_agents();
  for (auto& agent : agents_) {
    ASSERT_TRUE(wait_for([&] { return agent->log_lines_with("signers_changed") == 2; }));
  }
  // Whoever holds the old key signs in vain.
  std::filesystem::copy_file(key + ".old", key, std::filesystem::copy_options::overwrite_existing);
  collector_.signal(SIGHUP);
  ASSERT_TRUE(wait_for([&] {
    return all_agents([](const nlohmann::json& one) {
      return !one["table"]["up_to_date"].get<bool>() &&
             one["table"]["refused_reason"].get<std::string>().find("sign") != std::string::npos;
    });
  }));
  EXPECT_THAT(cli("status").output, HasSubstr("refused its table"));
}

}  // namespace
}  // namespace linkpilot::test
