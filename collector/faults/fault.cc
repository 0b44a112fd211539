#include "collector/faults/fault.h"

#include <fmt/format.h>

namespace linkpilot::collector {

namespace {

// draft-eastlake-fnv, 64-bit FNV-1a.
constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325ULL;
constexpr std::uint64_t kFnvPrime = 0x100000001b3ULL;

}  // namespace

std::string_view to_string(FaultScope scope) {
  switch (scope) {
    case FaultScope::region:
      return "region";
    case FaultScope::node:
      return "node";
    case FaultScope::port:
      return "port";
    case FaultScope::link:
      return "link";
    case FaultScope::agent:
      return "agent";
    case FaultScope::service:
      return "service";
    case FaultScope::region_pair:
      return "region_pair";
    case FaultScope::isp_pair:
      return "isp_pair";
    case FaultScope::hop:
      return "hop";
    case FaultScope::relay_push:
      return "relay_push";
    case FaultScope::stream:
      return "stream";
    case FaultScope::vendor:
      return "vendor";
    case FaultScope::collector:
      return "collector";
  }
  return "link";
}

std::string_view to_string(FaultGrade grade) {
  return grade == FaultGrade::dead ? "dead" : "degraded";
}

std::string_view to_string(FaultEvent event) {
  switch (event) {
    case FaultEvent::opened:
      return "opened";
    case FaultEvent::updated:
      return "updated";
    case FaultEvent::resolved:
      return "resolved";
  }
  return "opened";
}

std::string_view to_string(FaultSeverity severity) {
  switch (severity) {
    case FaultSeverity::info:
      return "info";
    case FaultSeverity::warning:
      return "warning";
    case FaultSeverity::critical:
      return "critical";
  }
  return "warning";
}

FaultSeverity severity_of(FaultScope scope, FaultGrade grade) {
  const bool wide = scope != FaultScope::port && scope != FaultScope::link &&
                    scope != FaultScope::agent && scope != FaultScope::hop &&
                    scope != FaultScope::relay_push;
  if (grade == FaultGrade::dead) return wide ? FaultSeverity::critical : FaultSeverity::warning;
  return wide ? FaultSeverity::warning : FaultSeverity::info;
}

std::string fault_id(std::string_view key, UnixNanos since) {
  std::uint64_t hash = kFnvBasis;
  for (const char c : fmt::format("{}|{}", key, since.ns)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  }
  return fmt::format("{:012x}", hash >> 16);
}

std::string subject_of(const Fault& fault) {
  if (fault.scope == FaultScope::region) return "region " + fault.region;
  std::string text(to_string(fault.scope));
  if (fault.scope == FaultScope::region_pair) text = "regions";
  if (fault.scope == FaultScope::isp_pair) text = "ISPs";
  if (fault.scope == FaultScope::relay_push) text = "relay push";
  if (fault.scope == FaultScope::service) text = "service of";
  for (std::size_t i = 0; i < fault.members.size(); ++i) {
    text += (i == 0 ? " " : " - ") + fault.members[i];
  }
  return text;
}

}  // namespace linkpilot::collector
