// Per link: sums of all its samples since this run began, and since when it is in its state. Counts
// only; what is believed of the link is the optimizer's business.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/huge_pages.h"
#include "base/ids.h"
#include "base/link_sample.h"
#include "base/report.h"
#include "base/time.h"
#include "optimizer/estimate/link_index.h"

namespace linkpilot::collector {

struct LinkHistory {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  UnixNanos last_sample;  // end of the newest one
  std::uint64_t late = 0;
  std::uint64_t lost_forward = 0;
  std::uint64_t lost_backward = 0;
  std::uint64_t lost_unplaced = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t reordered = 0;
  std::uint64_t missed_by_us = 0;
  std::uint64_t local_send_error = 0;
  UnixNanos state_since;  // zero: never changed
  std::string state_reason;

  // Of a link without troubles only the first three are touched: one cache line.
  void add(const LinkSample& sample) {
    sent += sample.sent;
    answered += sample.answered;
    last_sample = std::max(last_sample, sample.start + sample.length);
    const std::uint32_t troubles =
        sample.late | sample.lost_forward | sample.lost_backward | sample.lost_unplaced |
        sample.duplicate_forward | sample.duplicate_backward | sample.reordered_forward |
        sample.reordered_backward | sample.missed_by_us | sample.local_send_error;
    if (troubles != 0) add_troubles(sample);
  }

 private:
  void add_troubles(const LinkSample& sample) {
    late += sample.late;
    lost_forward += sample.lost_forward;
    lost_backward += sample.lost_backward;
    lost_unplaced += sample.lost_unplaced;
    duplicate += sample.duplicate_forward + sample.duplicate_backward;
    reordered += sample.reordered_forward + sample.reordered_backward;
    missed_by_us += sample.missed_by_us;
    local_send_error += sample.local_send_error;
  }
};

class LinkHistories {
 public:
  // The reference holds until the next link is looked up.
  LinkHistory& operator[](LinkId link) {
    const std::uint32_t found = index_.find(link);
    if (found != optimizer::LinkIndex::kNone) return entries_[found].history;
    index_.add(link, static_cast<std::uint32_t>(entries_.size()));
    return entries_.emplace_back(link, LinkHistory{}).history;
  }
  // Null: never sampled.
  [[nodiscard]] const LinkHistory* find(LinkId link) const {
    const std::uint32_t found = index_.find(link);
    return found == optimizer::LinkIndex::kNone ? nullptr : &entries_[found].history;
  }
  void forget(NodeId node) {
    std::erase_if(entries_, [node](const Entry& entry) {
      return entry.link.from.node == node || entry.link.to.node == node;
    });
    index_.clear();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      index_.add(entries_[i].link, static_cast<std::uint32_t>(i));
    }
  }
  // What FleetEstimates::expect is for.
  [[gnu::always_inline]] void expect_index(LinkId link) const { index_.prefetch(link); }
  [[gnu::always_inline]] void expect(LinkId link) const {
    const std::uint32_t found = index_.find(link);
    if (found != optimizer::LinkIndex::kNone) __builtin_prefetch(&entries_[found], 1);
  }

 private:
  struct alignas(64) Entry {
    LinkId link;
    LinkHistory history;
    Entry(LinkId id, LinkHistory value) : link(id), history(std::move(value)) {}
  };
  std::vector<Entry, HugePages<Entry>> entries_;
  optimizer::LinkIndex index_;
};

}  // namespace linkpilot::collector
