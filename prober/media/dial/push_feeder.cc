#include "prober/media/dial/push_feeder.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "prober/media/flv/media_tag.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint32_t kLastFrameMs = 40;  // a file does not say how long its last frame lasts

class TagCollector final : public TagSink {
 public:
  explicit TagCollector(std::size_t octets_max) : octets_max_(octets_max) {}
  void on_tag_begin(const TagHeader& tag, Now) override {
    octets_ += tag.octets;
    if (octets_ > octets_max_) return;
    tags_.push_back({.type = tag.type, .timestamp_ms = tag.timestamp_ms, .body = {}});
  }
  void on_tag_body(std::span<const std::uint8_t> part) override {
    if (octets_ > octets_max_) return;
    tags_.back().body.insert(tags_.back().body.end(), part.begin(), part.end());
  }
  void on_tag_end(Now) override { complete_ = tags_.size(); }

  [[nodiscard]] bool too_large() const { return octets_ > octets_max_; }
  [[nodiscard]] std::vector<OwnedTag> take() {
    tags_.resize(complete_);  // the file may end within a tag
    return std::move(tags_);
  }

 private:
  std::size_t octets_max_;
  std::size_t octets_ = 0;
  std::size_t complete_ = 0;
  std::vector<OwnedTag> tags_;
};

bool is_frame(const OwnedTag& tag) {
  const auto octets = static_cast<std::uint32_t>(tag.body.size());
  const std::span<const std::uint8_t> head =
      std::span(tag.body).first(std::min<std::size_t>(octets, kTagHeaderOctetsMax));
  switch (tag.type) {
    case TagType::video:
      return parse_video_tag(head, octets).tag.kind == PacketKind::frames;
    case TagType::audio:
      return parse_audio_tag(head, octets).tag.kind == PacketKind::frames;
    case TagType::script:
      break;
  }
  return false;
}

// From the first frame, as if no leap and no wrap had been.
std::vector<std::uint32_t> times_of(const std::vector<OwnedTag>& tags) {
  constexpr std::int64_t leap_ms = PushFeeder::kLeapMax / std::chrono::milliseconds(1);
  std::vector<std::uint32_t> times;
  times.reserve(tags.size());
  std::optional<std::uint32_t> stamp;  // of the newest frame, as written
  std::int64_t now = 0;
  for (const OwnedTag& tag : tags) {
    if (is_frame(tag)) {
      // The difference of two stamps is right across a wrap.
      std::int64_t step =
          stamp ? static_cast<std::int32_t>(tag.timestamp_ms - *stamp) : std::int64_t{0};
      if (step < -leap_ms || step > leap_ms) step = kLastFrameMs;
      now = std::max<std::int64_t>(now + step, 0);
      stamp = tag.timestamp_ms;
    }
    times.push_back(static_cast<std::uint32_t>(now));
  }
  return times;
}

}  // namespace

Result<PushFeeder> PushFeeder::create(const PushOptions& options) {
  PushFeeder feeder;
  if (!options.file) {
    Result<SyntheticStream> stream = SyntheticStream::create(options.stream);
    if (!stream) return fail(stream.error());
    feeder.headers_ = stream->headers();
    feeder.synthetic_ = std::move(*stream);
    return feeder;
  }
  feeder.file_ = options.file;
  const std::vector<OwnedTag>& tags = *options.file;
  if (std::none_of(tags.begin(), tags.end(), is_frame)) {
    return fail(ErrorCode::invalid_argument, "the FLV file has no frame of audio or video");
  }
  feeder.times_ms_ = times_of(tags);
  const std::uint32_t span = *std::max_element(feeder.times_ms_.begin(), feeder.times_ms_.end());
  if (span == 0 || span > 24U * 3600 * 1000) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("the FLV file spans {} ms; more than none and at most a day is looped", span));
  }
  feeder.file_length_ms_ = span + kLastFrameMs;
  return feeder;
}

Duration PushFeeder::due() const {
  if (synthetic_) return synthetic_->due();
  return std::chrono::milliseconds(rounds_ms_ + times_ms_[next_tag_]);
}

OwnedTag PushFeeder::next(UnixNanos wall) {
  const auto timestamp = static_cast<std::uint32_t>(due() / std::chrono::milliseconds(1));
  if (next_header_ < headers_.size()) {
    OwnedTag header = headers_[next_header_++];
    header.timestamp_ms = timestamp;
    return header;
  }
  if (synthetic_) return synthetic_->next(wall);
  OwnedTag tag = (*file_)[next_tag_];
  tag.timestamp_ms = timestamp;
  if (++next_tag_ == file_->size()) {
    next_tag_ = 0;
    rounds_ms_ += file_length_ms_;
  }
  return tag;
}

void PushFeeder::begin_anew() {
  next_header_ = 0;
  if (synthetic_) return;
  rounds_ms_ += times_ms_[next_tag_];
  next_tag_ = 0;
}

Result<std::vector<OwnedTag>> read_flv_tags(std::span<const std::uint8_t> file,
                                            std::size_t octets_max) {
  TagCollector collector(octets_max);
  FlvDemuxer demuxer(collector);
  if (const Status status = demuxer.consume(file, {}); !status) return fail(status.error());
  if (collector.too_large()) {
    return fail(ErrorCode::limit_exceeded,
                fmt::format("the file holds more than {} MB of tags", octets_max / 1'000'000));
  }
  return collector.take();
}

}  // namespace linkpilot::prober
