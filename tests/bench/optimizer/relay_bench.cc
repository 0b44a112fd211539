// The `relay` bench's program: relay choice on measured matrices with the product's own estimator,
// weights and planner. relay.py unpacks the data and adds the frame.
//
// --slices: square matrices of round trips in seconds, one after the other, 0 = missing. Each slice
// is told to the estimates of every link as one whole window of samples; then four ticks decide,
// the last one counts. What was chosen on slice t is scored here on the plain values of slice t+1.
// --matrix: one square matrix in milliseconds, solved whole on every instruction set.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/runtime/command_line.h"
#include "optimizer/estimate/link_estimate.h"
#include "optimizer/planner.h"
#include "tests/unit/optimizer/network_builder.h"
#include "tests/unit/optimizer/path_reference.h"

namespace linkpilot::optimizer {
namespace {

constexpr double kHopMs = 3.0;  // of round trip, for each relay
constexpr int kWindow = static_cast<int>(LinkEstimate::kWindowSlots);
constexpr std::uint32_t kProbes = 10;  // a second
constexpr int kTicks = 4;
constexpr int kTickSeconds = 8;

struct Slices {
  std::size_t nodes = 0;
  std::vector<std::vector<double>> rtt_ms;  // not positive: missing

  [[nodiscard]] double at(std::size_t slice, std::size_t from, std::size_t to) const {
    return rtt_ms[slice][from * nodes + to];
  }
};

// Whitespace-separated numbers; a matrix is as wide as the first line.
Slices read_slices(const std::string& path, double to_ms) {
  Slices slices;
  std::ifstream file(path);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::istringstream first(text.substr(0, text.find('\n')));
  for (double value = 0; first >> value;) ++slices.nodes;
  const std::size_t cells = slices.nodes * slices.nodes;
  const char* at = text.c_str();
  for (char* end = nullptr;; at = end) {
    const double value = std::strtod(at, &end);
    if (end == at || cells == 0) break;
    if (slices.rtt_ms.empty() || slices.rtt_ms.back().size() == cells) {
      slices.rtt_ms.emplace_back();
      slices.rtt_ms.back().reserve(cells);
    }
    slices.rtt_ms.back().push_back(value * to_ms);
  }
  if (!slices.rtt_ms.empty() && slices.rtt_ms.back().size() != cells) slices.rtt_ms.pop_back();
  return slices;
}

LinkSample second_of(LinkId link, double rtt_ms) {
  LinkSample sample;
  sample.link = link;
  sample.sent = kProbes;
  if (!(rtt_ms > 0.0)) {
    sample.lost_unplaced = kProbes;
    return sample;
  }
  const Duration rtt(static_cast<std::int64_t>(rtt_ms * 1e6));
  sample.answered = kProbes;
  sample.rtt_min = sample.rtt_max = rtt;
  sample.rtt_sum = rtt * kProbes;
  sample.rtt.append(LatencySketch::bucket_of(rtt), kProbes);
  return sample;
}

// The choice of every pair after the last tick: a relay, or the source itself for the direct path.
using Choice = std::vector<std::uint16_t>;

Choice choices(const PlannerState& state, std::size_t nodes) {
  Choice chosen(nodes * nodes, 0);
  for (std::size_t i = 0; i < nodes; ++i) {
    std::fill_n(chosen.begin() + static_cast<std::ptrdiff_t>(i * nodes), nodes,
                static_cast<std::uint16_t>(i));
  }
  for (const RouteTable& table : state.tables()) {
    const std::size_t from = table.node.value - 1U;
    for (const Route& route : table.routes) {
      if (route.direction != Direction::push) continue;
      const std::vector<Hop>& hops = route.candidates.front().hops;
      if (hops.size() == 2) {
        chosen[from * nodes + route.target.value - 1U] =
            static_cast<std::uint16_t>(hops.front().node.value - 1U);
      }
    }
  }
  return chosen;
}

// A missing leg counts as the direct round trip, a pair whose direct one is missing does not count.
class Score {
 public:
  explicit Score(const Slices& slices) : slices_(slices) {}
  void add(std::size_t slice, const Choice& chosen, const std::vector<double>& ideal) {
    const std::size_t n = slices_.nodes;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const double direct = slices_.at(slice, i, j);
        if (i == j || !(direct > 0.0)) continue;
        const std::size_t k = chosen[i * n + j];
        const double first = slices_.at(slice, i, k);
        const double last = slices_.at(slice, k, j);
        const bool relayed = k != i && first > 0.0 && last > 0.0;
        direct_ += direct;
        ideal_ += ideal[i * n + j];
        ours_ += relayed ? first + last + kHopMs : direct;
        count_ += 1.0;
      }
    }
  }
  void changes(const Choice& before, const Choice& after) {
    const std::size_t n = slices_.nodes;
    for (std::size_t at = 0; at < n * n; ++at) switches_ += before[at] != after[at] ? 1.0 : 0.0;
    pairs_ += static_cast<double>(n * (n - 1));
  }
  [[nodiscard]] double gain_share() const { return (direct_ - ours_) / (direct_ - ideal_); }
  [[nodiscard]] double switches() const { return pairs_ > 0.0 ? switches_ / pairs_ : 0.0; }
  [[nodiscard]] std::array<double, 3> means() const {
    return {direct_ / count_, ours_ / count_, ideal_ / count_};
  }

