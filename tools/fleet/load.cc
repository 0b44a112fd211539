#include "tools/fleet/load.h"

#include <fmt/format.h>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tools/fleet/store_check.h"

namespace linkpilot::fleet {

namespace {

constexpr int kLoadFailed = 1;
constexpr auto kBacklogPatience = std::chrono::seconds(20);
constexpr auto kDrainPatience = std::chrono::seconds(60);

double seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-9; }
double ms(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

// Makes reports due at an even rate, agent after agent.
class Schedule {
 public:
  Schedule(FleetRun& fleet, const LoadOptions& options)
      : fleet_(fleet),
        options_(options),
        links_(fleet.agents().front()->mill()->links()),
        began_(SystemClock().now().mono) {}

  void step() {
    const Now now = SystemClock().now();
    auto& agents = fleet_.agents();
    if (options_.samples_per_second <= 0) {
      for (auto& agent : agents) {
        while (agent->unacked() < options_.window) {
          agent->add_report(now.mono, now.wall);
          ++due_;
        }
      }
    } else {
      const double reports_per_second = options_.samples_per_second / static_cast<double>(links_);
      const auto wanted =
          static_cast<std::uint64_t>(seconds(now.mono - began_) * reports_per_second);
      for (; due_ < wanted; ++due_) {
        const Duration after(
            static_cast<std::int64_t>(static_cast<double>(due_) / reports_per_second * 1e9));
        agents[due_ % agents.size()]->add_report(began_ + after, now.wall);
      }
    }
    for (auto& agent : agents) agent->send_due(options_.window, options_.window);
  }
  [[nodiscard]] std::uint64_t due() const { return due_; }

 private:
  FleetRun& fleet_;
  const LoadOptions& options_;
  std::size_t links_;
  MonoTime began_;
  std::uint64_t due_ = 0;
};

}  // namespace

int run_load(FleetRun& fleet, const LoadOptions& options) {
  const std::size_t links = fleet.agents().front()->mill()->links();
  const std::size_t octets = fleet.agents().front()->mill()->make(1, UnixNanos{1}).size();
  fmt::print(stderr, "{} agents, {} samples and {} octets a report\n", fleet.agents().size(), links,
             octets);
  Schedule schedule(fleet, options);
  const auto never = [] { return false; };
  fleet.run(never, [&] { schedule.step(); }, options.warm_up);
  // A fleet that comes all at once leaves a backlog behind (plans, first tables): not of a rate.
  const auto worked_off = [&] { return fleet.unacked() <= fleet.agents().size(); };
  if (options.samples_per_second > 0) {
    fleet.run(worked_off, [&] { schedule.step(); }, kBacklogPatience);
  }

  const Result<Duration> cpu_before = cpu_time(options.collector_pid);
  const Result<Duration> own_before = cpu_time(::getpid());
  const std::uint64_t acked_before = fleet.acked;
  const std::uint64_t due_before = schedule.due();
  const MonoTime began = SystemClock().now().mono;
  fleet.measuring = true;
  fleet.run(never, [&] { schedule.step(); }, options.length);
  fleet.measuring = false;
  const double length = seconds(SystemClock().now().mono - began);
  const Result<Duration> cpu_after = cpu_time(options.collector_pid);
  const Result<Duration> own_after = cpu_time(::getpid());
  const auto samples = static_cast<double>((fleet.acked - acked_before) * links);

  const bool drained = fleet.run([&] { return fleet.unacked() == 0; },
                                 [&] {
                                   for (auto& agent : fleet.agents()) {
                                     agent->send_due(options.window, options.window);
                                   }
                                 },
                                 kDrainPatience);
  nlohmann::json out;
  out["agents"] = fleet.agents().size();
  out["links_per_report"] = links;
  out["cells_per_sample"] = fleet.options().mill.cells;
  out["offered_per_s"] = static_cast<double>((schedule.due() - due_before) * links) / length;
  out["samples_per_s_total"] = samples / length;
  if (cpu_before && cpu_after && *cpu_after > *cpu_before) {
    out["samples_per_s_core"] = samples / seconds(*cpu_after - *cpu_before);
    out["collector_cpu_percent"] = 100 * seconds(*cpu_after - *cpu_before) / length;
  }
  out["fleet_cpu_percent"] = 100 * seconds(*own_after - *own_before) / length;
  out["ack_ms_p50"] = ms(fleet.ack_latency.quantile(0.5).value_or(Duration{}));
  out["ack_ms_p99"] = ms(fleet.ack_latency.quantile(0.99).value_or(Duration{}));
  out["ack_ms_max"] = ms(fleet.ack_latency_max);
  out["bytes_per_sample_wire"] = static_cast<double>(octets) / static_cast<double>(links);
  out["reports_due"] = schedule.due();
  out["reports_acked"] = fleet.acked;
  out["drained"] = drained;
  if (!options.store.empty()) {
    std::vector<SentReports> sent;
    for (const auto& agent : fleet.agents()) {
      sent.push_back({agent->id(), fleet.options().mill.epoch, agent->acked(), agent->mill()});
    }
    const Result<StoreCheck> check = check_store(sent, options.store, options.reread);
    if (!check) {
      fmt::print(stderr, "linkpilot-fleet: {}\n", check.error().message);
      return kLoadFailed;
    }
    out["store"] = {{"reports", check->reports},
                    {"twice", check->twice},
                    {"missing", check->missing},
                    {"samples_compared", check->samples_compared},
                    {"reread_equal", check->reread_equal}};
  }
  fmt::print("{}\n", out.dump());
  return 0;
}

}  // namespace linkpilot::fleet
