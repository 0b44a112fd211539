#include "optimizer/detect/dial_target.h"

#include <algorithm>

namespace linkpilot::optimizer {

namespace {

// Of values that came after a change, before they say whether it is over.
constexpr std::size_t kNewest = 4;

double dial_milliseconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

}  // namespace

void DialTarget::add(const DialLook& look, const DialTargetOptions& options) {
  if (look.prober_overloaded) return;
  failures_.add(1, look.failed ? 1 : 0, 0.0, options.failures);
  if (look.failed) {
    note_failure(look);
    return;
  }
  if (failures_.sent() == 0) kinds_used_ = 0;
  follow(late_, first_frame_usual_ms_, first_frame_, dial_milliseconds(look.first_frame),
         options.first_frame);
  follow(stalling_, stalls_usual_, stalls_, 100.0 * look.stall_ratio, options.stalls);
}

// Worse until a change brings it half the way back to what was usual before.
void DialTarget::follow(bool& standing, double& usual, DelayChange& series, double value,
                        const DelayChangeOptions& options) {
  const std::optional<ChangePoint> change = series.add(value, options);
  if (!change || change->kind == ChangeKind::spread) return;
  if (!standing && change->kind == ChangeKind::up) {
    standing = true;
    usual = change->before;
  } else if (standing && change->kind == ChangeKind::down) {
    standing = change->after > 0.5 * (usual + change->before);
  }
}

void DialTarget::note_failure(const DialLook& look) {
  const auto end = kinds_.begin() + static_cast<std::ptrdiff_t>(kinds_used_);
  auto found = std::find_if(kinds_.begin(), end, [&look](const DialFailureCount& each) {
    return each.stage == look.stage && each.kind == look.kind && each.code == look.code;
  });
  if (found == end) {
    if (kinds_used_ < kFailuresKept) {
      *found = {look.stage, look.kind, look.code, 0};
      ++kinds_used_;
    } else {
      --found;
    }
  }
  ++found->count;
  while (found != kinds_.begin() && std::prev(found)->count < found->count) {
    std::iter_swap(found, std::prev(found));
    --found;
  }
}

std::optional<double> DialTarget::first_frame_ms() const {
  const double median = first_frame_.recent_median(kNewest);
  return median > 0.0 ? std::optional(median) : std::nullopt;
}

std::optional<double> DialTarget::first_frame_usual_ms() const {
  if (late_) return first_frame_usual_ms_;
  if (first_frame_.reference_count() == 0) return std::nullopt;
  return first_frame_.median();
}

bool later_than_peers(double first_frame_ms, std::span<const double> peers_ms,
                      const DialTargetOptions& options) {
  if (peers_ms.size() < options.peers_min) return false;
  const auto faster = std::count_if(peers_ms.begin(), peers_ms.end(), [&](double peer) {
    return first_frame_ms > peer * options.peers_ratio &&
           first_frame_ms > peer + options.peers_absolute_ms;
  });
  return 2 * static_cast<std::size_t>(faster) >= peers_ms.size();
}

}  // namespace linkpilot::optimizer
