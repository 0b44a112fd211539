// Two real agents over loopback and a scripted collector. Nothing here is timed: conditions are
// waited for, with patience far beyond what they need.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "tests/component/agent/agent_process.h"
#include "tests/component/agent/scripted_collector.h"

namespace linkpilot::test {

inline std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

class AgentTest : public testing::Test {
 protected:
  using Client = ScriptedCollector::Client;
  static constexpr int kNodes = 2;

  AgentTest() : collector_(loop_) {
    directory_ = std::filesystem::temp_directory_path() /
                 ("linkpilot-agent-test-" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    // Loopback addresses of this process's own, so that runs side by side do not meet.
    for (int i = 0; i < kNodes; ++i) {
      const int pid = static_cast<int>(::getpid());
      AgentProcessOptions options;
      options.directory = directory_;
      options.name = "node-" + std::to_string(i + 1);
      options.address = fmt::format("127.{}.{}.{}", 1 + pid / 250 % 250, 1 + pid % 250, i + 1);
      options.stamp_port = 20'862;
      options.collector = collector_.endpoint();
      options.collector_key = collector_.public_key();
      options.signer_hex = hex(collector_.signing_key().public_key);
      agents_[i] = std::make_unique<AgentProcess>(options);
      clients_[i] = &collector_.enrol(agents_[i]->keys().public_key, id(i), options.name);
      clients_[i]->plan = plan(i, 1, std::chrono::milliseconds(50));
    }
  }
  ~AgentTest() override {
    for (auto& agent : agents_) agent.reset();
    if (HasFailure()) {
      for (int i = 0; i < kNodes; ++i) {
        std::ifstream log(directory_ / ("node-" + std::to_string(i + 1) + ".log"));
        std::cerr << "--- log of node-" << i + 1 << "\n" << log.rdbuf();
      }
    }
    std::filesystem::remove_all(directory_);
  }

  static NodeId id(int node) { return NodeId{static_cast<std::uint16_t>(node + 1)}; }
  [[nodiscard]] LinkId link(int from) const {
    return {{id(from), PortIndex{0}}, {id(1 - from), PortIndex{0}}};
  }
  [[nodiscard]] Plan plan(int node, std::uint64_t version, Duration interval) const {
    Plan plan;
    plan.version = version;
    plan.created = SystemClock().now().wall;
    plan.lifetime = std::chrono::seconds(60);
    plan.self = id(node);
    PlannedLink planned;
    planned.link = link(node);
    const std::string mine = agents_[0]->options().address;
    const std::string base = mine.substr(0, mine.rfind('.') + 1);
    planned.peer = {*IpAddress::parse(base + std::to_string(2 - node)), 20'862};
    planned.interval = interval;
    planned.flows = 2;
    plan.links.push_back(planned);
    for (int i = 0; i < kNodes; ++i) {
      Node known;
      known.id = id(i);
      known.name = "node-" + std::to_string(i + 1);
      plan.nodes.push_back(known);
    }
    return plan;
  }
  [[nodiscard]] RouteTable table(int node, std::uint64_t version) const {
    RouteTable table;
    table.node = id(node);
    table.version = {1, version};
    table.created = SystemClock().now().wall;
    table.valid_until_soft = table.created + std::chrono::seconds(300);
    table.valid_until_hard = table.created + std::chrono::seconds(600);
    for (int i = 0; i < kNodes; ++i) {
      table.nodes.push_back({id(i), "node-" + std::to_string(i + 1), "", "", {"127.0.0.1"}});
    }
    for (const Direction direction : {Direction::push, Direction::pull}) {
      CandidatePath path;
      path.hops = {{id(1 - node), PortIndex{0}, PortIndex{0}}};
      path.delay = std::chrono::milliseconds(1);
      path.cost_us = 1'000;
      path.loop_free = true;
      table.routes.push_back({id(1 - node), direction, {path}});
    }
    return table;
  }

  void start_both() {
    for (auto& agent : agents_) agent->start();
    ASSERT_TRUE(
        collector_.wait([&] { return measured(0) && measured(1); }, std::chrono::seconds(40)));
  }
  static std::uint64_t answered(const Client& client, std::size_t from_report = 0) {
    std::uint64_t count = 0;
    for (std::size_t i = from_report; i < client.reports.size(); ++i) {
      for (const LinkSample& sample : client.reports[i].links) count += sample.answered;
    }
    return count;
  }
  [[nodiscard]] bool measured(int node) const { return answered(*clients_[node]) > 0; }
  static bool has_alarm(const Client& client, LinkId link, LinkState state) {
    for (const Alarm& alarm : client.alarms) {
      if (alarm.link == link && alarm.state == state) return true;
    }
    return false;
  }
  static bool has_event(const Client& client, const std::string& name) {
    for (const Report& report : client.reports) {
      for (const AgentEvent& event : report.events) {
        if (event.name == name) return true;
      }
    }
    return false;
  }

  std::filesystem::path directory_;
  asio::io_context loop_;
  ScriptedCollector collector_;
  std::array<std::unique_ptr<AgentProcess>, kNodes> agents_;
  std::array<Client*, kNodes> clients_{};
};

}  // namespace linkpilot::test
