// Reports by the thousand: a few are encoded by the real codec for each agent, and every report
// that leaves is one of them with its sequence, its time and one octet of each sample written over.
// So no two are alike, a report costs next to nothing to make, and what (agent, sequence, time)
// must look like can be said again when the store is read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/report.h"

namespace linkpilot::fleet {

struct MillOptions {
  std::uint64_t epoch = 1;
  std::size_t links = 199;   // samples a report
  std::size_t cells = 12;    // of the sketch of each
  std::size_t variants = 4;  // encoded reports an agent
};

class ReportMill {
 public:
  // `self` reports links to `peers`, port by port, until `links` are found.
  ReportMill(NodeId self, std::span<const NodeId> peers, const MillOptions& options);

  // Valid until the next call; 8-byte aligned.
  [[nodiscard]] std::span<const std::uint8_t> make(std::uint64_t sequence, UnixNanos created);
  [[nodiscard]] std::size_t links() const { return links_; }

 private:
  struct Variant {
    std::vector<std::uint64_t> words;
    std::size_t octets = 0;
    std::size_t sequence_at = 0;
    std::size_t created_at = 0;
    std::vector<std::uint32_t> sums_at;  // six bits of each sample's sum of RTTs
  };
  [[nodiscard]] static Variant encode_variant(Report report);

  std::size_t links_ = 0;
  std::vector<Variant> variants_;
};

}  // namespace linkpilot::fleet
