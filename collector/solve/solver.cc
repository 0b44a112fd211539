#include "collector/solve/solver.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace linkpilot::collector {

namespace {
constexpr int kNice = 5;
}  // namespace

SolveJob merge_jobs(const SolveJob& older, SolveJob newer) {
  using optimizer::PlanMode;
  newer.all_tables = newer.all_tables || older.all_tables;
  newer.request.forced = newer.request.forced || older.request.forced;
  if (older.request.mode == PlanMode::tick || newer.request.mode == PlanMode::tick) {
    newer.request.mode = PlanMode::tick;  // looks at every link
    newer.request.changed.clear();
    return newer;
  }
  newer.request.changed.insert(newer.request.changed.end(), older.request.changed.begin(),
                               older.request.changed.end());
  return newer;
}

struct Solver::State {
  explicit State(OnOutcome callback) : on_outcome(std::move(callback)) {}

  void run() {
    // Of this thread alone (Linux). A large fleet's tick computes for a tenth of a second and more:
    // on a full machine it gives way to the loop that takes alarms and reports in.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    for (;;) {
      SolveJob job;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] { return stopping || waiting.has_value(); });
        if (stopping) return;
        job = *std::move(waiting);
        waiting.reset();
      }
      const auto began = std::chrono::steady_clock::now();
      if (job.make_links) job.view.links = job.make_links();
      optimizer::PlannerResult result =
          optimizer::plan_routes(job.view, job.policy, std::move(planner), job.request, job.now);
      planner = std::move(result.next);
      SolveOutcome outcome;
      outcome.tables = std::move(result.tables);
      outcome.all_tables = job.all_tables && result.guard.publish;
      if (outcome.all_tables) outcome.tables = planner.tables();
      outcome.suppressed = std::move(result.suppressed);
      outcome.moves = std::move(result.moves);
      outcome.guard = std::move(result.guard);
      outcome.mode = job.request.mode;
      if (outcome.mode == optimizer::PlanMode::tick) outcome.links = std::move(job.view.links);
      outcome.took = std::chrono::steady_clock::now() - began;
      on_outcome(std::move(outcome));
    }
  }

  OnOutcome on_outcome;
  optimizer::PlannerState planner;  // solver thread
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::optional<SolveJob> waiting;  // guarded by mutex
  std::uint64_t replaced = 0;       // guarded by mutex
  bool stopping = false;            // guarded by mutex
  std::thread thread;
};

Solver::Solver(OnOutcome on_outcome) : state_(std::make_unique<State>(std::move(on_outcome))) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Solver::~Solver() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

void Solver::submit(SolveJob job) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting) {
      ++state_->replaced;
      job = merge_jobs(*state_->waiting, std::move(job));
    }
    state_->waiting = std::move(job);
  }
  state_->wake.notify_all();
}

std::uint64_t Solver::replaced() const {
  const std::lock_guard lock(state_->mutex);
  return state_->replaced;
}

}  // namespace linkpilot::collector
