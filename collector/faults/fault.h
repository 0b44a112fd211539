// Fault: one cause of trouble in the fleet, from the moment it is believed until it is over. Values
// only; times are the collector's wall clock. Names are kept beside numbers, so that a fault can be
// told of after its node has left.
//
// A fault is found by what it is about (`key`, e.g. "link:paris:tokyo"); `id` names one occurrence
// of it for ever and follows from key and `since`, so the same trouble found again gets the same
// name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fleet.h"
#include "base/ids.h"
#include "base/time.h"

namespace linkpilot::collector {

// What is affected: everything in a region, a node, one of a node's ports, the links between two
// nodes, an agent (not its node), what a node serves, all between two regions or two ISPs, a shared
// hop of the backhaul, a push from relay to relay, a stream, a vendor, the collector's own network.
enum class FaultScope : std::uint8_t {
  region,
  node,
  port,
  link,
  agent,
  service,
  region_pair,
  isp_pair,
  hop,
  relay_push,
  stream,
  vendor,
  collector
};
inline constexpr FaultScope kFaultScopes[] = {
    FaultScope::region,   FaultScope::node,       FaultScope::port,        FaultScope::link,
    FaultScope::agent,    FaultScope::service,    FaultScope::region_pair, FaultScope::isp_pair,
    FaultScope::hop,      FaultScope::relay_push, FaultScope::stream,      FaultScope::vendor,
    FaultScope::collector};
enum class FaultGrade : std::uint8_t { degraded, dead };
enum class FaultEvent : std::uint8_t { opened, updated, resolved };
// How soon somebody must look: an info can wait for the morning, a critical one wakes people.
enum class FaultSeverity : std::uint8_t { info, warning, critical };

[[nodiscard]] std::string_view to_string(FaultScope scope);
[[nodiscard]] std::string_view to_string(FaultGrade grade);
[[nodiscard]] std::string_view to_string(FaultEvent event);
[[nodiscard]] std::string_view to_string(FaultSeverity severity);
// What is wider than a link (a region, a node, a pair of regions, a stream, ...) and dead is
// critical, a dead port, link or push a warning; degraded is one less.
[[nodiscard]] FaultSeverity severity_of(FaultScope scope, FaultGrade grade);

// One directed link as the fault shows on it. Negative: not known.
struct FaultLink {
  LinkId link;
  std::string text;  // "tokyo/0>paris/0"
  FaultGrade grade = FaultGrade::degraded;
  double rtt_ms_before = -1;
  double rtt_ms = -1;
  double loss_ratio_before = -1;
  double loss_ratio = -1;
  std::string seen;  // by whom, e.g. "confirmed by tokyo, last heard 2026-..Z"
  friend bool operator==(const FaultLink&, const FaultLink&) = default;
};

inline constexpr std::size_t kFaultLinksKept = 12;
inline constexpr std::size_t kFaultRoutesKept = 12;
inline constexpr std::size_t kFaultMembersMax = 64;
inline constexpr std::size_t kFaultAlternativesMax = 4;

struct Fault {
  std::string key;
  std::string id;  // 12 hexadecimal digits
  FaultScope scope = FaultScope::link;
  FaultGrade grade = FaultGrade::dead;
  std::vector<NodeId> nodes;         // those it is about: one, the two ends, a region's
  std::vector<std::string> members;  // the same by name; a port as "tokyo/1"; at most
                                     // kFaultMembersMax
  std::string region;                // of scope region
  PortIndex port;                    // of scope port
  std::string vendor;                // whose network or service it is, where that is known

  UnixNanos since;                    // when the trouble began, as far as is known
  UnixNanos opened;                   // when it had lasted long enough to be told
  UnixNanos updated;                  // the last event
  UnixNanos resolved;                 // zero: open
  std::uint32_t events = 0;           // told so far: opened is 1
  std::string detail;                 // what the judge saw, one sentence
  double confidence = 1;              // that this is the cause, among what else it could be ...
  std::vector<std::string> could_be;  // ... "link a - b (12 %)", at most kFaultAlternativesMax
  std::string outcome;                // why it is over

  std::vector<FaultLink> links;     // the worst, at most kFaultLinksKept ...
  std::uint32_t links_total = 0;    // ... of so many
  std::vector<std::string> routes;  // that moved because of it, at most kFaultRoutesKept ...
  std::uint32_t routes_total = 0;   // ... of so many

  [[nodiscard]] bool open() const { return resolved.ns == 0; }
  friend bool operator==(const Fault&, const Fault&) = default;
};

// Something happened to a fault that people should hear of; `fault` is as it stands after that.
struct FaultChange {
  FaultEvent event = FaultEvent::opened;
  Fault fault;
};

// The name of this occurrence: 48 bits of FNV-1a over key and time.
[[nodiscard]] std::string fault_id(std::string_view key, UnixNanos since);
// "node tokyo", "link paris - tokyo", "port tokyo/1", "region ap-northeast-1", "regions north -
// east".
[[nodiscard]] std::string subject_of(const Fault& fault);

}  // namespace linkpilot::collector
