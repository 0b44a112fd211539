#include "prober/media/dial/push_feeder.h"

#include <fmt/format.h>

#include <algorithm>

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
  const std::vector<OwnedTag>& tags = *options.file;
  const auto is_media = [](const OwnedTag& tag) { return tag.type != TagType::script; };
  if (std::none_of(tags.begin(), tags.end(), is_media)) {
    return fail(ErrorCode::invalid_argument, "the FLV file has no audio or video");
  }
  const auto [first, last] = std::minmax_element(
      tags.begin(), tags.end(),
      [](const OwnedTag& a, const OwnedTag& b) { return a.timestamp_ms < b.timestamp_ms; });
  feeder.file_begin_ms_ = first->timestamp_ms;
  const std::uint32_t span = last->timestamp_ms - first->timestamp_ms;
  if (span == 0 || span > 24U * 3600 * 1000) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("the FLV file spans {} ms; more than none and at most a day is looped", span));
  }
  feeder.file_ = options.file;
  feeder.file_length_ms_ = span + kLastFrameMs;
  return feeder;
}

std::uint32_t PushFeeder::file_time() const {
  return (*file_)[next_tag_].timestamp_ms - file_begin_ms_;
}

Duration PushFeeder::due() const {
  if (next_header_ < headers_.size()) return {};
  if (synthetic_) return synthetic_->due();
  return std::chrono::milliseconds(rounds_ * file_length_ms_ + file_time());
}

OwnedTag PushFeeder::next(UnixNanos wall) {
  if (next_header_ < headers_.size()) return headers_[next_header_++];
  if (synthetic_) return synthetic_->next(wall);
  OwnedTag tag = (*file_)[next_tag_];
  tag.timestamp_ms = static_cast<std::uint32_t>(rounds_ * file_length_ms_ + file_time());
  if (++next_tag_ == file_->size()) {
    next_tag_ = 0;
    ++rounds_;
  }
  return tag;
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
