#include "collector/faults/loss_window.h"

#include <algorithm>

namespace linkpilot::collector {

void LossWindow::Count::add(const Count& other) {
  sent += other.sent;
  lost += other.lost;
  lossy_looks = static_cast<std::uint16_t>(lossy_looks + other.lossy_looks);
}

void LossWindow::look(double sent_total, double lost_total) {
  const double sent = sent_total - sent_total_;
  const double lost = lost_total - lost_total_;
  const bool usable = has_totals_ && sent >= 0 && lost >= 0;
  has_totals_ = true;
  sent_total_ = sent_total;
  lost_total_ = lost_total;
  if (!usable) return;
  if (grace_ > 0) {
    --grace_;
    return;
  }
  Count& slot = looks_[next_];
  slot = {static_cast<float>(sent), static_cast<float>(std::min(lost, sent)),
          static_cast<std::uint16_t>(lost > 0 ? 1 : 0)};
  if (counted_ < kLooks) ++counted_;
  next_ = static_cast<std::uint8_t>((next_ + 1U) % kLooks);
  if (next_ != 0) return;
  Count block;
  for (const Count& each : looks_) block.add(each);
  blocks_[next_block_] = block;
  next_block_ = static_cast<std::uint8_t>((next_block_ + 1U) % kBlocks);
}

void LossWindow::begin_anew() {
  looks_ = {};
  blocks_ = {};
  next_ = next_block_ = counted_ = 0;
  grace_ = kGraceLooks;
}

LossWindow::Word LossWindow::word() const {
  Count total;
  for (const Count& each : looks_) total.add(each);
  std::uint32_t spread = kSpread;
  double enough = kEnough;
  if (total.sent < kEnough) {
    // The looks of the block under way stay out, so that none counts twice.
    total = {};
    for (const Count& each : blocks_) total.add(each);
    spread = kSpreadLong;
    enough = kEnoughLong;
  }
  Word word;
  word.known = counted_ == kLooks && total.sent >= enough;
  if (!word.known) return word;
  word.loss_ratio = static_cast<double>(total.lost) / static_cast<double>(total.sent);
  word.spread = total.lossy_looks >= spread;
  return word;
}

}  // namespace linkpilot::collector
