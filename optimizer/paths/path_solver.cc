#include "optimizer/paths/path_solver.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace linkpilot::optimizer {
namespace {

static_assert(kSolverNodesMax + 1 < (std::size_t{1} << kPathRelayBits));

// Whole panels, and no stride of a multiple of 2 kB: rows would share cache sets.
std::size_t stride_for(std::size_t nodes) {
  const std::size_t panels = (nodes + kPathPanel - 1) / kPathPanel;
  return (panels % 32 == 0 && panels > 0 ? panels + 1 : panels) * kPathPanel;
}

NodePath path_of(PathUnits cost, std::uint16_t first, std::uint16_t last) {
  if (cost == kUnreachable) return {};
  return {cost, static_cast<std::uint16_t>(first - 1), static_cast<std::uint16_t>(last - 1)};
}

// Above this a full solve is cheaper than one change after the other.
bool many(std::size_t changes, std::size_t nodes) { return changes > 2 + nodes / 32; }

}  // namespace

const PathKernel& kernel_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return kPathKernelBaseline;
    case InstructionSet::avx2:
      return kPathKernelAvx2;
    case InstructionSet::avx512:
      return kPathKernelAvx512;
  }
  return kPathKernelBaseline;
}

PathUnits quantise(double cost_ms) {
  const double units = cost_ms * kUnitsPerMs;
  if (!(units > 0.0) || !(units < static_cast<double>(kUnreachable) - 0.5)) return kUnreachable;
  return static_cast<PathUnits>(std::max(1.0, std::round(units)));
}

std::string_view to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return "baseline";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      return "avx512";
  }
  return "?";
}

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets{InstructionSet::baseline};
  if (__builtin_cpu_supports("avx2") != 0) sets.push_back(InstructionSet::avx2);
  if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0) {
    sets.push_back(InstructionSet::avx512);
  }
  return sets;
}

PathArrays PathSolver::arrays() {
  PathArrays p{};
  p.nodes = nodes_;
  p.stride = stride_;
  p.weight = weight_.data();
  p.onward = onward_.data();
  p.tail_cost = tail_cost_.data();
  p.tail_relay = tail_relay_.data();
  p.tail2_cost = tail2_cost_.data();
  p.tail2_relay = tail2_relay_.data();
  p.best_cost = best_cost_.data();
  p.best_first = best_first_.data();
  p.best_last = best_last_.data();
  p.second_cost = second_cost_.data();
  p.second_first = second_first_.data();
  p.second_last = second_last_.data();
  p.onward_to = onward_to_.data();
  p.tail_cost_to = tail_cost_to_.data();
  p.tail_relay_to = tail_relay_to_.data();
  p.tail2_cost_to = tail2_cost_to_.data();
  p.tail2_relay_to = tail2_relay_to_.data();
  p.third_used = third_used_.data();
  p.scratch = scratch_.data();
  return p;
}

void PathSolver::solve(const PathProblem& problem) {
  LP_ASSERT(problem.nodes <= kSolverNodesMax);
  LP_ASSERT(problem.weight.size() == problem.nodes * problem.nodes);
  LP_ASSERT(problem.relay_cost.empty() || problem.relay_cost.size() == problem.nodes);
  nodes_ = problem.nodes;
  stride_ = stride_for(nodes_);
  relay_cost_ = problem.relay_cost;
  relay_cost_.resize(nodes_, 0);
  relays_max_ = problem.relays_max;
  if (relays_max_ == 0) std::ranges::fill(relay_cost_, kUnreachable);
  prepare();
  all_touched_ = true;
  touched_.clear();
  if (nodes_ == 0) return;

  for (std::size_t from = 0; from < nodes_; ++from) {
    const PathUnits* row = &problem.weight[from * nodes_];
    PathUnits* weight = &weight_[from * stride_];
    PathUnits* onward = &onward_[from * stride_];
    for (std::size_t to = 0; to < nodes_; ++to) {
      weight[to] = row[to] == 0 || from == to ? kUnreachable : row[to];
      onward[to] = static_cast<PathUnits>(cost_sum(relay_cost_[from], weight[to]));
    }
  }
  const PathKernel& kernel = kernel_of(set_);
  const PathArrays p = arrays();
  kernel.transpose(p.onward, onward_to_.data(), nodes_, stride_);
  if (relays_max_ < 2) {
    direct_tails();
  } else {
    kernel.tails(&p, 0, nodes_);
  }
  kernel.transpose(p.tail_cost, p.tail_cost_to, nodes_, stride_);
  kernel.transpose(p.tail_relay, p.tail_relay_to, nodes_, stride_);
  kernel.transpose(p.tail2_cost, p.tail2_cost_to, nodes_, stride_);
  kernel.transpose(p.tail2_relay, p.tail2_relay_to, nodes_, stride_);
  kernel.paths(&p, 0, nodes_);
}

