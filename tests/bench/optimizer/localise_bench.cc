// The `localise` bench's program: draws cases, lets the localiser and simple judges at them, prints
// figures as one JSON object. localise.py prepares the series and adds the frame.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/runtime/command_line.h"
#include "optimizer/localise/localise.h"
#include "tests/bench/optimizer/localise_replay.h"
#include "tests/bench/optimizer/localise_score.h"
#include "tests/bench/optimizer/localise_time.h"

namespace linkpilot::bench {
namespace {

using nlohmann::json;

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

std::vector<std::vector<float>> read_series(const std::vector<std::string>& paths) {
  std::vector<std::vector<float>> all;
  for (const std::string& path : paths) {
    std::ifstream file(path);
    std::vector<float> values;
    for (std::string word; file >> word;) {
      values.push_back(word == "-" ? std::numeric_limits<float>::quiet_NaN() : std::stof(word));
    }
    if (values.size() > 100) all.push_back(std::move(values));
  }
  return all;
}

std::string text_of(const CauseId& id) {
  return fmt::format("{}:{}:{}:{}", optimizer::to_string(id.kind), id.a, id.b,
                     id.both_ways ? "both" : "one");
}

json figures_of(const Tally& tally) {
  json out;
  out["cases"] = tally.cases;
  out["planted"] = tally.planted;
  out["found"] = tally.found;
  out["reported"] = tally.reported;
  out["right"] = tally.right;
  out["overlapped"] = tally.overlapped;
  out["kind_right"] = tally.kind_right;
  out["precision"] = tally.precision();
  out["recall"] = tally.recall();
  out["kind_accuracy"] = tally.kind_accuracy();
  out["exact_cases"] = static_cast<double>(tally.exact) / std::max(1U, tally.cases);
  out["false_when_quiet"] = tally.false_when_quiet;
  out["sick_agents"] = tally.sick;
  out["sick_found_count"] = tally.sick_found;
  for (std::size_t k = 0; k < kKinds; ++k) {
    const std::string name(optimizer::to_string(static_cast<CauseKind>(k)));
    json& kind = out["by_kind"][name];
    kind["planted"] = tally.planted_by[k];
    kind["found"] = tally.found_by[k];
    kind["reported"] = tally.reported_by[k];
    kind["right"] = tally.right_by[k];
    for (std::size_t other = 0; other <= kKinds; ++other) {
      if (tally.confusion[k][other] == 0) continue;
      const std::string as = other == kKinds
                                 ? "missed"
                                 : std::string(optimizer::to_string(static_cast<CauseKind>(other)));
      out["confusion"][name][as] = tally.confusion[k][other];
    }
  }
  return out;
}

struct Judges {
  Tally ours;
  Tally thresholds;
  Tally rows;
  Tally votes;
  std::vector<double> round_ms;
};

void judge(const Case& one, std::uint64_t seed, Judges& judges, std::ostream* dump) {
  const double started = cpu_ms();
  const optimizer::Diagnosis diagnosis = localise(one.evidence(), {});
  judges.round_ms.push_back(cpu_ms() - started);
  std::vector<CauseId> reported;
  for (const optimizer::Cause& cause : diagnosis.causes) reported.push_back(cause.id);
  score(one, reported, judges.ours);
  score(one, judge_by_thresholds(one.evidence()), judges.thresholds);
  score(one, judge_by_rows(one.evidence()), judges.rows);
  score(one, judge_by_votes(one.evidence()), judges.votes);
  if (dump == nullptr) return;
  for (const Planted& each : one.planted()) {
    *dump << fmt::format("{},planted,{},dead={} loss={:.3f} delay_ms={:.1f}\n", seed,
                         text_of(each.id), each.dead, each.loss, each.delay_ms);
  }
  for (std::size_t n = 0; n < one.sickness().size(); ++n) {
    if (one.sickness()[n] == Sickness::well) continue;
    *dump << fmt::format("{},sick,agent:{},{}\n", seed, n, static_cast<int>(one.sickness()[n]));
  }
  for (const optimizer::Cause& each : diagnosis.causes) {
    *dump << fmt::format(
        "{},reported,{},gain={:.1f} shows={}/{} dead={} loss={:.3f} "
        "delay_ms={:.1f} confidence={:.3f}\n",
        seed, text_of(each.id), each.gain, each.shows, each.measured, each.effect.dead,
        each.effect.loss, each.effect.delay_ms, each.confidence);
  }
}

}  // namespace
}  // namespace linkpilot::bench

