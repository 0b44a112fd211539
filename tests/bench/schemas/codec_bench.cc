// How many link samples a core encodes and decodes per second: reports of 1000 links, 20 probes
// each.
#include <benchmark/benchmark.h>

#include <cstring>

#include "base/rng.h"
#include "schemas/codec.h"

namespace {

constexpr std::size_t kLinks = 1'000;

linkpilot::AgentMessage report_of_links() {
  linkpilot::Rng rng(1);
  linkpilot::Report report;
  report.links.resize(kLinks);
  for (linkpilot::LinkSample& sample : report.links) {
    sample.sent = sample.answered = 20;
    for (int i = 0; i < 20; ++i) {
      sample.rtt.add(
          linkpilot::Duration(static_cast<std::int64_t>(30'000'000 + rng.below(3'000'000))));
    }
  }
  return report;
}

void encode_samples(benchmark::State& state) {
  const linkpilot::AgentMessage message = report_of_links();
  for (auto _ : state) benchmark::DoNotOptimize(linkpilot::schemas::encode(message));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kLinks));
}
BENCHMARK(encode_samples);

void decode_samples(benchmark::State& state) {
  const std::vector<std::uint8_t> bytes = linkpilot::schemas::encode(report_of_links());
  std::vector<std::uint64_t> words(bytes.size() / 8);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  const auto* aligned = reinterpret_cast<const std::uint8_t*>(words.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize(linkpilot::schemas::decode_agent_message({aligned, bytes.size()}));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kLinks));
  state.counters["octets_per_sample"] = static_cast<double>(bytes.size()) / kLinks;
}
BENCHMARK(decode_samples);

}  // namespace