void PathSolver::direct_tails() {
  tail_cost_ = onward_;
  std::ranges::fill(tail2_cost_, kUnreachable);
  for (Matrix* relay : {&tail_relay_, &tail2_relay_}) std::ranges::fill(*relay, std::uint16_t{0});
}

// The kernels write every cell of what they make; only paddings have to be right beforehand.
void PathSolver::prepare() {
  const std::size_t cells = nodes_ * stride_;
  std::ranges::fill(third_used_, std::uint8_t{0});
  if (weight_.size() == cells && third_used_.size() == cells) return;
  for (Matrix* matrix : {&weight_, &onward_, &onward_to_, &tail_cost_, &tail2_cost_, &tail_cost_to_,
                         &tail2_cost_to_, &best_cost_, &second_cost_}) {
    matrix->assign(cells, kUnreachable);
  }
  for (Matrix* matrix : {&tail_relay_, &tail2_relay_, &tail_relay_to_, &tail2_relay_to_,
                         &best_first_, &best_last_, &second_first_, &second_last_}) {
    matrix->assign(cells, 0);
  }
  third_used_.assign(cells, 0);
  scratch_.assign(kPathScratchWords * nodes_, 0);
}

void PathSolver::set_weight(std::size_t from, std::size_t to, PathUnits weight) {
  weight_[from * stride_ + to] = weight;
  const auto onward = static_cast<PathUnits>(cost_sum(relay_cost_[from], weight));
  onward_[from * stride_ + to] = onward;
  onward_to_[to * stride_ + from] = onward;
}

NodePath PathSolver::best(std::size_t from, std::size_t to) const {
  const std::size_t at = from * stride_ + to;
  return path_of(best_cost_[at], best_first_[at], best_last_[at]);
}

NodePath PathSolver::second(std::size_t from, std::size_t to) const {
  const std::size_t at = from * stride_ + to;
  return path_of(second_cost_[at], second_first_[at], second_last_[at]);
}

PathUnits PathSolver::cost_of(std::size_t from, std::size_t to, NodePath path) const {
  if (from == to) return kUnreachable;
  const std::size_t x = path.first_relay;
  const std::size_t y = path.second_relay;
  if (x == kNoRelay) return weight_[from * stride_ + to];
  if (x >= nodes_ || x == from || x == to) return kUnreachable;
  const std::uint32_t first = weight_[from * stride_ + x];
  if (y == kNoRelay) return static_cast<PathUnits>(cost_sum(first, onward_[x * stride_ + to]));
  if (y >= nodes_ || y == from || y == to || y == x) return kUnreachable;
  return static_cast<PathUnits>(
      cost_sum(first, cost_sum(onward_[x * stride_ + y], onward_[y * stride_ + to])));
}

PathUnits PathSolver::tail_cost(std::size_t from, std::size_t to) const {
  return from == to ? PathUnits{0} : tail_cost_[from * stride_ + to];
}

void PathSolver::update(std::span<const WeightChange> changes) {
  if (many(changes.size(), nodes_)) {
    resolve(changes);
  } else {
    update_each(changes);
  }
}

void PathSolver::resolve(std::span<const WeightChange> changes) {
  PathProblem problem{nodes_, {}, relay_cost_, relays_max_};
  problem.weight.reserve(nodes_ * nodes_);
  for (std::size_t from = 0; from < nodes_; ++from) {
    for (std::size_t to = 0; to < nodes_; ++to) problem.weight.push_back(weight(from, to));
  }
  for (const WeightChange& change : changes) {
    LP_ASSERT(change.from < nodes_ && change.to < nodes_);
    problem.weight[change.from * nodes_ + change.to] = change.weight;
  }
  solve(problem);
}

void PathSolver::update_each(std::span<const WeightChange> changes) {
  if (relays_max_ < 2) {
    resolve(changes);
    return;
  }
  all_touched_ = false;
  touched_.clear();
  for (const WeightChange& change : changes) update_one(change);
  std::ranges::sort(touched_);
  const auto repeated = std::ranges::unique(touched_);
  touched_.erase(repeated.begin(), repeated.end());
}

}  // namespace linkpilot::optimizer
