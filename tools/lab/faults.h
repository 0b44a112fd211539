// Faults: what an operator of the lab changes while it runs, as a list of overrides on the
// topology's settings. Values and pure functions: the settings in force follow from topology and
// list alone.
//
// Of several faults on one pair delays add up; of everything else the newest holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/lab/impairment.h"
#include "tools/lab/topology.h"

namespace linkpilot::lab {

inline constexpr std::size_t kFaultsMax = 1'024;

// Values are in the ledger: never reused.
enum class FaultKind : std::uint8_t {
  unspecified = 0,
  blackhole = 1,
  delay = 2,
  jitter = 3,
  loss = 4,
  burst_loss = 5,
  reorder = 6,
  duplicate = 7,
  rate = 8,
  mtu = 9,
  node_down = 10,
  region_cut = 11,
};

[[nodiscard]] std::string_view to_string(FaultKind kind);
[[nodiscard]] FaultKind parse_fault_kind(std::string_view text);  // unspecified if it is none

enum class Direction : std::uint8_t { one_way, both_ways };

// What is asked for. Node names are resolved by `FaultList::set`.
struct FaultRequest {
  FaultKind kind = FaultKind::unspecified;
  std::string from{};  // pair faults; "*" is every node but the collector
  std::string to{};
  Direction direction = Direction::one_way;
  std::string node{};                  // node_down
  std::string region{};                // region_cut
  std::optional<std::uint8_t> flow{};  // blackhole of one ECMP sibling
  Duration delay{};  // delay: what is added; reorder: how long packets are held back
  Duration jitter{};
  double ratio = 0;  // loss, burst_loss, reorder, duplicate
  Duration mean{};   // burst_loss: mean length of a burst
  std::uint64_t rate_bits_per_s = 0;
  Duration queue{};
  std::uint32_t mtu = 0;
};

struct Fault {
  std::uint32_t number = 0;  // from 1, never reused in a run
  FaultRequest request;
};

// Which faults to lift: by number, or every one that names the given ends, or, all empty,
// everything.
struct HealRequest {
  std::optional<std::uint32_t> number{};
  std::string from{};
  std::string to{};
  Direction direction = Direction::one_way;
  std::string node{};
  std::string region{};
  FaultKind kind = FaultKind::unspecified;  // unspecified: of any kind
};

// Settings in force, recomputed whole when a fault comes or goes.
struct SettingsInForce {
  std::vector<Impairment> pairs;
  std::vector<bool> node_down;
  std::vector<bool> pair_cut;  // by region_cut
};

class FaultList {
 public:
  [[nodiscard]] Result<Fault> set(const Topology& topology, const FaultRequest& request);
  // The faults that were lifted; not_found if a number or an end matches nothing.
  [[nodiscard]] Result<std::vector<Fault>> heal(const Topology& topology,
                                                const HealRequest& request);
  [[nodiscard]] const std::vector<Fault>& active() const { return faults_; }
  [[nodiscard]] SettingsInForce apply(const Topology& topology) const;

 private:
  std::vector<Fault> faults_;
  std::uint32_t next_number_ = 1;
};

}  // namespace linkpilot::lab
