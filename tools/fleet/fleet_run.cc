#include "tools/fleet/fleet_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/runtime/files.h"

namespace linkpilot::fleet {

namespace {

constexpr unsigned kPublicMode = 0644;
constexpr auto kStep = std::chrono::milliseconds(2);
constexpr std::uint64_t kEpochMark = 0xf1ee7ULL << 44;

std::string name_of(std::size_t index) { return fmt::format("fleet-{:04}", index); }

std::string key_path(const std::string& directory, std::size_t index) {
  return fmt::format("{}/{}.key", directory, name_of(index));
}

}  // namespace

Status enrol_fleet(const std::string& keys_directory, const std::string& enrolled_directory,
                   std::size_t agents) {
  for (const std::string& directory : {keys_directory, enrolled_directory}) {
    if (Status status = make_directories(directory); !status) return status;
  }
  for (std::size_t i = 0; i < agents; ++i) {
    const std::string path = key_path(keys_directory, i);
    if (!std::filesystem::exists(path)) {
      if (Status status = save_curve_key_pair(path, make_curve_key_pair()); !status) return status;
    }
    const Result<CurveKeyPair> keys = load_curve_key_pair(path);
    if (!keys) return fail(keys.error());
    const std::string line = keys->public_key + "\n";
    Status status = replace_file(fmt::format("{}/{}.pub", enrolled_directory, name_of(i)),
                                 {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()},
                                 kPublicMode);
    if (!status) return status;
  }
  return {};
}

Result<AgentIdentity> load_identity(const std::string& keys_directory, std::size_t index) {
  Result<CurveKeyPair> keys = load_curve_key_pair(key_path(keys_directory, index));
  if (!keys) return fail(keys.error().in("run `linkpilot-fleet enrol` first"));
  return AgentIdentity{name_of(index), index, *std::move(keys)};
}

std::uint64_t new_epoch() {
  return kEpochMark ^ static_cast<std::uint64_t>(SystemClock().now().wall.ns / 1'000'000);
}

FleetRun::FleetRun(FleetOptions options) : options_(std::move(options)) {}

Status FleetRun::connect(Duration patience) {
  const Result<std::string> server_key = load_curve_public_key(options_.collector_key);
  if (!server_key) return fail(server_key.error().in("--collector-key"));
  options_.mill.epoch = new_epoch();
  for (std::size_t i = 0; i < options_.agents; ++i) {
    Result<AgentIdentity> identity = load_identity(options_.keys_directory, i);
    if (!identity) return fail(identity.error());
    PlayedAgent::Hooks hooks;
    hooks.on_ack = [this](Duration latency) {
      ++acked;
      if (!measuring) return;
      ack_latency.add(latency);
      ack_latency_max = std::max(ack_latency_max, latency);
    };
    hooks.on_welcome = [] {};
    agents_.push_back(std::make_unique<PlayedAgent>(loop_, *std::move(identity), options_.collector,
                                                    *server_key, options_.mill.epoch,
                                                    std::move(hooks)));
    if (Status status = agents_.back()->connect(); !status) return status;
  }
  const bool all = run([this] { return welcome() == agents_.size(); }, [] {}, patience);
  if (!all) {
    return fail(ErrorCode::timeout,
                fmt::format("{} of {} agents are welcome; is the collector at {} the one they are "
                            "enrolled at?",
                            welcome(), agents_.size(), options_.collector));
  }
  std::vector<NodeId> nodes;
  for (const auto& agent : agents_) nodes.push_back(agent->id());
  for (auto& agent : agents_) {
    agent->use_mill(std::make_unique<ReportMill>(agent->id(), nodes, options_.mill));
  }
  return {};
}

bool FleetRun::run(const std::function<bool()>& done, const std::function<void()>& step,
                   Duration patience) {
  const auto began = std::chrono::steady_clock::now();
  asio::steady_timer timer(loop_);
  bool came = false;
  std::function<void()> arm = [&] {
    timer.expires_after(kStep);
    timer.async_wait([&](const asio::error_code& error) {
      if (error) return;
      step();
      const MonoTime now = SystemClock().now().mono;
      if (now >= next_ping_) {
        for (auto& agent : agents_) agent->ping();
        next_ping_ = now + std::chrono::seconds(1);
      }
      came = done();
      if (came || std::chrono::steady_clock::now() - began > patience) {
        loop_.stop();
        return;
      }
      arm();
    });
  };
  arm();
  loop_.restart();
  loop_.run();
  return came;
}

std::size_t FleetRun::welcome() const {
  std::size_t count = 0;
  for (const auto& agent : agents_) count += agent->welcome() ? 1 : 0;
  return count;
}

std::size_t FleetRun::unacked() const {
  std::size_t count = 0;
  for (const auto& agent : agents_) count += agent->unacked();
  return count;
}

Result<Duration> cpu_time(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return fail(ErrorCode::not_found, fmt::format("no process {}", pid));
  }
  // proc(5): utime and stime are fields 14 and 15; the name's end is that of field 2.
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::int64_t user = 0;
  std::int64_t system = 0;
  fields >> user >> system;
  return Duration((user + system) * (1'000'000'000 / sysconf(_SC_CLK_TCK)));
}

}  // namespace linkpilot::fleet
