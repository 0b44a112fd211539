// EvidenceMaker: what is known of the fleet at one moment as the localiser's record of evidence
// (optimizer/localise/evidence.h), and what its indices stand for. Shape and coverage are kept from
// one record to the next: a record costs work for those pairs that stand out, and once a second a
// look at the newest time of each. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "collector/evidence/link_book.h"
#include "collector/faults/causes.h"
#include "optimizer/localise/evidence.h"

namespace linkpilot::collector {

// Names of a record's indices.
struct FleetIndex {
  std::vector<NodeId> nodes;
  std::vector<std::string> regions;  // "" is one of them where some node's is not known
  std::vector<std::string> isps;
  static constexpr std::uint16_t kNone = 0xffff;
  std::vector<std::uint16_t> of_node;    // by number: dense index
  std::vector<std::uint16_t> first_end;  // by dense index of the node

  [[nodiscard]] std::uint16_t node(NodeId id) const {
    return id.value < of_node.size() ? of_node[id.value] : kNone;
  }
};

class EvidenceMaker {
 public:
  // Ends beyond these are left out and counted: indices have 16 bits.
  static constexpr std::size_t kEndsMax = 60'000;

  // The record of `now`; the reference holds until the next call.
  [[nodiscard]] const optimizer::Evidence& make(const NodeTable& nodes, LinkBook& links, Now now);
  // The two ends of this direction contradict each other and will not agree: for kWorseFor the one
  // that sees more trouble is believed.
  void believe_worse(LinkId link, MonoTime now);
  static constexpr Duration kWorseFor = std::chrono::minutes(5);
  static constexpr std::size_t kWorseMax = 256;
  [[nodiscard]] const FleetIndex& index() const { return index_; }
  // Changes when indices change what they stand for.
  [[nodiscard]] std::uint64_t shape_number() const { return shape_number_; }
  [[nodiscard]] std::uint64_t left_out() const { return left_out_; }

 private:
  [[nodiscard]] static std::string signature_of(const NodeTable& nodes);
  void shape_fleet(const NodeTable& nodes);
  void cover(const LinkBook& links, MonoTime now);
  void find(const NodeTable& nodes, LinkBook& links, MonoTime now);
  void add_finding(const NodeTable& nodes, const LinkBook& links, LinkBook::Place pair,
                   MonoTime now);
  [[nodiscard]] std::uint16_t end_of(PortId port) const;

  FleetIndex index_;
  optimizer::Evidence evidence_{optimizer::FleetShape{}};
  std::string signature_;
  std::uint64_t generation_ = 0;  // of the book's places
  std::uint64_t shape_number_ = 0;
  std::vector<bool> covered_;  // by place, as counted in the coverage
  MonoTime covered_at_;
  std::vector<bool> found_;           // by place, in this record
  std::map<LinkId, MonoTime> worse_;  // until when, at most kWorseMax
  std::uint64_t left_out_ = 0;
};

}  // namespace linkpilot::collector
