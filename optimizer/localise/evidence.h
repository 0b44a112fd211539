// What the localiser knows: the fleet's shape, which links are measured, what their ends say of
// those that deviate, what agents say of themselves, what dials saw. A value: recorded, it gives
// the same diagnosis for ever. Normal links are not listed, only counted, so a record is as big as
// the trouble is.
//
// Indices are dense and local to one record: ends (one port of one node), nodes, regions, ISPs,
// hops, streams, vendors; `FleetShape` says what they stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "optimizer/localise/claim.h"

namespace linkpilot::optimizer {

inline constexpr std::size_t kEvidenceFindingsMax = 200'000;
inline constexpr std::size_t kEvidenceDialsMax = 20'000;
inline constexpr std::size_t kEvidenceHopsMax = 4'096;
inline constexpr std::size_t kEvidenceHopLinksMax = 100'000;  // of all hops together
inline constexpr std::uint16_t kNoVendor = 0xffff;

struct FleetEnd {
  PortId port;
  std::uint16_t node = 0;
  std::uint16_t region = 0;
  std::uint16_t isp = 0;
  bool alone = true;  // its node has no other end
};

// A region or an ISP that is not known is an index like any other; nothing is blamed on it.
inline constexpr std::uint16_t kUnknownGroup = 0xffff;

struct FleetShape {
  std::vector<FleetEnd> ends;
  std::uint16_t nodes = 0;
  std::uint16_t regions = 0;
  std::uint16_t isps = 0;
  std::uint16_t region_unknown = kUnknownGroup;
  std::uint16_t isp_unknown = kUnknownGroup;
};

// How many directed links were measured lately, by whom they touch. A link counts if at least one
// of its ends reports it.
class Coverage {
 public:
  using PortCounts = std::map<PortId, std::uint32_t>;
  // Matrices stand row by row: from, to.
  struct Counts {
    std::vector<std::uint32_t> out;  // by node
    std::vector<std::uint32_t> in;
    std::vector<std::uint32_t> region_pairs;
    std::vector<std::uint32_t> isp_pairs;
    PortCounts ports_out;  // of ends that are not alone
    PortCounts ports_in;
  };
  explicit Coverage(const FleetShape& shape);
  // As it was recorded: `counts` is made for this shape.
  Coverage(const FleetShape& shape, Counts counts);
  [[nodiscard]] const Counts& counts() const { return counts_; }

  void add(const FleetEnd& from, const FleetEnd& to) { change(from, to, 1U); }
  void remove(const FleetEnd& from, const FleetEnd& to) { change(from, to, ~0U); }

  [[nodiscard]] std::uint32_t out_of_node(std::size_t node) const { return counts_.out[node]; }
  [[nodiscard]] std::uint32_t into_node(std::size_t node) const { return counts_.in[node]; }
  // Of ends that are not alone.
  [[nodiscard]] std::uint32_t out_of_port(PortId port) const {
    return count_of(counts_.ports_out, port);
  }
  [[nodiscard]] std::uint32_t into_port(PortId port) const {
    return count_of(counts_.ports_in, port);
  }
  [[nodiscard]] std::uint32_t between_regions(std::size_t from, std::size_t to) const {
    return counts_.region_pairs[from * regions_ + to];
  }
  [[nodiscard]] std::uint32_t between_isps(std::size_t from, std::size_t to) const {
    return counts_.isp_pairs[from * isps_ + to];
  }
  // Both ways across its border.
  [[nodiscard]] std::uint32_t across_region(std::size_t region) const;

 private:
  static std::uint32_t count_of(const PortCounts& counts, PortId port) {
    const auto found = counts.find(port);
    return found == counts.end() ? 0 : found->second;
  }
  void change(const FleetEnd& from, const FleetEnd& to, std::uint32_t by);
  std::size_t regions_;
  std::size_t isps_;
  Counts counts_;
};

// One directed link that at least one end calls abnormal.
struct LinkFinding {
  std::uint16_t from = 0;  // ends
  std::uint16_t to = 0;
  DirectionClaim near;  // by the end it leaves
  DirectionClaim far;   // by the end it reaches
};

// A router below several links, from path checks of the same flows.
struct SharedHop {
  struct Link {
    std::uint16_t from = 0;  // ends
    std::uint16_t to = 0;
  };
  std::uint32_t id = 0;
  std::vector<Link> links;  // all measured ones that cross it
};

// What is known of a node's agent.
struct AgentEvidence {
  bool heard = true;
  bool credible = true;  // agent_health.h
  bool enrolled = true;
};

// All dials of one stream at one place by one prober, in the time looked at.
struct DialEvidence {
  std::uint16_t prober = 0;  // node
  std::uint16_t stream = 0;
  std::uint16_t vendor = kNoVendor;  // else the place is the last of `path`
  std::vector<std::uint16_t> path;   // nodes the stream passes, from its origin; of a vendor's
                                     // stream those before the vendor
  std::uint16_t attempts = 0;
  std::uint16_t unopened = 0;  // failed before the stream was asked for: name, TCP, TLS, handshake
  std::uint16_t missing = 0;   // opened, and the stream was not there, or stood still
};

struct Evidence {
  FleetShape shape;
  Coverage coverage;
  std::vector<LinkFinding> findings;  // at most one per link
  std::vector<SharedHop> hops;
  std::vector<AgentEvidence> agents;  // by node
  std::vector<DialEvidence> dials;

  explicit Evidence(FleetShape fleet) : shape(std::move(fleet)), coverage(shape) {
    agents.resize(shape.nodes);
  }
};

}  // namespace linkpilot::optimizer