int main(int argc, char** argv) {
  using namespace linkpilot::bench;
  linkpilot::CommandLine words("Scores the localiser on planted faults; prints one JSON object.");
  linkpilot::Command app = words.root();
  std::size_t nodes = 14;
  std::size_t cases = 2000;
  std::uint64_t seed = 1;
  double sick = 0.0;
  std::string series;
  std::string dump;
  std::string cases_from;
  std::string mode = "cases";
  double days = 7.0;
  int runs = 20;
  app.option("--mode", mode, "what to do").one_of({"cases", "time", "quiet", "pipeline"});
  app.option("--days", days, "of a quiet fleet");
  app.option("--runs", runs, "per kind of fault, to time it");
  app.option("--nodes", nodes, "nodes of the fleet").range(14, 1000);
  app.option("--cases", cases, "how many").range(1, 100'000);
  app.option("--seed", seed, "of the first case; the next ones count up");
  app.option("--sick", sick, "share of agents that are sick");
  app.option("--series", series, "file that names a file of residuals a line");
  app.option("--cases-from", cases_from, "explain the recorded evidence of this folder instead");
  app.option("--dump", dump, "write planted and reported causes as CSV into this file");
  if (const auto code = words.parse(argc, argv)) return *code;
  if (!cases_from.empty() || mode == "pipeline") {
    fmt::print("{}\n",
               (cases_from.empty() ? pipeline_cost(nodes) : replay_cases(cases_from)).dump());
    return 0;
  }
  std::vector<std::string> paths;
  std::ifstream list(series);
  for (std::string path; std::getline(list, path);) paths.push_back(path);
  auto read = read_series(paths);
  if (read.empty()) {
    fmt::print(stderr, "localise: --series names no usable series\n");
    return 2;
  }
  const NoiseLibrary noise(std::move(read), 120, 77);
  if (mode == "time") {
    fmt::print("{}\n", nlohmann::json(time_to_localise(noise, runs, seed)).dump());
    return 0;
  }
  if (mode == "quiet") {
    const QuietCount quiet =
        nodes == 14 ? quiet_days(noise, days, seed) : quiet_minutes(noise, nodes, days, seed);
    fmt::print("{}\n", nlohmann::json{{"days", quiet.days},
                                      {"named", quiet.causes},
                                      {"mails", quiet.mails},
                                      {"mails_a_week", quiet.mails * 7.0 / quiet.days}}
                           .dump());
    return 0;
  }
  std::ofstream dumped;
  if (!dump.empty()) dumped.open(dump);
  Judges judges;
  for (std::size_t i = 0; i < cases; ++i) {
    const Case one({.nodes = nodes, .sick_share = sick, .seed = seed + i}, noise);
    judge(one, seed + i, judges, dump.empty() ? nullptr : &dumped);
  }
  nlohmann::json out = figures_of(judges.ours);
  for (const auto& [name, tally] : {std::pair{"thresholds", &judges.thresholds},
                                    {"rows", &judges.rows},
                                    {"votes_007", &judges.votes}}) {
    out["baseline"][name]["precision"] = tally->precision();
    out["baseline"][name]["recall"] = tally->recall();
    out["baseline"][name]["kind_accuracy"] = tally->kind_accuracy();
  }
  out["round_ms"] = judges.round_ms;
  fmt::print("{}\n", out.dump());
  return 0;
}
