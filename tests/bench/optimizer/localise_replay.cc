#include "tests/bench/optimizer/localise_replay.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/runtime/files.h"
#include "collector/evidence/evidence_record.h"
#include "collector/evidence/fault_finder.h"

namespace linkpilot::bench {

namespace {

using nlohmann::json;

double replay_cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

LinkSample mesh_sample(LinkId link, Now now, bool lossy, bool lossy_back) {
  LinkSample sample;
  sample.link = link;
  sample.length = std::chrono::seconds(1);
  sample.start = now.wall - sample.length;
  sample.sent = 10;
  sample.lost_forward = lossy ? 1 : 0;
  sample.lost_backward = lossy_back ? 1 : 0;
  sample.answered = sample.sent - sample.lost_forward - sample.lost_backward;
  const Duration rtt = std::chrono::microseconds(40'000 + now.mono.ns / 1'000'000'000 % 7 * 100);
  sample.rtt_min = sample.rtt_max = rtt;
  sample.rtt_sum = rtt * sample.answered;
  for (std::uint32_t i = 0; i < sample.answered; ++i) sample.rtt.add(rtt);
  return sample;
}

}  // namespace

json replay_cases(const std::string& folder) {
  json out{{"cases", 0}, {"same", 0}, {"cut", 0}, {"unreadable", 0}};
  std::vector<double> round_ms;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const auto octets = read_file(path, collector::kEvidenceTextMax);
    if (!octets) continue;
    const auto record =
        collector::decode_evidence({reinterpret_cast<const char*>(octets->data()), octets->size()});
    if (!record) {
      fmt::print(stderr, "localise: {}: {}\n", path, record.error().message);
      out["unreadable"] = out["unreadable"].get<int>() + 1;
      continue;
    }
    const double began = replay_cpu_ms();
    const optimizer::Diagnosis again = optimizer::localise(record->evidence, record->options);
    round_ms.push_back(replay_cpu_ms() - began);
    const bool same = collector::same_diagnosis(record->causes, again.causes);
    if (!same) fmt::print(stderr, "localise: {}: another diagnosis\n", path);
    out["cases"] = out["cases"].get<int>() + 1;
    out["same"] = out["same"].get<int>() + (same ? 1 : 0);
    out["cut"] = out["cut"].get<int>() + (record->cut ? 1 : 0);
  }
  out["round_ms"] = round_ms;
  return out;
}

json pipeline_cost(std::size_t nodes) {
  constexpr int kSeconds = 70;
  constexpr std::size_t kRegions = 12;
  collector::NodeTable table;
  for (std::size_t n = 1; n <= nodes; ++n) {
    collector::NodeFacts facts;
    facts.name = fmt::format("n{}", n);
    facts.region = fmt::format("r{}", n % kRegions);
    facts.isps = {fmt::format("isp{}", n % 3)};
    facts.heard = true;
    table[NodeId{static_cast<std::uint16_t>(n)}] = facts;
  }
  collector::FaultFinder finder(collector::FaultRules{});
  Now now{MonoTime{1'000'000'000'000}, UnixNanos{1'800'000'000'000'000'000}};
  double sample_ms = 0;
  std::size_t samples = 0;
  json rounds = json::array();
  for (int second = 0; second < kSeconds; ++second) {
    now = {now.mono + std::chrono::seconds(1), now.wall + std::chrono::seconds(1)};
    const bool harm = second >= kSeconds - 8;
    for (const auto& [from, a] : table) {
      std::vector<LinkSample> report;
      for (const auto& [to, b] : table) {
        if (from == to) continue;
        // One region loses towards another.
        const auto harmed = [harm](NodeId one, NodeId other) {
          return harm && one.value % kRegions == 1 && other.value % kRegions == 2;
        };
        report.push_back(mesh_sample({{from, PortIndex{0}}, {to, PortIndex{0}}}, now,
                                     harmed(from, to), harmed(to, from)));
      }
      std::vector<collector::FoldedSample> folded;
      for (const LinkSample& each : report) folded.push_back({&each, now});
      const double began = replay_cpu_ms();
      finder.add(from, folded, {}, now);
      if (second < kSeconds / 2) continue;
      sample_ms += replay_cpu_ms() - began;
      samples += report.size();
    }
    const double began = replay_cpu_ms();
    finder.look(table, now);
    if (second >= kSeconds / 2) rounds.push_back(replay_cpu_ms() - began);
  }
  std::vector<std::string> causes;
  for (const auto& [key, cause] : finder.causes()) causes.push_back(key);
  return {{"nodes", nodes},
          {"pairs", finder.links().pairs()},
          {"findings", finder.figures().findings},
          {"causes", causes},
          {"round_ms", rounds},
          {"sample_ns", sample_ms / static_cast<double>(samples) * 1e6}};
}

}  // namespace linkpilot::bench
