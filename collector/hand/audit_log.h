// Who ordered what, and what came of it: the newest kAuditRestored in memory for the API, more in
// the store. The loop adds; any thread reads the snapshot.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "collector/hand/override.h"

namespace linkpilot::collector {

class AuditLog {
 public:
  explicit AuditLog(std::vector<AuditEntry> restored);
  // Numbers the entry; the caller stores it.
  const AuditEntry& add(AuditEntry entry);
  [[nodiscard]] std::shared_ptr<const std::vector<AuditEntry>> entries() const { return entries_; }

 private:
  std::shared_ptr<const std::vector<AuditEntry>> entries_;  // oldest first
};

}  // namespace linkpilot::collector