 private:
  const Slices& slices_;
  double direct_ = 0.0;
  double ideal_ = 0.0;
  double ours_ = 0.0;
  double count_ = 0.0;
  double switches_ = 0.0;
  double pairs_ = 0.0;
};

// What a clairvoyant has: the best of direct and one relay on this slice.
std::vector<double> ideal_of(const Slices& slices, std::size_t slice) {
  const std::size_t n = slices.nodes;
  std::vector<double> ideal = slices.rtt_ms[slice];
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) {
      const double first = slices.at(slice, i, k);
      if (!(first > 0.0)) continue;
      for (std::size_t j = 0; j < n; ++j) {
        const double last = slices.at(slice, k, j);
        if (last > 0.0 && j != i)
          ideal[i * n + j] = std::min(ideal[i * n + j], first + last + kHopMs);
      }
    }
  }
  return ideal;
}

// The planner under one policy.
struct Contender {
  double scale = 1.0;  // of both margins
  Policy policy;
  PlannerState state;
  Choice chosen;
  Score score;
};

Contender contender(const Slices& slices, double scale) {
  Contender made{scale, {}, {}, {}, Score(slices)};
  made.policy.relays_max = 1;
  made.policy.weights.relay_ms = kHopMs / 2.0;  // costs are one way
  made.policy.stability.margin_ms *= scale;
  made.policy.stability.margin_ratio *= scale;
  made.policy.guard.churn_max = 1.0;
  return made;
}

nlohmann::json choose_relays(const Slices& slices, const std::vector<double>& scales,
                             const std::string& directory) {
  const std::size_t n = slices.nodes;
  const EstimateParameters parameters;
  NetworkView view;
  std::vector<LinkEstimate> estimates;
  for (std::size_t i = 0; i < n; ++i) {
    view.nodes.push_back(make_node(i));
    for (std::size_t j = 0; j < n; ++j) {
      if (i != j) estimates.emplace_back(make_link(i, j));
    }
  }
  std::vector<Contender> contenders;
  for (const double scale : scales) contenders.push_back(contender(slices, scale));
  std::ofstream dump;
  if (!directory.empty()) {
    dump.open(directory + "/relay_choices.csv");
    dump << "t,i,j,k\n";
  }
  for (std::size_t slice = 0; slice + 1 < slices.rtt_ms.size(); ++slice) {
    const double start = static_cast<double>(slice) * kWindow;
    view.links.clear();
    for (LinkEstimate& estimate : estimates) {
      const LinkId link = estimate.link();
      // Each direction was measured by itself, so only its near end speaks.
      const LinkSample sample =
          second_of(link, slices.at(slice, link.from.node.value - 1U, link.to.node.value - 1U));
      const RttPoints points(sample);
      for (int second = 0; second < kWindow; ++second) {
        estimate.fold(sample, points, LinkEnd::near, at_second(start + second - kWindow).mono,
                      parameters);
      }
      view.links.push_back(estimate.belief(0.0, at_second(start).mono, parameters));
    }
    const std::vector<double> ideal = ideal_of(slices, slice + 1);
    for (Contender& each : contenders) {
      for (int tick = 0; tick < kTicks; ++tick) {
        PlannerResult result = plan_routes(view, each.policy, std::move(each.state), {},
                                           at_second(start + tick * kTickSeconds));
        each.state = std::move(result.next);
      }
      Choice chosen = choices(each.state, n);
      if (slice > 0) each.score.changes(each.chosen, chosen);
      each.chosen = std::move(chosen);
      each.score.add(slice + 1, each.chosen, ideal);
    }
    if (dump.is_open()) {
      for (std::size_t at = 0; at < n * n; ++at) {
        if (at / n != at % n) {
          dump << fmt::format("{},{},{},{}\n", slice, at / n, at % n,
                              contenders.front().chosen[at]);
        }
      }
    }
  }
  nlohmann::json out;
  for (const Contender& each : contenders) {
    out["curve"].push_back({each.scale, each.score.switches(), each.score.gain_share()});
  }
  out["gain_share"] = contenders.front().score.gain_share();
  out["switches"] = contenders.front().score.switches();
  out["mean_ms"] = contenders.front().score.means();
  out["slices"] = slices.rtt_ms.size();
  out["nodes"] = n;
  return out;
}

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

