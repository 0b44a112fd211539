#include "prober/media/playback/picture_watch.h"

#include <algorithm>

namespace linkpilot::prober {
namespace {

constexpr std::uint32_t kLearnSeconds = 5;
constexpr double kCollapse = 0.05;
constexpr double kLearn = 0.1;  // weight of the newest second

}  // namespace

void PictureWatch::on_frame(const MediaUnit& unit, Duration at, bool gap) {
  signs_.broken_frames += unit.broken ? 1 : 0;
  signs_.gaps_without_key += gap && !unit.begins_decoding ? 1 : 0;
  if (at - second_begin_ >= std::chrono::seconds(1) || at < second_begin_) {
    end_second();
    second_begin_ = at;
  }
  if (!unit.begins_decoding) {
    ++frames_since_key_;
    ++inter_frames_;
    inter_octets_ += unit.payload_octets;
    return;
  }
  if (key_frames_ > 0) {
    const Duration length = std::max(Duration(0), at - key_at_);
    gop_.least = gop_.complete == 0 ? length : std::min(gop_.least, length);
    gop_.most = std::max(gop_.most, length);
    ++gop_.complete;
    gop_sum_ += length;
    frames_in_gops_ += frames_since_key_;
  }
  ++key_frames_;
  frames_since_key_ = 1;
  key_at_ = at;
}

void PictureWatch::end_second() {
  if (inter_frames_ > 0) {
    const double mean = static_cast<double>(inter_octets_) / inter_frames_;
    if (seconds_ >= kLearnSeconds && mean < kCollapse * usual_octets_) {
      ++signs_.collapsed_seconds;
      signs_.longest_collapse = std::max(signs_.longest_collapse, ++collapse_run_);
    } else {
      collapse_run_ = 0;
      usual_octets_ = seconds_ == 0 ? mean : usual_octets_ + kLearn * (mean - usual_octets_);
      ++seconds_;
    }
  }
  inter_octets_ = 0;
  inter_frames_ = 0;
}

GopReport PictureWatch::gop() const {
  GopReport report = gop_;
  if (report.complete > 0) {
    report.mean = gop_sum_ / report.complete;
    report.frames_mean = static_cast<double>(frames_in_gops_) / report.complete;
  }
  return report;
}

}  // namespace linkpilot::prober
