#include "agent/plan/probe_requests.h"

#include <algorithm>

namespace linkpilot::agent {

namespace {

void add_delay(OneWayDelay& sum, const OneWayDelay& delay) {
  if (delay.count == 0) return;
  sum.min = sum.count == 0 ? delay.min : std::min(sum.min, delay.min);
  sum.error = std::max(sum.error, delay.error);
  sum.sum += delay.sum;
  sum.count += delay.count;
}

}  // namespace

void add_sample(LinkSample& sum, const LinkSample& sample) {
  const UnixNanos end = std::max(sum.start + sum.length, sample.start + sample.length);
  sum.start = std::min(sum.start, sample.start);
  sum.length = end - sum.start;
  sum.flows = std::max(sum.flows, sample.flows);
  if (sample.answered > 0) {
    sum.rtt_min = sum.answered == 0 ? sample.rtt_min : std::min(sum.rtt_min, sample.rtt_min);
    sum.rtt_max = std::max(sum.rtt_max, sample.rtt_max);
  }
  sum.sent += sample.sent;
  sum.answered += sample.answered;
  sum.late += sample.late;
  sum.lost_forward += sample.lost_forward;
  sum.lost_backward += sample.lost_backward;
  sum.lost_unplaced += sample.lost_unplaced;
  sum.duplicate_forward += sample.duplicate_forward;
  sum.duplicate_backward += sample.duplicate_backward;
  sum.reordered_forward += sample.reordered_forward;
  sum.reordered_backward += sample.reordered_backward;
  sum.missed_by_us += sample.missed_by_us;
  sum.local_send_error += sample.local_send_error;
  sum.rtt_sum += sample.rtt_sum;
  sum.rtt.merge(sample.rtt);
  add_delay(sum.forward_delay, sample.forward_delay);
  add_delay(sum.backward_delay, sample.backward_delay);
  sum.ipdv_count += sample.ipdv_count;
  sum.ipdv_sum += sample.ipdv_sum;
  // The worst method of all, in the order of the enumeration.
  sum.timestamps = std::max(sum.timestamps, sample.timestamps);
  sum.nonconformant_peer = sum.nonconformant_peer || sample.nonconformant_peer;
}

Status ProbeRequests::accept(const ProbeRequest& request, Now now) {
  if (pending_.size() >= kPendingMax) {
    return fail(ErrorCode::limit_exceeded, "too many probe requests at once");
  }
  if (request.count == 0 || request.count > kCountMax) {
    return fail(ErrorCode::invalid_argument, "count must be 1 to " + std::to_string(kCountMax));
  }
  if (request.interval <= Duration::zero() || request.interval > kLengthMax / request.count) {
    return fail(ErrorCode::invalid_argument,
                "count * interval must be above 0 and at most " + format_duration(kLengthMax));
  }
  const Duration length = request.interval * request.count;
  pending_.push_back(
      {request, now.wall, now.wall + length, now.mono + length + kPatience, {}, false});
  return {};
}

void ProbeRequests::on_sample(const LinkSample& sample) {
  for (Pending& pending : pending_) {
    if (pending.request.link != sample.link) continue;
    const UnixNanos end = sample.start + sample.length;
    if (end <= pending.from || sample.start >= pending.to) continue;
    if (pending.sum) {
      add_sample(*pending.sum, sample);
    } else {
      pending.sum = sample;
    }
    pending.complete = end >= pending.to;
  }
}

std::vector<ProbeResult> ProbeRequests::take(Now now) {
  std::vector<ProbeResult> results;
  std::erase_if(pending_, [&](const Pending& pending) {
    if (!pending.complete && now.mono < pending.give_up) return false;
    ProbeResult result;
    result.request = pending.request.request;
    if (pending.sum) {
      result.sample = *pending.sum;
    } else {
      result.error = "no sample came: is the link still planned?";
    }
    results.push_back(std::move(result));
    return true;
  });
  return results;
}

}  // namespace linkpilot::agent
