#include "agent/spool/report_spool.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace linkpilot::agent {

namespace {
// Epochs whose acknowledgement is remembered; the oldest is forgotten, which costs repetitions.
constexpr std::size_t kEpochsMax = 64;
}  // namespace

void ReportSpool::push(ReportId id, std::vector<std::uint8_t> bytes) {
  waiting_bytes_ += bytes.size();
  waiting_.push_back({id, std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes))});
  while (waiting_.size() > appending_ + 1 && (waiting_bytes_ > options_.waiting_bytes_max ||
                                              waiting_.size() > options_.waiting_reports_max)) {
    // The file thread holds those in front of it.
    const auto oldest = waiting_.begin() + static_cast<std::ptrdiff_t>(appending_);
    waiting_bytes_ -= oldest->bytes->size();
    waiting_.erase(oldest);
    ++dropped_;
  }
}

const SpooledReport* ReportSpool::next_append() const {
  return appending_ < waiting_.size() ? &waiting_[appending_] : nullptr;
}

void ReportSpool::on_appended(std::uint64_t position) {
  LP_ASSERT(appending_ > 0);
  SpooledReport report = std::move(waiting_.front());
  waiting_.pop_front();
  --appending_;
  waiting_bytes_ -= report.bytes->size();
  const bool next_in_line = through_ == newest_ && !reading_;
  newest_ = position;
  if (!next_in_line || !has_room(report.bytes->size())) return;  // read back when its turn comes
  through_ = position;
  make_ready(std::move(report));
}

std::optional<std::uint64_t> ReportSpool::next_read() const {
  if (reading_ || through_ >= newest_ || resend_) return std::nullopt;
  // Half empty: reads are few and large.
  if (ready_.size() * 2 > options_.ready_reports_max ||
      ready_bytes_ * 2 > options_.ready_bytes_max) {
    return std::nullopt;
  }
  return through_;
}

void ReportSpool::on_read(SpoolLog::Batch batch) {
  reading_ = false;
  if (std::exchange(discard_read_, false)) return;
  through_ = std::max(through_, batch.through);
  for (SpooledReport& report : batch.reports) make_ready(std::move(report));
}

void ReportSpool::on_recovered(std::uint64_t newest) { newest_ = std::max(newest_, newest); }

std::optional<ReportId> ReportSpool::take_acknowledgement() {
  if (acknowledgement_.empty()) return std::nullopt;
  const auto first = acknowledgement_.begin();
  const ReportId id{first->first, first->second};
  acknowledgement_.erase(first);
  return id;
}

std::optional<ReportId> ReportSpool::take_resend() { return std::exchange(resend_, std::nullopt); }

void ReportSpool::acknowledge(ReportId up_to) {
  if (acked_.size() >= kEpochsMax && !acked_.contains(up_to.epoch)) acked_.erase(acked_.begin());
  std::uint64_t& acked = acked_[up_to.epoch];
  if (up_to.sequence <= acked) return;
  acked = up_to.sequence;
  acknowledgement_[up_to.epoch] = acked;
  ++acknowledgements_;
  for (std::size_t i = 0; i < ready_.size();) {
    const SpooledReport& report = ready_[i];
    if (report.id.epoch != up_to.epoch || report.id.sequence > acked) {
      ++i;
      continue;
    }
    ready_bytes_ -= report.bytes->size();
    if (i < sent_) {
      --sent_;
      sent_bytes_ -= report.bytes->size();
    }
    ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void ReportSpool::rewind() { sent_ = sent_bytes_ = 0; }

void ReportSpool::resend(ReportId first) {
  rewind();
  ready_.clear();
  ready_bytes_ = 0;
  through_ = 0;
  discard_read_ = reading_;
  acknowledgement_.erase(first.epoch);
  if (const auto acked = acked_.find(first.epoch);
      acked != acked_.end() && acked->second >= first.sequence) {
    acked->second = first.sequence == 0 ? 0 : first.sequence - 1;
  }
  resend_ = first;
}

const SpooledReport* ReportSpool::next() const {
  if (sent_ >= ready_.size() || sent_ >= std::min(window_, options_.window_reports)) return nullptr;
  const SpooledReport& report = ready_[sent_];
  if (sent_ > 0 && sent_bytes_ + report.bytes->size() > options_.window_bytes) return nullptr;
  return &report;
}

void ReportSpool::sent() {
  sent_bytes_ += ready_[sent_].bytes->size();
  ++sent_;
}

bool ReportSpool::has_room(std::size_t bytes) const {
  return ready_.empty() || (ready_.size() < options_.ready_reports_max &&
                            ready_bytes_ + bytes <= options_.ready_bytes_max);
}

void ReportSpool::make_ready(SpooledReport report) {
  const auto acked = acked_.find(report.id.epoch);
  if (acked != acked_.end() && report.id.sequence <= acked->second) return;
  ready_bytes_ += report.bytes->size();
  ready_.push_back(std::move(report));
}

}  // namespace linkpilot::agent
