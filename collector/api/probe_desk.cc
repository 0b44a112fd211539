#include "collector/api/probe_desk.h"

#include <fmt/format.h>

#include <chrono>

namespace linkpilot::collector {

Result<LinkSample> ProbeDesk::probe(LinkId link, std::uint32_t count, Duration interval,
                                    Duration patience) {
  std::unique_lock lock(mutex_);
  if (closed_) return fail(ErrorCode::unavailable, "the collector is stopping");
  if (waits_.size() >= kProbesActiveMax) {
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{} probes are running already; try again in a moment", waits_.size()));
  }
  const std::uint64_t id = next_request_++;
  Wait& wait = waits_[id];
  wait.request = {id, link, count, interval};
  ++figures_.requested;
  lock.unlock();
  if (wake_) wake_();
  lock.lock();
  const bool done = answered_.wait_for(lock, patience, [&] { return wait.outcome.has_value(); });
  Result<LinkSample> outcome =
      done ? *std::move(wait.outcome)
           : Result<LinkSample>(fail(
                 ErrorCode::timeout,
                 fmt::format("the agent did not answer within {}", format_duration(patience))));
  if (!done) ++figures_.timed_out;
  waits_.erase(id);
  return outcome;
}

std::vector<ProbeRequest> ProbeDesk::fetch() {
  const std::lock_guard lock(mutex_);
  std::vector<ProbeRequest> requests;
  for (auto& [id, wait] : waits_) {
    if (wait.fetched) continue;
    wait.fetched = true;
    requests.push_back(wait.request);
  }
  return requests;
}

void ProbeDesk::answer(NodeId from, const ProbeResult& result) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = waits_.find(result.request);
    if (found == waits_.end() || found->second.request.link.from.node != from) return;
    ++figures_.answered;
    if (result.error.empty()) {
      found->second.outcome = result.sample;
    } else {
      found->second.outcome = fail(ErrorCode::unavailable, result.error.substr(0, 200));
    }
  }
  answered_.notify_all();
}

void ProbeDesk::refuse(std::uint64_t request, Error error) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = waits_.find(request);
    if (found == waits_.end()) return;
    found->second.outcome = fail(std::move(error));
  }
  answered_.notify_all();
}

void ProbeDesk::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [id, wait] : waits_) {
      wait.outcome = fail(ErrorCode::unavailable, "the collector is stopping");
    }
  }
  answered_.notify_all();
}

ProbeFigures ProbeDesk::figures() const {
  const std::lock_guard lock(mutex_);
  ProbeFigures figures = figures_;
  figures.active = waits_.size();
  return figures;
}

}  // namespace linkpilot::collector
