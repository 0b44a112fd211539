#include "agent/spool/report_spool.h"

#include <utility>

namespace linkpilot::agent {

void ReportSpool::push(std::uint64_t sequence, std::vector<std::uint8_t> bytes) {
  bytes_ += bytes.size();
  entries_.push_back({sequence, std::move(bytes)});
  while (entries_.size() > 1 &&
         (bytes_ > options_.bytes_max || entries_.size() > options_.reports_max)) {
    pop_front();
    ++dropped_;
  }
}

void ReportSpool::acknowledge(ReportId up_to) {
  if (up_to.epoch != epoch_) return;
  while (!entries_.empty() && entries_.front().sequence <= up_to.sequence) pop_front();
}

std::span<const std::uint8_t> ReportSpool::next() const {
  if (sent_ >= entries_.size() || sent_ >= options_.window) return {};
  return entries_[sent_].bytes;
}

void ReportSpool::pop_front() {
  bytes_ -= entries_.front().bytes.size();
  entries_.pop_front();
  if (sent_ > 0) --sent_;
}

}  // namespace linkpilot::agent
