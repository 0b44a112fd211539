// The command line as an operator has it: the real program, asking a real collector that three
// scripted agents report to.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

using testing::HasSubstr;

struct Said {
  int code = -1;
  std::string out;
  std::string err;
};

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Through a shell: the words are ours.
Said run_shell(const std::string& folder, const std::string& command) {
  const std::string out = folder + "/cli.out";
  const std::string err = folder + "/cli.err";
  const int status = std::system(fmt::format("{{ {}; }} > {} 2> {}", command, out, err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(err)};
}

class CommandLine : public testing::Test {
 protected:
  static constexpr const char* kNames[] = {"tokyo", "paris", "dublin"};

  // One fleet for all tests: it takes seconds to come up and nobody changes it.
  static void SetUpTestSuite() {
    process_ = new CollectorProcess;
    process_->start();
    fleet_ = new ScriptedFleet(*process_);
    for (const char* name : kNames) {
      fleet_->add(name);
      ASSERT_TRUE(fleet_->greet(name));
    }
    ASSERT_TRUE(fleet_->live([] {
      for (const char* name : kNames) {
        for (const char* other : kNames) {
          if (name != other && !fleet_->routes_to(name, fleet_->at(other).id())) return false;
        }
      }
      return true;
    })) << "no routes";
  }
  static void TearDownTestSuite() {
    delete fleet_;
    delete process_;
  }

  static std::string url() { return fmt::format("http://127.0.0.1:{}", process_->http_port()); }

  // While the agents go on living, and answer what they are asked to probe.
  static Said run_beside_fleet(const std::string& command) {
    Said said;
    std::atomic<bool> ended = false;
    std::thread operator_thread([&] {
      said = run_shell(process_->folder(), command);
      ended = true;
    });
    EXPECT_TRUE(fleet_->live([&] {
      for (const char* name : kNames) answer_probes(fleet_->at(name));
      return ended.load();
    }));
    operator_thread.join();
    return said;
  }
  static Said run(const std::string& arguments) {
    return run_beside_fleet(fmt::format("{} --collector {} {}", LINKPILOT_CLI, url(), arguments));
  }

  static void answer_probes(ScriptedAgent& agent) {
    for (const ProbeRequest& request : std::exchange(agent.heard.probes, {})) {
      ProbeResult result;
      result.request = request.request;
      result.sample.link = request.link;
      result.sample.length = std::chrono::milliseconds(15);
      result.sample.sent = result.sample.answered = request.count;
      result.sample.rtt_min = result.sample.rtt_max = std::chrono::milliseconds(7);
      result.sample.rtt_sum = std::chrono::milliseconds(7) * request.count;
      for (std::uint32_t i = 0; i < request.count; ++i)
        result.sample.rtt.add(std::chrono::milliseconds(7));
      agent.send(result);
    }
  }

  // Text for people, and with --json one object a line of this kind.
  static void expect_both(const std::string& arguments, const std::string& words,
                          const std::string& kind) {
    SCOPED_TRACE(arguments);
    const Said text = run(arguments);
    EXPECT_EQ(text.code, 0) << text.out << text.err;
    EXPECT_THAT(text.out, HasSubstr(words));
    const Said json = run(arguments + " --json");
    EXPECT_EQ(json.code, 0) << json.out << json.err;
    EXPECT_EQ(json.err, "");
    EXPECT_NE(json.out, "");
    std::istringstream lines(json.out);
    for (std::string line; std::getline(lines, line);) {
      const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
      ASSERT_TRUE(object.is_object()) << line;
      EXPECT_EQ(object.value("kind", ""), kind) << line;
      EXPECT_EQ(object.value("schema_version", 0), 1) << line;
    }
  }

  static CollectorProcess* process_;
  static ScriptedFleet* fleet_;
};

CollectorProcess* CommandLine::process_ = nullptr;
ScriptedFleet* CommandLine::fleet_ = nullptr;

TEST_F(CommandLine, EveryVerbThatAsksAnswersInTextAndInJson) {
  expect_both("status", "healthy, 3 of 3 agents connected", "status");
  expect_both("agent list", "tokyo", "agent");
  expect_both("agent show paris", "paris", "agent");
  expect_both("link list", "dublin", "link");
  expect_both("link list --from tokyo --to paris", "tokyo", "link");
  expect_both("link show tokyo paris", "paris", "link");
  expect_both("route show", "tokyo", "route_table");
  expect_both("route show tokyo paris", "paris", "route_table");
  expect_both("route explain tokyo paris", "cost", "route_explanation");
  expect_both("event tail --once", "", "event");
  expect_both("plan show", "tokyo", "plan");
  expect_both("plan show --cost", "kbit/s", "plan");
}

TEST_F(CommandLine, AProbeIsMadeNowByTheAgents) {
  expect_both(
      fmt::format("--token-file {}/token link probe tokyo paris --count 4", process_->folder()),
      "4", "probe");
}

TEST_F(CommandLine, NamesForScriptsAreOnePerLine) {
  const Said said = run("agent list --names");
  EXPECT_EQ(said.code, 0);
  for (const char* name : kNames)
    EXPECT_THAT("\n" + said.out, HasSubstr(fmt::format("\n{}\n", name)));
}

TEST_F(CommandLine, TwoPublishedVersionsAreCompared) {
  const Said tables = run("route show tokyo --json");
  const nlohmann::json table = nlohmann::json::parse(tables.out.substr(0, tables.out.find('\n')));
  const std::string version = table.at("version").dump();
  const Said same = run(fmt::format("route diff {0} {0}", version));
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("0 best paths differ"));
  const Said json = run(fmt::format("route diff {0} {0} --json", version));
  EXPECT_EQ(json.code, 0) << json.err;
  EXPECT_EQ(json.out, "");
}

