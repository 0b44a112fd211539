// A real collector and real agents on loopback, each agent with an address of its own, in a
// directory that goes with them. Nothing is enrolled and no agent runs until a test says so.
#pragma once

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/component/agent/agent_process.h"
#include "tests/component/collector/scripted_agent.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::test {

inline bool wait_for(const std::function<bool()>& condition,
                     std::chrono::seconds patience = std::chrono::seconds(60)) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return true;
}

class ProcessFleet {
 public:
  // Tests that run side by side differ in process number and in `stamp_port`.
  ProcessFleet(std::size_t count, std::uint16_t stamp_port,
               const std::string& collector_config = "")
      : collector(collector_config) {
    collector.start();
    const int pid = static_cast<int>(::getpid());
    for (std::size_t i = 0; i < count; ++i) {
      AgentProcessOptions options;
      options.directory = directory_.path("");
      options.name = fmt::format("node-{}", i + 1);
      options.address = fmt::format("127.{}.{}.{}", 1 + pid / 250 % 250, 1 + pid % 250, i + 1);
      options.stamp_port = stamp_port;
      options.collector = collector.endpoint();
      options.collector_key = collector.public_key();
      options.signer_hex = collector.folder() + "/routes.key.pub";
      agents.push_back(std::make_unique<AgentProcess>(options));
    }
  }
  void stop_agents(int signal) {
    for (auto& agent : agents) agent->stop(signal);
  }
  void show_logs() const {
    std::cerr << "--- log of the collector\n"
              << std::ifstream(collector.folder() + "/log").rdbuf() << "\n";
    for (const auto& agent : agents) {
      std::cerr << "--- log of " << agent->options().name << "\n" << agent->log();
    }
  }

 private:
  TemporaryDirectory directory_;  // outlives the agents

 public:
  collector::CollectorProcess collector;
  std::vector<std::unique_ptr<AgentProcess>> agents;
};

// Every page of /v1/samples, oldest first; false: the collector did not answer.
inline bool each_page_of_samples(const collector::CollectorProcess& collector,
                                 const std::function<void(const nlohmann::json& page)>& visit) {
  for (std::uint64_t after = 0;;) {
    const auto page = collector.get("/v1/samples?limit=500&after=" + std::to_string(after)).json();
    if (!page.is_object() || !page.contains("samples")) return false;
    visit(page);
    after = page["last_id"].get<std::uint64_t>();
    if (!page["more"].get<bool>()) return true;
  }
}

}  // namespace linkpilot::test
