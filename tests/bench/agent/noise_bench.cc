// The `react --noise` bench's program: days of a fleet's links that only lose packets, and every
// look-up skip that the agents' own detector makes of it. noise.py adds the frame.
//
// A day is 91 pairs of nodes, 182 links, each probed every 50 ms from both ends for 24 hours;
// delays are drawn once per pair, losses per pair and day. One JSON object on stdout, and a line
// per skip in the file of --dump.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/runtime/command_line.h"
#include "tests/support/link_noise.h"

namespace linkpilot::agent {
namespace {

struct Scenario {
  const char* name;
  double loss;
  Duration burst_mean;
};
constexpr Scenario kScenarios[] = {{"05", 0.005, Duration{}},
                                   {"3", 0.03, Duration{}},
                                   {"burst", 0.01, std::chrono::milliseconds(5)}};

struct Settings {
  int days = 10;
  int first_day = 0;
  int pairs = 91;
  std::uint64_t seed = 1;
  double jitter_ms = 2.0;
  bool steer = true;
  std::string dump;
};

double to_ms(Duration d) { return static_cast<double>(d.count()) * 1e-6; }
Duration from_ms(double ms) { return Duration(static_cast<std::int64_t>(ms * 1e6)); }

// One way 1 to 150 ms, the way back up to 10 % longer.
NoiseOptions pair_options(const Settings& settings, const Scenario& scenario, int day, int pair) {
  Rng place(settings.seed * 1'000'003 + static_cast<std::uint64_t>(pair));
  NoiseOptions options;
  options.loss = scenario.loss;
  options.burst_mean = scenario.burst_mean;
  options.delay_ab = from_ms(1.0 + 149.0 * place.uniform());
  options.delay_ba = from_ms(to_ms(options.delay_ab) * (1.0 + 0.1 * place.uniform()));
  options.jitter = from_ms(settings.jitter_ms);
  options.steer = settings.steer;
  Rng draw(place.next() ^ static_cast<std::uint64_t>(day) << 20U ^
           static_cast<std::uint64_t>(&scenario - kScenarios) << 40U);
  options.seed = draw.next();
  return options;
}

nlohmann::json run(const Settings& settings, const Scenario& scenario, std::ofstream& dump) {
  std::vector<std::uint64_t> skips_of_day;
  std::vector<double> undo_over_rtt_ms;
  std::uint64_t simulated = 0;
  std::uint64_t probes = 0;
  for (int day = settings.first_day; day < settings.first_day + settings.days; ++day) {
    std::uint64_t skips = 0;
    for (int pair = 0; pair < settings.pairs; ++pair) {
      const NoiseOptions options = pair_options(settings, scenario, day, pair);
      const Duration round_trip = options.delay_ab + options.delay_ba;
      LinkNoise noise(options, std::chrono::hours(24));
      for (const LinkNoise::Skip& skip : noise.skips()) {
        ++skips;
        const Duration held =
            (skip.until.ns == 0 ? MonoTime{} + std::chrono::hours(24) : skip.until) - skip.from;
        undo_over_rtt_ms.push_back(to_ms(held - round_trip));
        if (dump.is_open()) {
          dump << fmt::format("{},{},{},{},{:.3f},{:.3f},{:.3f}\n", scenario.name, day, pair,
                              skip.end, static_cast<double>(skip.from.ns) * 1e-9, to_ms(held),
                              to_ms(round_trip));
        }
      }
      simulated += noise.simulated();
      probes += noise.probes();
    }
    skips_of_day.push_back(skips);
    fmt::print(stderr, "{}: day {}: {} skips\n", scenario.name, day, skips);
  }
  return {{"skips_of_day", skips_of_day},
          {"undo_over_rtt_ms", undo_over_rtt_ms},
          {"stretches_simulated", simulated},
          {"probes", probes}};
}

}  // namespace
}  // namespace linkpilot::agent

int main(int argc, char** argv) {
  using namespace linkpilot::agent;
  linkpilot::CommandLine words(
      "Simulated days of lossy links; prints the skips of each day as one JSON object.");
  linkpilot::Command app = words.root();
  Settings settings;
  app.option("--days", settings.days, "how many").range(1, 10'000);
  app.option("--first-day", settings.first_day, "number of the first, for shares of a run");
  app.option("--pairs", settings.pairs, "of nodes; two links each").range(1, 10'000);
  app.option("--seed", settings.seed, "of all draws");
  app.option("--jitter-ms", settings.jitter_ms, "uniform, on top of each link's delay")
      .range(0.0, 10.0);
  app.flag("!--unsteered", settings.steer, "leave the probes' phases where chance put them");
  app.option("--dump", settings.dump, "write a line per skip into this file");
  if (const auto code = words.parse(argc, argv)) return *code;
  std::ofstream dump;
  if (!settings.dump.empty()) dump.open(settings.dump);
  nlohmann::json out;
  for (const Scenario& scenario : kScenarios) out[scenario.name] = run(settings, scenario, dump);
  fmt::print("{}\n", out.dump());
  return 0;
}
