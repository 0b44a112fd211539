#include "collector/hand/audit_log.h"

#include <utility>

namespace linkpilot::collector {

AuditLog::AuditLog(std::vector<AuditEntry> restored)
    : entries_(std::make_shared<const std::vector<AuditEntry>>(std::move(restored))) {}

const AuditEntry& AuditLog::add(AuditEntry entry) {
  // Orders are rare: a copy for each keeps readers without a lock.
  auto next = std::make_shared<std::vector<AuditEntry>>(*entries_);
  entry.id = next->empty() ? 1 : next->back().id + 1;
  if (next->size() >= kAuditRestored) next->erase(next->begin());
  next->push_back(std::move(entry));
  entries_ = std::move(next);
  return entries_->back();
}

}  // namespace linkpilot::collector