nlohmann::json solve_matrix(const Slices& matrix, int runs) {
  PathProblem problem{matrix.nodes, {}, std::vector<PathUnits>(matrix.nodes, quantise(kHopMs))};
  for (const double ms : matrix.rtt_ms.front()) problem.weight.push_back(quantise(ms));
  nlohmann::json out;
  const std::vector<InstructionSet> sets = available_instruction_sets();
  PathSolver fastest(sets.back());
  fastest.solve(problem);
  bool equal = true;
  for (const InstructionSet set : sets) {
    PathSolver solver(set);
    for (int run = 0; run < runs; ++run) {
      const double began = cpu_ms();
      solver.solve(problem);
      out["ms_by_isa"][std::string(to_string(set))].push_back(cpu_ms() - began);
    }
    for (std::size_t at = 0; at < matrix.nodes * matrix.nodes; ++at) {
      const std::size_t i = at / matrix.nodes;
      const std::size_t j = at % matrix.nodes;
      equal = equal && solver.best(i, j) == fastest.best(i, j) &&
              solver.second(i, j) == fastest.second(i, j);
    }
  }
  Rng rng(1);
  constexpr int kPairs = 2000;
  for (int pair = 0; pair < kPairs; ++pair) {
    const std::size_t i = rng.below(matrix.nodes);
    const std::size_t j = rng.below(matrix.nodes);
    const ReferencePair want = reference_pair(problem, i, j);
    equal = equal && fastest.best(i, j) == want.best && fastest.second(i, j) == want.second;
  }
  out["isa"] = to_string(sets.back());
  out["nodes"] = matrix.nodes;
  out["equals_reference"] = equal;
  return out;
}

}  // namespace
}  // namespace linkpilot::optimizer

int main(int argc, char** argv) {
  linkpilot::CommandLine words("Chooses relays on measured matrices; prints one JSON object.");
  linkpilot::Command app = words.root();
  std::string slices;
  std::string matrix;
  std::string directory;
  std::vector<std::string> scale_words{"1"};
  std::size_t first = 0;
  int runs = 5;
  app.option("--slices", slices, "matrices of round trips in seconds, in order of time");
  app.option("--matrix", matrix, "one matrix of round trips in milliseconds");
  app.option("--scale", scale_words,
             "factors of the planner's margins; the first is the one dumped")
      .split_at(',');
  app.option("--first", first, "only so many slices; 0: all");
  app.option("--runs", runs, "how often the matrix is solved").range(1, 1000);
  app.option("--dump", directory, "write t,i,j,k into this directory");
  if (const auto code = words.parse(argc, argv)) return *code;
  using namespace linkpilot::optimizer;
  nlohmann::json out;
  if (!slices.empty()) {
    Slices read = read_slices(slices, 1e3);
    if (first > 0 && first < read.rtt_ms.size()) read.rtt_ms.resize(first);
    if (read.rtt_ms.size() < 2) {
      fmt::print(stderr, "relay: {}: no two square matrices\n", slices);
      return 2;
    }
    std::vector<double> scales;
    for (const std::string& word : scale_words)
      scales.push_back(std::strtod(word.c_str(), nullptr));
    out["choice"] = choose_relays(read, scales, directory);
  }
  if (!matrix.empty()) {
    const Slices read = read_slices(matrix, 1.0);
    if (read.rtt_ms.empty() || read.nodes > kSolverNodesMax) {
      fmt::print(stderr, "relay: {}: no square matrix\n", matrix);
      return 2;
    }
    out["matrix"] = solve_matrix(read, runs);
  }
  fmt::print("{}\n", out.dump());
  return 0;
}
