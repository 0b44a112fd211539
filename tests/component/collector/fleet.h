// A few scripted agents around one collector process, reporting each second as real ones would.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "schemas/route_file_codec.h"
#include "tests/component/collector/scripted_agent.h"

namespace linkpilot::collector {

class ScriptedFleet {
 public:
  explicit ScriptedFleet(CollectorProcess& process) : process_(process) {}

  ScriptedAgent& add(const std::string& name) {
    if (!keys_.contains(name)) keys_[name] = process_.enrol(name);
    return connect(name, name);
  }
  // A second process with the same key, under another handle.
  ScriptedAgent& connect(const std::string& handle, const std::string& name) {
    agents_[handle] = std::make_unique<ScriptedAgent>(loop, name, keys_.at(name),
                                                      process_.public_key(), process_.endpoint());
    return *agents_[handle];
  }
  // The key that `connect` uses from now on.
  void use_key(const std::string& name, const CurveKeyPair& key) { keys_[name] = key; }
  ScriptedAgent& at(const std::string& handle) { return *agents_.at(handle); }
  void drop(const std::string& handle) { agents_.erase(handle); }

  // Says Hello until welcome; enrolment may take a moment.
  bool greet(const std::string& handle) {
    ScriptedAgent& agent = at(handle);
    const std::size_t before = agent.heard.welcomes.size();
    return run([&] { return agent.heard.welcomes.size() > before; }, [&] { agent.hello(); });
  }

  // Enrolled, connected and welcome, all of them.
  bool bring_up(std::initializer_list<const char*> names) {
    bool all = true;
    for (const char* name : names) {
      add(name);
      all = greet(name) && all;
    }
    return all;
  }

  // Runs with every agent pinging and reporting, until `done`.
  bool live(const std::function<bool()>& done,
            std::chrono::milliseconds patience = std::chrono::seconds(40)) {
    return run(
        done,
        [&] {
          for (auto& [handle, agent] : agents_) {
            if (mute.contains(handle) || agent->heard.welcomes.empty()) continue;
            agent->send(Ping{1, SystemClock().now().wall});
            agent->send(agent->make_report(++agent->sequence, rtt));
          }
        },
        patience);
  }

  // Runs until `done`, with `act` at once and then every 300 ms.
  bool run(const std::function<bool()>& done, const std::function<void()>& act,
           std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    auto next = std::chrono::steady_clock::now();
    return run_until(
        loop,
        [&] {
          if (done()) return true;
          if (std::chrono::steady_clock::now() >= next) {
            act();
            next = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
          }
          return false;
        },
        patience);
  }

  // The last table an agent got; empty if none.
  [[nodiscard]] RouteTable table(const std::string& handle) {
    if (at(handle).heard.tables.empty()) return {};
    return schemas::decode_route_file(at(handle).heard.tables.back().body).value_or(RouteTable{});
  }
  [[nodiscard]] bool routes_to(const std::string& handle, NodeId target) {
    for (const Route& route : table(handle).routes) {
      if (route.target == target) return true;
    }
    return false;
  }

  asio::io_context loop;
  std::function<Duration(LinkId)> rtt = [](LinkId) { return std::chrono::milliseconds(20); };
  std::set<std::string> mute;  // handles that say nothing in `live`

 private:
  CollectorProcess& process_;
  std::map<std::string, CurveKeyPair> keys_;
  std::map<std::string, std::unique_ptr<ScriptedAgent>> agents_;
};

// Runs the loop until the collector lists a key that it refused; what it lists then.
inline nlohmann::json await_refused_keys(asio::io_context& loop, const CollectorProcess& process) {
  nlohmann::json refused = nlohmann::json::array();
  (void)run_until(loop, [&] {
    const nlohmann::json listed = process.get("/v1/refused").json();
    if (listed.is_object()) refused = listed.value("refused_keys", nlohmann::json::array());
    return !refused.empty();
  });
  return refused;
}

}  // namespace linkpilot::collector
