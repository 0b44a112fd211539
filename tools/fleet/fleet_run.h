// A fleet of played agents against one collector: connects them, loads them, checks what the store
// holds. One thread, one loop.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sketch.h"
#include "tools/fleet/played_agent.h"

namespace linkpilot::fleet {

struct FleetOptions {
  std::string keys_directory;
  std::size_t agents = 200;
  std::string collector;      // tcp://...
  std::string collector_key;  // Z85, or a file
  MillOptions mill;
};

// Makes the keys NAME.key of `agents` agents where they are missing, and writes their public halves
// as NAME.pub into `enrolled_directory`.
[[nodiscard]] Status enrol_fleet(const std::string& keys_directory,
                                 const std::string& enrolled_directory, std::size_t agents);

[[nodiscard]] Result<AgentIdentity> load_identity(const std::string& keys_directory,
                                                  std::size_t index);
// Another one each time, so that sequences start again.
[[nodiscard]] std::uint64_t new_epoch();

class FleetRun {
 public:
  explicit FleetRun(FleetOptions options);

  // Every agent connected and welcome, and its reports ready.
  [[nodiscard]] Status connect(Duration patience);
  // Runs the loop until `done`, at most `patience`, with `step` each two milliseconds and pings
  // each second; true if it came.
  bool run(const std::function<bool()>& done, const std::function<void()>& step, Duration patience);

  [[nodiscard]] std::vector<std::unique_ptr<PlayedAgent>>& agents() { return agents_; }
  [[nodiscard]] const FleetOptions& options() const { return options_; }
  [[nodiscard]] std::size_t welcome() const;
  [[nodiscard]] std::size_t unacked() const;

  // How long after they were due reports were acknowledged; counted while `measuring`.
  bool measuring = false;
  LatencySketch ack_latency;
  Duration ack_latency_max{};
  std::uint64_t acked = 0;  // reports, whether measuring or not

 private:
  FleetOptions options_;
  asio::io_context loop_{1};
  std::vector<std::unique_ptr<PlayedAgent>> agents_;
  MonoTime next_ping_;
};

// CPU time of a process so far, from /proc.
[[nodiscard]] Result<Duration> cpu_time(int pid);

}  // namespace linkpilot::fleet
