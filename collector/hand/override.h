// What an operator decided over the machine's head, and the record of who decided what. Values;
// the store keeps them, hand.h decides about them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/route_table.h"
#include "base/time.h"

namespace linkpilot::collector {

inline constexpr std::size_t kOverridesMax = 256;
inline constexpr std::size_t kAuthorLengthMax = 100;
inline constexpr std::size_t kReasonLengthMax = 300;
inline constexpr std::size_t kAuditKept = 10'000;     // on the disk
inline constexpr std::size_t kAuditRestored = 1'000;  // in memory

// Stored as numbers: never renumber.
enum class HandKind : std::uint8_t {
  drain = 1,     // the node relays nothing; routes from and to it stay
  freeze = 2,    // no route changes at all
  auto_off = 3,  // routes of a region, or of all, move by no decision of the machine
  pin = 4,       // one pair's path
  rollback = 5,  // the tables of an earlier version, frozen
};
[[nodiscard]] std::string_view to_string(HandKind kind);

// In force from `created` until `expires`, which every override has.
struct Override {
  std::uint64_t id = 0;
  HandKind kind = HandKind::drain;
  std::string node;              // drain: which; pin: where the media comes from
  std::string target;            // pin: where it goes
  std::vector<std::string> via;  // pin: the relays in the media's direction; empty: direct
  std::string region;            // auto_off; empty: everywhere
  TableVersion version;          // rollback
  std::string author;
  std::string reason;
  UnixNanos created;
  UnixNanos expires;
  friend bool operator==(const Override&, const Override&) = default;
};
// "drain tokyo", "pin tokyo paris via mumbai", "auto off in eu-west-1".
[[nodiscard]] std::string describe(const Override& over);

struct AuditEntry {
  std::uint64_t id = 0;
  UnixNanos time;
  std::string author;  // of the order; "collector" where the clock did it
  std::string action;  // "drain", "enrol", ...
  std::string subject;
  std::string outcome;  // "done", "refused", "expired"
  std::string reason;   // the operator's
  std::string detail;   // what came of it, or why it was refused
  friend bool operator==(const AuditEntry&, const AuditEntry&) = default;
};

// What one order changes on the disk, as one transaction.
struct HandChange {
  std::vector<Override> put;
  std::vector<std::uint64_t> ended;
  std::vector<AuditEntry> audit;
};

}  // namespace linkpilot::collector
