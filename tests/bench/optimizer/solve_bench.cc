// The `solve` bench's program: times full and incremental path searches, stage by stage, on every
// instruction set of this machine, and compares with brute force. solve.py adds the frame.
//
// Times are CPU time of the one thread, so that load that is not ours does not count.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "base/runtime/command_line.h"
#include "optimizer/paths/path_kernel.h"
#include "optimizer/paths/path_solver.h"
#include "tests/unit/optimizer/path_reference.h"

namespace linkpilot::optimizer {
namespace {

using Samples = std::vector<double>;

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

template <typename Body>
double timed(Body&& body) {
  const double start = cpu_ms();
  body();
  return cpu_ms() - start;
}

// Whitespace-separated square matrix of milliseconds; not positive: no link.
Result<PathProblem> read_weights(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(ErrorCode::not_found, path + ": cannot be read");
  std::vector<double> values;
  for (double value = 0; file >> value;) values.push_back(value);
  const auto nodes = static_cast<std::size_t>(std::lround(std::sqrt(double(values.size()))));
  if (nodes * nodes != values.size() || nodes == 0 || nodes > kSolverNodesMax) {
    return fail(ErrorCode::corrupt,
                fmt::format("{}: {} numbers are not a square matrix", path, values.size()));
  }
  PathProblem problem{nodes, {}, std::vector<PathUnits>(nodes, quantise(3.0))};
  for (const double ms : values) problem.weight.push_back(quantise(ms));
  return problem;
}

// A plane of 150 x 80 ms with 20 % noise and a quarter of the links on a detour.
PathProblem synthetic(std::size_t nodes, std::uint64_t seed) {
  Rng rng(seed);
  PathProblem problem = random_problem(nodes, rng);
  std::ranges::fill(problem.relay_cost, quantise(3.0));
  return problem;
}

// One link better by half or worse by twice.
WeightChange change_of(const PathSolver& solver, std::size_t from, std::size_t to, bool better) {
  const PathUnits before = solver.weight(from, to);
  const unsigned after = better ? before / 2U + 1U : std::min(before * 2U, 60'000U);
  return {static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to),
          static_cast<PathUnits>(after)};
}

WeightChange uniform_change(const PathSolver& solver, Rng& rng) {
  for (;;) {
    const std::size_t from = rng.below(solver.nodes());
    const std::size_t to = rng.below(solver.nodes());
    if (from != to && solver.weight(from, to) != kUnreachable) {
      return change_of(solver, from, to, rng.below(2) == 0);
    }
  }
}

// A link drawn by how many best paths use it: a random pair, and one of its links.
WeightChange used_change(const PathSolver& solver, Rng& rng) {
  for (;;) {
    const std::size_t from = rng.below(solver.nodes());
    const std::size_t to = rng.below(solver.nodes());
    if (from == to || !solver.best(from, to).reachable()) continue;
    const NodePath path = solver.best(from, to);
    std::vector<std::size_t> nodes{from};
    if (path.first_relay != kNoRelay) nodes.push_back(path.first_relay);
    if (path.second_relay != kNoRelay) nodes.push_back(path.second_relay);
    nodes.push_back(to);
    const std::size_t leg = rng.below(nodes.size() - 1);
    return change_of(solver, nodes[leg], nodes[leg + 1], rng.below(2) == 0);
  }
}

template <typename Draw>
Samples time_updates(PathSolver& solver, int count, int links, Rng& rng, Draw&& draw) {
  Samples samples;
  for (int i = 0; i < count; ++i) {
    std::vector<WeightChange> changes;
    for (int k = 0; k < links; ++k) changes.push_back(draw(solver, rng));
    samples.push_back(timed([&] { solver.update(changes); }));
  }
  return samples;
}

bool same(const PathSolver& a, const PathSolver& b) {
  for (std::size_t i = 0; i < a.nodes(); ++i) {
    for (std::size_t j = 0; j < a.nodes(); ++j) {
      if (a.best(i, j) != b.best(i, j) || a.second(i, j) != b.second(i, j)) return false;
    }
  }
  return true;
}

PathProblem problem_of(const PathSolver& solver, const PathProblem& like) {
  PathProblem problem = like;
  for (std::size_t i = 0; i < like.nodes; ++i) {
    for (std::size_t j = 0; j < like.nodes; ++j) {
      problem.weight[i * like.nodes + j] = solver.weight(i, j);
    }
  }
  return problem;
}

void dump(const std::string& directory, const PathSolver& solver) {
  std::ofstream file(directory + "/solve_paths.csv");
  file << "from,to,best_units,best_relays,second_units,second_relays\n";
  const auto relays = [](const NodePath& path) {
    std::string text;
    if (path.first_relay != kNoRelay) text += std::to_string(path.first_relay);
    if (path.second_relay != kNoRelay) text += " " + std::to_string(path.second_relay);
    return text;
  };
  for (std::size_t i = 0; i < solver.nodes(); ++i) {
    for (std::size_t j = 0; j < solver.nodes(); ++j) {
      if (i == j) continue;
      const NodePath best = solver.best(i, j);
      const NodePath second = solver.second(i, j);
      file << fmt::format("{},{},{},{},{},{}\n", i, j, best.cost, relays(best), second.cost,
                          relays(second));
    }
  }
}

int run(const PathProblem& problem, int runs, const std::string& directory) {
  nlohmann::json out;
  const std::vector<InstructionSet> sets = available_instruction_sets();
  const InstructionSet fastest = sets.back();
  out["nodes"] = problem.nodes;
  out["isa"] = to_string(fastest);
  out["isa_missing"] = nlohmann::json::array();
  for (const InstructionSet set :
       {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    if (std::ranges::find(sets, set) == sets.end()) out["isa_missing"].push_back(to_string(set));
  }

  PathSolver solver(fastest);
  solver.solve(problem);
  bool equal = true;
  for (const InstructionSet set : sets) {
    PathSolver other(set);
    Samples samples;
    for (int i = 0; i < (set == fastest ? runs : std::min(runs, 3)); ++i) {
      samples.push_back(timed([&] { other.solve(problem); }));
    }
    out["full_ms_by_isa"][std::string(to_string(set))] = samples;
    equal = equal && same(other, solver);
  }
  Rng rng(99);
  for (int i = 0; i < 300; ++i) {
    const std::size_t from = rng.below(problem.nodes);
    const std::size_t to = rng.below(problem.nodes);
    const ReferencePair want = reference_pair(problem, from, to);
    equal = equal && solver.best(from, to) == want.best && solver.second(from, to) == want.second;
  }
  if (!directory.empty()) dump(directory, solver);

  out["incremental_ms_1"] = time_updates(solver, 400, 1, rng, uniform_change);
  out["incremental_ms_1_used"] = time_updates(solver, 200, 1, rng, used_change);
  out["incremental_ms_10"] = time_updates(solver, 30, 10, rng, uniform_change);
  out["incremental_ms_100"] = time_updates(solver, 10, 100, rng, uniform_change);
  const PathProblem changed = problem_of(solver, problem);
  PathSolver full(fastest);
  full.solve(changed);
  out["incremental_equals_full"] = same(full, solver);
  out["equals_reference"] = equal && same(full, solver);

  // The stages alone, on matrices of their own, and the machine's limit.
  const PathKernel& kernel = kernel_of(fastest);
  const std::size_t stride =
      (problem.nodes + kPathPanel - 1) / kPathPanel * kPathPanel + kPathPanel;
  std::vector<std::vector<std::uint16_t>> matrices(
      17, std::vector<std::uint16_t>(problem.nodes * stride, kUnreachable));
  for (std::size_t i = 0; i < problem.nodes; ++i) {
    for (std::size_t j = 0; j < problem.nodes; ++j) {
      if (i == j) continue;
      matrices[0][i * stride + j] = problem.weight[i * problem.nodes + j];
      matrices[1][i * stride + j] = static_cast<std::uint16_t>(
          std::min<std::uint32_t>(problem.weight[i * problem.nodes + j] + 30U, kUnreachable));
      matrices[12][j * stride + i] = matrices[1][i * stride + j];
    }
  }
  std::vector<std::uint32_t> scratch(kPathScratchWords * problem.nodes);
  PathArrays p{};
  p.nodes = problem.nodes;
  p.stride = stride;
  p.weight = matrices[0].data();
  p.onward = matrices[1].data();
  p.tail_cost = matrices[2].data();
  p.tail_relay = matrices[3].data();
  p.tail2_cost = matrices[4].data();
  p.tail2_relay = matrices[5].data();
  p.best_cost = matrices[6].data();
  p.best_first = matrices[7].data();
  p.best_last = matrices[8].data();
  p.second_cost = matrices[9].data();
  p.second_first = matrices[10].data();
  p.second_last = matrices[11].data();
  std::vector<std::uint8_t> third_used(problem.nodes * stride);
  p.third_used = third_used.data();
  p.onward_to = matrices[12].data();
  p.tail_cost_to = matrices[13].data();
  p.tail_relay_to = matrices[14].data();
  p.tail2_cost_to = matrices[15].data();
  p.tail2_relay_to = matrices[16].data();
  p.scratch = scratch.data();
  const double cube = std::pow(static_cast<double>(problem.nodes), 3.0);
  for (int i = 0; i < runs; ++i) {
    const double tails = timed([&] { kernel.tails(&p, 0, problem.nodes); });
    const double transposes = timed([&] {
      kernel.transpose(p.tail_cost, p.tail_cost_to, problem.nodes, stride);
      kernel.transpose(p.tail_relay, p.tail_relay_to, problem.nodes, stride);
      kernel.transpose(p.tail2_cost, p.tail2_cost_to, problem.nodes, stride);
      kernel.transpose(p.tail2_relay, p.tail2_relay_to, problem.nodes, stride);
    });
    const double paths = timed([&] { kernel.paths(&p, 0, problem.nodes); });
    std::uint32_t sink = 0;
    std::uint64_t relaxations = 0;
    const double limit = timed([&] { relaxations = kernel.limit(200'000, &sink); });
    out["tails_ms"].push_back(tails);
    out["transposes_ms"].push_back(transposes);
    out["paths_ms"].push_back(paths);
    out["achieved_grelax"].push_back(cube / paths * 1e-6);
    out["kernel_limit_grelax"].push_back(static_cast<double>(relaxations) / limit * 1e-6 +
                                         (sink == 42 ? 1e-12 : 0.0));
  }
  fmt::print("{}\n", out.dump());
  return 0;
}

}  // namespace
}  // namespace linkpilot::optimizer

int main(int argc, char** argv) {
  linkpilot::CommandLine words(
      "Times path searches; prints samples in milliseconds of CPU time as one JSON object.");
  linkpilot::Command app = words.root();
  std::size_t nodes = 1000;
  int hubs = 0;
  int runs = 9;
  std::string weights;
  std::string directory;
  bool json = false;
  app.option("--nodes", nodes, "nodes of the synthetic network").range(2, 4096);
  app.option("--hubs", hubs, "only hubs relay (not built yet)");
  app.option("--weights", weights, "square matrix of milliseconds instead");
  app.option("--runs", runs, "how often a full solve is timed").range(1, 1000);
  app.option("--dump", directory, "write every pair's paths as CSV into this directory");
  app.flag("--json", json, "accepted for symmetry: the output is always JSON");
  if (const auto code = words.parse(argc, argv)) return *code;
  if (hubs != 0) {
    fmt::print(stderr, "solve: --hubs is not built yet: every node may relay\n");
    return 2;
  }
  using namespace linkpilot::optimizer;
  if (weights.empty()) return run(synthetic(nodes, 1), runs, directory);
  const auto problem = read_weights(weights);
  if (!problem) {
    fmt::print(stderr, "solve: {}\n", problem.error().message);
    return 2;
  }
  return run(*problem, runs, directory);
}
