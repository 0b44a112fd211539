// Faults and the mails about them, in the same transaction as everything else. Internal to store/.
#pragma once

#include <vector>

#include "collector/store/database.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

// Resolved faults beyond these go, oldest first.
inline constexpr std::size_t kFaultsKept = 10'000;
inline constexpr std::size_t kFaultsRestored = 200;  // of the resolved ones

inline constexpr const char* kFaultTables = R"(
CREATE TABLE IF NOT EXISTS faults(id TEXT PRIMARY KEY, opened_ns INTEGER NOT NULL,
  resolved_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS faults_resolved ON faults(resolved_ns);
CREATE TABLE IF NOT EXISTS mails(id INTEGER PRIMARY KEY, thread TEXT NOT NULL,
  message_id TEXT NOT NULL, subject TEXT NOT NULL, created_ns INTEGER NOT NULL,
  sender TEXT NOT NULL, recipients TEXT NOT NULL, octets BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS notices(key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
)";

struct FaultNotes {
  std::vector<Fault> faults;
  std::vector<OutgoingMail> mails;        // new, or with fewer recipients left
  std::vector<std::uint64_t> mails_gone;  // after the mails
  std::vector<NoticeRow> notices;         // in order: the last of a key holds
  [[nodiscard]] bool empty() const {
    return faults.empty() && mails.empty() && mails_gone.empty() && notices.empty();
  }
};

class FaultRows {
 public:
  [[nodiscard]] Status prepare(Database& database);
  [[nodiscard]] Status write(Database& database, const FaultNotes& notes);

 private:
  Statement replace_fault_;
  Statement replace_mail_;
  Statement delete_mail_;
  Statement replace_notice_;
  Statement delete_notice_;
};

// Open faults, the newest resolved ones (oldest first), all mails and notices.
[[nodiscard]] Status restore_faults(Database& database, Restored& restored);

}  // namespace linkpilot::collector