TEST_F(CommandLine, WatchingEndsWithTheOperatorOnly) {
  for (const char* json : {"", " --json"}) {
    const Said said = run_beside_fleet(
        fmt::format("timeout 2 {} --collector {} route watch{}", LINKPILOT_CLI, url(), json));
    EXPECT_EQ(said.code, 124) << said.err;  // timeout's own word for "it was still running"
    const Said tail = run_beside_fleet(
        fmt::format("timeout 2 {} --collector {} event tail{}", LINKPILOT_CLI, url(), json));
    EXPECT_EQ(tail.code, 124) << tail.err;
    EXPECT_NE(tail.out, "");
  }
}

TEST_F(CommandLine, KeysAreMadeAndShownWithoutACollector) {
  const std::string file = process_->folder() + "/new.key";
  const Said made =
      run_shell(process_->folder(), fmt::format("{} keys new {} --json", LINKPILOT_CLI, file));
  ASSERT_EQ(made.code, 0) << made.err;
  const Said shown =
      run_shell(process_->folder(), fmt::format("{} keys show {}", LINKPILOT_CLI, file));
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(made.out, HasSubstr(shown.out.substr(0, 40)));
  const Said again =
      run_shell(process_->folder(), fmt::format("{} keys new {}", LINKPILOT_CLI, file));
  EXPECT_NE(again.code, 0) << "a key is never overwritten";
  std::ofstream(process_->folder() + "/broken.key") << "not a key\n";
  const Said broken = run_shell(process_->folder(), fmt::format("{0} keys show {1}/broken.key",
                                                                LINKPILOT_CLI, process_->folder()));
  EXPECT_NE(broken.code, 0);
  EXPECT_THAT(broken.err, HasSubstr("broken.key"));
}

TEST_F(CommandLine, AConfigurationIsReadAsTheDaemonWould) {
  const std::string file = process_->folder() + "/test.toml";
  for (const char* json : {"", " --json"}) {
    const Said good = run_shell(process_->folder(),
                                fmt::format("{} config check {}{}", LINKPILOT_CLI, file, json));
    EXPECT_EQ(good.code, 0) << good.err;
    EXPECT_THAT(good.out, HasSubstr("collector"));
  }
  const std::string bad = process_->folder() + "/bad.toml";
  std::ofstream(bad) << "[listen]\nagnets = \"tcp://127.0.0.1:1\"\n";
  const Said refused =
      run_shell(process_->folder(), fmt::format("{} config check {}", LINKPILOT_CLI, bad));
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("bad.toml:2"));
  EXPECT_THAT(refused.err, HasSubstr("did you mean 'agents'?"));
  const Said said =
      run_shell(process_->folder(), fmt::format("{} config check {} --json", LINKPILOT_CLI, bad));
  EXPECT_EQ(said.code, 1);
  EXPECT_FALSE(nlohmann::json::parse(said.out).at("ok").get<bool>());
}

