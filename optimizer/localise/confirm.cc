#include "optimizer/localise/confirm.h"

namespace linkpilot::optimizer {

std::vector<Cause> Confirmer::look(const Diagnosis& diagnosis, MonoTime now,
                                   const ConfirmOptions& options) {
  std::erase_if(tracks_,
                [&](const auto& each) { return now - each.second.last > options.forgiven; });
  std::vector<Cause> confirmed;
  for (const Cause& cause : diagnosis.causes) {
    auto found = tracks_.find(cause.id);
    if (found == tracks_.end()) {
      if (tracks_.size() >= kTrackedMax) {
        ++untracked_;
        continue;
      }
      found = tracks_.emplace(cause.id, Track{now, now}).first;
    }
    found->second.last = now;
    const Duration needed = cause.effect.dead ? options.dead_for : options.impaired_for;
    if (now - found->second.first >= needed) confirmed.push_back(cause);
  }
  return confirmed;
}

}  // namespace linkpilot::optimizer