TEST_F(CommandLine, AnUnreachableCollectorAWrongTokenAndAnUnknownNodeAreTold) {
  const Said nobody = run_shell(
      process_->folder(), fmt::format("{} --collector http://127.0.0.1:1 status", LINKPILOT_CLI));
  EXPECT_EQ(nobody.code, 3);
  EXPECT_THAT(nobody.err, HasSubstr("no collector answers at http://127.0.0.1:1"));
  EXPECT_THAT(nobody.err, HasSubstr("LINKPILOT_COLLECTOR"));

  const Said keyless = run("link probe tokyo paris");
  EXPECT_EQ(keyless.code, 3);
  EXPECT_THAT(keyless.err, HasSubstr("--token-file"));
  std::ofstream(process_->folder() + "/wrong-token") << "0123456789abcdef0123456789abcdef\n";
  const Said wrong =
      run(fmt::format("--token-file {}/wrong-token link probe tokyo paris", process_->folder()));
  EXPECT_EQ(wrong.code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("[api] token_file"));
  const Said missing = run("--token-file /nonexistent/token link probe tokyo paris");
  EXPECT_EQ(missing.code, 3);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent/token"));

  for (const char* words : {"agent show toyko", "link show toyko paris", "route show toyko",
                            "route explain toyko paris", "plan show toyko"}) {
    SCOPED_TRACE(words);
    const Said said = run(words);
    EXPECT_EQ(said.code, 1);
    EXPECT_THAT(said.err, HasSubstr("toyko"));
    EXPECT_THAT(said.err, testing::AnyOf(HasSubstr("did you mean tokyo?"),
                                         HasSubstr("linkpilot agent list")));
  }
  EXPECT_EQ(run("agent shwo tokyo").code, 2);
  EXPECT_EQ(run("--timeout 0 status").code, 2);
}

TEST_F(CommandLine, BashCompletesNounsVerbsOptionsAndNodes) {
  const auto complete = [](const std::string& words) {
    const std::string folder =
        std::string(LINKPILOT_CLI).substr(0, std::string(LINKPILOT_CLI).rfind('/'));
    const Said said = run_beside_fleet(fmt::format(
        "export LINKPILOT_COLLECTOR={}; export PATH={}:$PATH; bash -c 'source {}; COMP_WORDS=({}); "
        "COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _linkpilot; printf \"%s \" "
        "\"${{COMPREPLY[@]}}\"'",
        url(), folder, LINKPILOT_COMPLETION, words));
    EXPECT_EQ(said.code, 0) << said.err;
    return said.out;
  };
  EXPECT_EQ(complete("linkpilot ro"), "route ");
  EXPECT_THAT(complete("linkpilot route \"\""), HasSubstr("explain"));
  EXPECT_EQ(complete("linkpilot node dr"), "drain ");
  EXPECT_EQ(complete("linkpilot node drain to"), "tokyo ");
  EXPECT_EQ(complete("linkpilot node drain tokyo --wa"), "--wait ");
  EXPECT_EQ(complete("linkpilot auto off --region la"), "lab ");
  EXPECT_EQ(complete("linkpilot route pin tokyo paris --via du"), "dublin ");
  EXPECT_EQ(complete("linkpilot agent rev"), "revoke ");
  EXPECT_EQ(complete("linkpilot keys rotate-p"), "rotate-probing ");
  EXPECT_EQ(complete("linkpilot --collector x:1 link pr"), "probe ");
  EXPECT_EQ(complete("linkpilot pa"), "path ");
  EXPECT_EQ(complete("linkpilot path edge.example --proto i"), "icmp ");
  EXPECT_EQ(complete("linkpilot path edge.example --all"), "--all-paths ");
  EXPECT_EQ(complete("linkpilot --js"), "--json ");
  EXPECT_EQ(complete("linkpilot link show to"), "tokyo ");
  EXPECT_EQ(complete("linkpilot route explain tokyo pa"), "paris ");
}

}  // namespace
}  // namespace linkpilot::collector
